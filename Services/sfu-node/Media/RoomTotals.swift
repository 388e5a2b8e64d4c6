import MediaInterface
import Time

/// What a room's members sent to the node and were sent by it, over the last 2, 10 and 40 s.
struct RoomTotals {
    /// In seconds, the shortest first.
    static let windows = [2, 10, 40]

    private static let every = Interval.seconds(1)
    /// How many samples a notice is apart from the next.
    private static let told = 2

    private var received: UInt64 = 0
    private var sent: UInt64 = 0
    /// Bytes so far, at each second; the newest last.
    private var samples: [(at: Instant, received: UInt64, sent: UInt64)]
    private var count = 0

    init(now: Instant) { samples = [(now, 0, 0)] }

    /// Takes what came and went since the last call; where it is time to tell the members, what that makes in bits a second.
    mutating func add(received more: UInt64, sent others: UInt64, now: Instant) -> MediaTotals? {
        received &+= more
        sent &+= others
        guard let last = samples.last, now - last.at >= RoomTotals.every else { return nil }
        samples.append((now, received, sent))
        if samples.count > 42 { samples.removeFirst() }
        count += 1
        guard count.isMultiple(of: RoomTotals.told) else { return nil }
        var totals = MediaTotals()
        for window in RoomTotals.windows {
            // The oldest within it; a young room's is shorter.
            let reach = Interval.seconds(Int64(window)) + .milliseconds(500)
            let first = samples.first { now - $0.at <= reach } ?? (now, received, sent)
            let nanoseconds = max(1, (now - first.at).nanoseconds)
            func rate(_ bytes: UInt64) -> UInt64 { UInt64(Double(bytes) * 8e9 / Double(nanoseconds)) }
            totals.receivedBitsPerSecond.append(rate(received &- first.received))
            totals.sentBitsPerSecond.append(rate(sent &- first.sent))
        }
        return totals
    }
}
