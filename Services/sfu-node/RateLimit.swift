import Time

/// A token bucket that keeps one number: the time at which it would be full again.
struct RateLimit: Sendable {
    private let cost: Int64
    private let capacity: Int64
    private var fullAt: Instant

    /// A full bucket of `burst` tokens that gains `perSecond` a second. Both at least 1.
    init(perSecond: Int, burst: Int, now: Instant) {
        cost = 1_000_000_000 / Int64(max(1, perSecond))
        capacity = cost * Int64(max(1, burst))
        fullAt = now
    }

    /// Takes a token if there is one.
    mutating func take(now: Instant) -> Bool {
        let debt = max(0, fullAt.nanoseconds - now.nanoseconds)
        guard debt + cost <= capacity else { return false }
        fullAt = now + .nanoseconds(debt + cost)
        return true
    }
}
