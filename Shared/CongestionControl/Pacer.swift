public import Time

/// A token bucket: spreads a key frame over some time, so that it does not fill the queue in front of sound.
public struct Pacer: Sendable {
    /// Two full packets: less would let none pass.
    private static let leastBurst = ByteCount(3000)

    private let burst: Interval
    private var rate: BitRate
    /// In bytes, with the parts that frequent calls must not lose.
    private var tokens: Double
    private var updated: Instant
    private var isWaiting = false

    /// A full bucket that fills at `rate` and holds what that gives in `burst`.
    public init(rate: BitRate, burst: Interval = .milliseconds(40), now: Instant) {
        self.rate = rate
        self.burst = burst
        updated = now
        tokens = Double(max(rate.bytes(in: burst), Self.leastBurst).bytes)
    }

    /// When a packet that was refused may be tried again; nil if none was refused, or nothing flows.
    public var nextDeadline: Instant? {
        guard isWaiting, rate > .zero else { return nil }
        return updated + rate.time(for: ByteCount(max(0, 1 - tokens) + 1))
    }

    /// Changes the rate; what is in the bucket stays, as far as it still holds it.
    public mutating func setRate(_ rate: BitRate, now: Instant) {
        fill(now: now)
        self.rate = rate
        tokens = min(tokens, capacity)
    }

    /// How much may leave now; not negative.
    public mutating func budget(now: Instant) -> ByteCount {
        fill(now: now)
        return ByteCount(max(0, tokens))
    }

    /// Asks for one packet. It may go while anything is in the bucket (the bucket then owes the rest); false: not now, and
    /// `nextDeadline` says when.
    public mutating func take(_ size: ByteCount, now: Instant) -> Bool {
        fill(now: now)
        isWaiting = tokens < 1
        if !isWaiting { tokens -= Double(size.bytes) }
        return !isWaiting
    }

    /// A packet went without asking, as sound does: the others wait for it.
    public mutating func sent(_ size: ByteCount, now: Instant) {
        fill(now: now)
        // What goes unasked is never so much that pictures owe more than a bucket.
        tokens = max(tokens - Double(size.bytes), -capacity)
    }

    private var capacity: Double { Double(max(rate.bytes(in: burst), Self.leastBurst).bytes) }

    private mutating func fill(now: Instant) {
        guard now > updated else { return }
        tokens = min(tokens + Double(rate.bitsPerSecond) / 8 * (now - updated).inSeconds, capacity)
        updated = now
    }
}
