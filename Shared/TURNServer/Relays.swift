public import Addresses

/// A relay socket of the worker: its own small number for it, used again after the socket was closed.
public struct RelayID: Hashable, Sendable {
    let number: Int32

    /// The relay of a number, 0 to 2³¹ − 1. The machine's table is as long as the highest.
    public init(_ index: Int) {
        precondition(index >= 0, "a relay's number is not negative")
        number = Int32(index)
    }

    /// The number.
    public var index: Int { Int(number) }
}

/// Which families of relay addresses are meant.
public enum RelayFamilies: Sendable {
    /// IPv4 alone.
    case v4
    /// IPv6 alone.
    case v6
    /// Each of them.
    case both

    /// Whether a family is among them.
    public func contains(_ family: IPAddress.Family) -> Bool {
        switch self {
        case .v4: family == .v4
        case .v6: family == .v6
        case .both: true
        }
    }
}

/// Which port a client wants (RFC 8656 §7.1).
public enum PortWish: Hashable, Sendable {
    /// One that nobody can foresee.
    case any
    /// An even one.
    case even
    /// An even one, and the next kept under a token for 30 s: see `KeptPorts`.
    case evenAndNext(token: UInt64)
    /// The one that was kept under a token.
    case kept(token: UInt64)
}

/// An allocation that waits for the worker; of no use once it was answered.
public struct TURNTicket: Hashable, Sendable {
    let slot: Int32
    let generation: UInt32
}

/// Relay sockets that the machine wants.
public struct RelayRequest: Sendable {
    /// To be given back to `bound`.
    public let ticket: TURNTicket
    /// A socket of each of these; of two one is better than none. With `.kept`, the family is that of the kept socket.
    public let families: RelayFamilies
    /// Which port.
    public let port: PortWish
    /// For whom: the relay may be on the address that the client came to.
    public let flow: Flow
}

/// A socket that the worker bound for peers' packets.
public struct BoundRelay: Sendable {
    /// The worker's number of it.
    public let id: RelayID
    /// Where it is bound: not a wildcard.
    public let local: Endpoint

    /// A relay of these.
    public init(id: RelayID, local: Endpoint) {
        self.id = id
        self.local = local
    }
}

/// What came of a `RelayRequest`. A family that is nil could not be had: no port was free.
public struct RelayGrant: Sendable {
    /// The IPv4 relay.
    public var v4: BoundRelay?
    /// The IPv6 relay.
    public var v6: BoundRelay?

    /// A grant of these.
    public init(v4: BoundRelay? = nil, v6: BoundRelay? = nil) {
        precondition(v4.map { $0.local.address.family == .v4 } ?? true, "an IPv4 relay has an IPv4 address")
        precondition(v6.map { $0.local.address.family == .v6 } ?? true, "an IPv6 relay has an IPv6 address")
        self.v4 = v4
        self.v6 = v6
    }
}

/// What is no longer needed.
public enum TURNRelease: Hashable, Sendable {
    /// The socket is to be closed; its number may be used again.
    case closeRelay(RelayID)
    /// An allocation that the registry granted to this user has ended.
    case quotaReleased(user: String)
}

/// An ICMP error for a datagram that went to a peer.
public struct ICMPError: Sendable {
    /// ICMP's or ICMPv6's type.
    public let type: UInt8
    /// Its code.
    public let code: UInt8
    /// Four bytes more: the MTU where a packet was too big.
    public let data: UInt32

    /// An error of these.
    public init(type: UInt8, code: UInt8, data: UInt32) {
        self.type = type
        self.code = code
        self.data = data
    }
}
