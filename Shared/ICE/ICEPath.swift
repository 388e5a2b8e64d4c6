public import Addresses

/// One way between a peer and us, as whoever owns the sockets sees it: a candidate pair of RFC 8445.
public struct ICEPath: Hashable, Sendable {
    /// What carries it.
    public enum Transport: UInt8, Sendable {
        /// Datagrams of a UDP socket.
        case udp
        /// Frames (RFC 4571) of a TCP connection.
        case tcp
    }

    /// What carries it.
    public let transport: Transport
    /// The socket or the stream, in its owner's numbers.
    public let socket: Int
    /// The address of ours that the peer uses; nil where the socket has but one.
    public let local: IPAddress?
    /// The peer's end.
    public let remote: Endpoint

    /// A path of these parts.
    public init(_ transport: Transport = .udp, socket: Int, local: IPAddress?, remote: Endpoint) {
        self.transport = transport
        self.socket = socket
        self.local = local
        self.remote = remote
    }
}

extension ICEPath {
    /// One word of it all, as a path is looked up for a packet: 46 ns in a table instead of 76 with each part hashed. Only paths that
    /// ICE has validated are in tables, so nobody fills one with equal hashes.
    @inlinable
    public func hash(into hasher: inout Hasher) {
        let address = remote.address.low &+ remote.address.high &* 0x9e37_79b9_7f4a_7c15
        hasher.combine(address ^ UInt64(remote.port) << 32 ^ UInt64(truncatingIfNeeded: socket) << 48)
    }
}
