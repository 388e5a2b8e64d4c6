public import Addresses

/// How a client reaches the server.
public enum ClientTransport: UInt8, Hashable, Sendable, CaseIterable {
    /// Datagrams.
    case udp
    /// A stream in the clear.
    case tcp
    /// A stream inside of TLS.
    case tls
}

/// A conversation between a client and the server: the 5-tuple that RFC 8656 §2 ties an allocation to, and whoever reads
/// its packets.
public struct Flow: Hashable, Sendable {
    /// How the client came.
    public let transport: ClientTransport
    let number: Int32
    /// The client's end, as the server sees it.
    public let client: Endpoint
    /// The server's end: the address that the client sends to.
    public let server: Endpoint

    /// A flow of these.
    ///
    /// - Parameters:
    ///   - transport: how the client came.
    ///   - id: the number of the socket (UDP) or of the stream (TCP, TLS) that it came by, below 2³¹.
    ///   - client: where it comes from.
    ///   - server: what it sends to: on a socket of all addresses, the one that the kernel told.
    @inlinable
    public init(transport: ClientTransport, id: Int, client: Endpoint, server: Endpoint) {
        self.init(transport: transport, number: Int32(id), client: client, server: server)
    }

    @usableFromInline
    init(transport: ClientTransport, number: Int32, client: Endpoint, server: Endpoint) {
        self.transport = transport
        self.number = number
        self.client = client
        self.server = server
    }

    /// The number of the socket or the stream.
    public var id: Int { Int(number) }

    /// Whether messages are padded to four bytes, and nobody's address is forged.
    public var isStream: Bool { transport != .udp }

    /// The parts that differ most come first.
    @inline(__always)
    static func same(_ left: Flow, _ right: Flow) -> Bool {
        left.client.port == right.client.port && left.number == right.number
            && left.client.address.low == right.client.address.low
            && left.client.address.high == right.client.address.high
            && left.server.address.low == right.server.address.low && left.transport == right.transport
            && left.client.address.family == right.client.address.family
            && left.client.address.zone == right.client.address.zone
            && left.server.address.high == right.server.address.high && left.server.port == right.server.port
    }
}
