package import Time

/// A rate with a burst: so many at once, so many a second after.
package struct TokenBucket: Sendable {
    private let capacity: Int64
    private let interval: Int64
    private var fullAt: Instant

    /// Full at first. `rate` is in takes a second.
    package init(burst: Int, rate: Int, now: Instant) {
        capacity = Int64(burst)
        interval = 1_000_000_000 / Int64(rate)
        fullAt = now
    }

    /// Full at first; one more each `interval`.
    package init(burst: Int, oneEach interval: Interval, now: Instant) {
        capacity = Int64(burst)
        self.interval = interval.nanoseconds
        fullAt = now
    }

    /// Whether nothing was taken lately: as good as a new one.
    package func isFull(now: Instant) -> Bool { fullAt <= now }

    /// Takes `count`; false, and nothing taken, when there are not that many.
    package mutating func take(_ count: Int = 1, now: Instant) -> Bool {
        let base = max(fullAt.nanoseconds, now.nanoseconds)
        let after = base + Int64(count) * interval
        guard after - now.nanoseconds <= capacity * interval else { return false }
        fullAt = Instant(nanoseconds: after)
        return true
    }
}
