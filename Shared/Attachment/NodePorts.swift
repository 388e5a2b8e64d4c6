public import Addresses
public import Messages

/// Ports of one address where the cluster's own nodes send and receive media, or relay it.
public struct NodePorts: Hashable, Sendable {
    /// Where they are.
    public var address: IPAddress
    /// Which they are.
    public var ports: ClosedRange<UInt16>

    /// These ports of this address.
    public init(address: IPAddress, ports: ClosedRange<UInt16>) {
        self.address = address
        self.ports = ports
    }

    /// As a registry says it; nil where it names no ports of one address.
    init?(_ wire: Roost_Registry_V1_PeerRange) {
        guard let address = IPAddress(wire.address), !address.isUnspecified,
            let first = UInt16(exactly: wire.firstPort), let last = UInt16(exactly: wire.lastPort), 1 <= first,
            first <= last
        else { return nil }
        self.init(address: address, ports: first...last)
    }

    /// As a node says it of itself, in `relayRanges` or `mediaRanges`.
    public var wire: Roost_Registry_V1_PeerRange {
        var wire = Roost_Registry_V1_PeerRange()
        wire.address = "\(address)"
        wire.firstPort = UInt32(ports.lowerBound)
        wire.lastPort = UInt32(ports.upperBound)
        return wire
    }
}
