public import Time

/// Which layers of one publisher's track anybody takes: a layer that is wanted is asked for at once, one that nobody wants is
/// paused after a while, because to begin anew costs a key frame and a climb of the publisher's own estimate.
public struct LayerDemand: Sendable {
    private let negotiated: LayerSet
    private let hold: Interval
    private var wanted: LayerSet
    /// When each layer was last wanted.
    private var left: [8 of Instant]

    /// What the publisher is to send.
    public private(set) var active: LayerSet

    /// All negotiated layers are active at first, as browsers begin.
    public init(layers: LayerSet, hold: Interval = .seconds(3), now: Instant) {
        negotiated = layers
        self.hold = hold
        wanted = []
        left = .init(repeating: now)
        active = layers
    }

    /// When `timeout` is due; nil if no layer waits to be paused.
    public var nextDeadline: Instant? {
        var due: Instant?
        for layer in 0..<8 where isIdle(layer) { due = min(due ?? .distantFuture, left[layer] + hold) }
        return due
    }

    /// Takes what all receivers together want now; true: `active` changed and the publisher is to be told.
    public mutating func receive(wanted: LayerSet, now: Instant) -> Bool {
        let before = active
        let wanted = wanted.intersection(negotiated)
        for layer in 0..<8 {
            let set = LayerSet(rawValue: 1 << UInt8(layer))
            if self.wanted.contains(set), !wanted.contains(set) { left[layer] = now }
        }
        self.wanted = wanted
        active.formUnion(wanted)
        return expire(now: now) || active != before
    }

    /// Call when `nextDeadline` has come; true as in `receive`.
    public mutating func timeout(now: Instant) -> Bool { expire(now: now) }

    private mutating func expire(now: Instant) -> Bool {
        let before = active
        for layer in 0..<8 where isIdle(layer) && now - left[layer] >= hold {
            active.remove(LayerSet(rawValue: 1 << UInt8(layer)))
        }
        return active != before
    }

    private func isIdle(_ layer: Int) -> Bool {
        let set = LayerSet(rawValue: 1 << UInt8(layer))
        return active.contains(set) && !wanted.contains(set)
    }
}
