import MediaInterface
import RTP
import Time

/// Bytes of one member's link, up and down, since they were told last.
struct LinkMeter {
    private var received: UInt64 = 0
    private var sent: UInt64 = 0
    private var since: Instant

    init(now: Instant) { since = now }

    mutating func add(received more: UInt64, sent others: UInt64) {
        received &+= more
        sent &+= others
    }

    /// Bits a second since the last call.
    mutating func take(now: Instant) -> (up: UInt64, down: UInt64) {
        let seconds = Double(max(1, (now - since).nanoseconds)) / 1e9
        defer { self = LinkMeter(now: now) }
        return (UInt64(Double(received) * 8 / seconds), UInt64(Double(sent) * 8 / seconds))
    }
}

extension MediaLane {
    /// In a larger room no links are told: each member would be told of each, 100 bytes every two seconds.
    static let linksTold = 50

    /// How the link of each member of a room does, since the last call.
    mutating func links(_ room: Int, _ now: Instant) -> [MediaLink] {
        guard rooms[room].connections.count <= MediaLane.linksTold else { return [] }
        var links: [MediaLink] = []
        for index in rooms[room].connections {
            let rate = connections[index].link.take(now: now)
            var (expected, missed) = (Int64(0), Int64(0))
            for source in connections[index].sources {
                for track in sources[source].tracks {
                    let more = tracks[track].statistics.takeMissed()
                    expected += more.expected
                    missed += more.missed
                }
            }
            let downLoss = connections[index].downlink.takeLoss()
            guard connections[index].isOpen else { continue }
            links.append(
                MediaLink(
                    member: connections[index].member.member, upBitsPerSecond: rate.up, downBitsPerSecond: rate.down,
                    upLoss: expected > 0 ? Double(missed) / Double(expected) : 0, downLoss: downLoss,
                    roundTripMilliseconds: connections[index].downlink.roundTrip.map { Double($0.nanoseconds) / 1e6 }))
        }
        return links
    }
}
