import Addresses
package import Messages
package import Time

/// The media ports of sfu-nodes and the relayed ports of turn servers, as turn servers are told them.
///
/// A turn server ends what is relayed to a peer that leaves the list, so a node stays on it for a while after it was last
/// live: one that registries lose for a moment must not lose its calls.
package struct PeerList: Sendable {
    /// As long as placement is frozen at most: who is away longer is dead indeed.
    package static let linger = Interval.seconds(10)
    /// Ranges of one node at most: some addresses of each family, a range for each worker.
    package static let mostOfANode = 64

    private var seen: [Roost_Registry_V1_PeerRange: Instant] = [:]
    /// What there is now, in one order, each once: equal lists are equal messages.
    package private(set) var current = Roost_Registry_V1_AllowedPeers()

    /// An empty list.
    package init() {}

    /// Takes the ranges of all nodes that are live now, draining ones too, since their calls go on. Gives whether the list changed.
    package mutating func update(live: some Sequence<Roost_Registry_V1_PeerRange>, now: Instant) -> Bool {
        for range in live { seen[range] = now }
        seen = seen.filter { now - $0.value < Self.linger }
        guard seen.count != current.ranges.count || current.ranges.contains(where: { seen[$0] == nil }) else {
            return false
        }
        current.ranges = seen.keys.sorted {
            ($0.address, $0.firstPort, $0.lastPort) < ($1.address, $1.firstPort, $1.lastPort)
        }
        return true
    }
}

extension Roost_Registry_V1_PeerRange {
    /// Whether it names ports that a turn server can be told to let clients reach. A wildcard would open everything.
    var isExact: Bool {
        guard let parsed = IPAddress(address), !parsed.isUnspecified, !parsed.isMulticast, !parsed.isBroadcast else {
            return false
        }
        return firstPort >= 1 && firstPort <= lastPort && lastPort <= 65_535
    }
}
