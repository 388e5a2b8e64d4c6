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
