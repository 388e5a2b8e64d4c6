import Time

/// The rate that the delay allows: additive or multiplicative increase, multiplicative decrease (draft-ietf-rmcat-gcc-02 §5.5).
struct DelayRateControl: Sendable {
    private enum State {
        case hold
        case increase(since: Instant)
    }

    /// What the path carried when it was last overused: near it, steps are small (§5.5, "close to convergence").
    private struct Capacity {
        var mean: Double
        /// Three standard deviations: a measured rate over half a second swings by some 5%.
        var spread: Double { mean * 0.15 }
    }

    private static let decrease = 0.85
    private static let increaseEachSecond = 1.08

    /// In bits a second.
    private(set) var rate: Double
    private var state = State.hold
    private var capacity: Capacity?
    private var lastDecrease: Instant?
    private var suspected: Instant?

    init(rate: Double) { self.rate = rate }

    /// Sets it from outside: a probe, silence, or the limits.
    mutating func set(_ rate: Double, now: Instant) {
        self.rate = rate
        if case .increase = state { state = .increase(since: now) }
    }

    /// Takes the detector's word, after each feedback. `acknowledged` is R_hat, `peak` the same with regard to the last 200 ms;
    /// `isFull`: as much is sent as the rate allows.
    mutating func receive(
        _ usage: BandwidthUsage, acknowledged: Double?, peak: Double?, isFull: Bool, roundTrip: Interval, now: Instant
    ) {
        switch (usage, state) {
        // Pictures swing: a queue may have stood for a moment only, and then what passed in that moment is the path's.
        case (.over, _): overused(acknowledged: peak, isFull: isFull, roundTrip: roundTrip, now: now)
        // §5.5: while queues drain the rate holds, so that they do.
        case (.under, _): state = .hold
        case (.normal, .hold): state = .increase(since: now)
        case (.normal, .increase(let since)):
            increase(acknowledged: acknowledged, roundTrip: roundTrip, elapsed: min(max(0, (now - since).inSeconds), 1))
            state = .increase(since: now)
        }
    }

    private mutating func overused(acknowledged: Double?, isFull: Bool, roundTrip: Interval, now: Instant) {
        state = .hold
        let measured = acknowledged ?? rate
        // A decrease shows in the feedback one round trip later; until then the queue is still the old one.
        let response = min(max(roundTrip, .milliseconds(100)), .milliseconds(300))
        if let lastDecrease, now - lastDecrease < response, measured > rate / 2 { return }
        guard isFull || isConfirmed(after: response, now: now) else { return }
        lastDecrease = now
        if let acknowledged { learn(acknowledged) }
        // Where little is sent, what arrives says nothing of what could: one step at most.
        let target = isFull ? measured * Self.decrease : max(measured * Self.decrease, rate * Self.decrease)
        rate = min(rate, target)
    }

    /// Where less is sent than may be, a queue is most often a key frame's or a probe's own, and gone soon: only one that is still
    /// there a round trip later counts.
    private mutating func isConfirmed(after response: Interval, now: Instant) -> Bool {
        guard let first = suspected, now - first < .seconds(1) else {
            suspected = now
            return false
        }
        guard now - first >= response else { return false }
        suspected = nil
        return true
    }

    private mutating func learn(_ measured: Double) {
        if let known = capacity, abs(measured - known.mean) <= known.spread {
            capacity = Capacity(mean: known.mean + 0.05 * (measured - known.mean))
        } else {
            capacity = Capacity(mean: measured)
        }
    }

    private mutating func increase(acknowledged: Double?, roundTrip: Interval, elapsed: Double) {
        if let known = capacity, let acknowledged, acknowledged > known.mean + known.spread { capacity = nil }
        let multiplied = rate * (pow(Self.increaseEachSecond, elapsed) - 1)
        var step = multiplied
        if capacity != nil {
            // §5.5: about one packet more each response time, which is the round trip and 100 ms for the detector.
            let response = roundTrip.inSeconds + 0.1
            step = min(multiplied, max(4000, 1200 * 8 / response) * elapsed)
        }
        // §5.5: what was not tried is not known, so not more than half above what arrives.
        let limit = acknowledged.map { $0 * 1.5 + 10_000 } ?? .infinity
        rate = max(rate, min(rate + step, limit))
    }
}

/// base^exponent for a base near 1 and an exponent up to 1: three terms of the series of (1 + x)^e. No C library here.
private func pow(_ base: Double, _ exponent: Double) -> Double {
    let x = base - 1
    return 1 + exponent * x * (1 + (exponent - 1) / 2 * x * (1 + (exponent - 2) / 3 * x))
}
