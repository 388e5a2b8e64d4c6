import Time

/// How long even the luckiest packet of a feedback waited on the way: the queue that stands.
///
/// A trend alone takes a receiver that gets no processor for some milliseconds for a queue, as the packets that wait in its
/// socket are dated when it reads them. But then it reads them all, and the last of them waited for nothing; behind a path that
/// is full every packet waits (the same thought as in RFC 8289 §3.1: the least over a while tells a standing queue from a burst).
struct StandingQueue: Sendable {
    /// Clocks drift against each other by up to 100 us a second, and routes change: the path's own delay is the least of one or
    /// two of these.
    private static let memory = Interval.seconds(15)

    /// The delay of the luckiest packet over what the path itself takes; zero before the first feedback.
    private(set) var length = Interval.zero

    private var least: Interval?
    private var base: (earlier: Interval?, current: Interval, since: Instant)?

    /// Takes one packet that arrived; the receiver's clock may be any.
    mutating func receive(sent: Instant, arrival: Instant) {
        let delay = arrival - sent
        least = min(least ?? delay, delay)
    }

    /// Judges what came since the last call.
    mutating func settle(now: Instant) {
        guard let least else { return }
        self.least = nil
        var known = base ?? (nil, least, now)
        if now - known.since >= Self.memory { known = (known.current, least, now) }
        known.current = min(known.current, least)
        base = known
        length = least - min(known.current, known.earlier ?? known.current)
    }
}
