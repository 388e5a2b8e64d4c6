// The numbers of TURN: RFC 8656 §18, and those of RFC 6062 (TCP relaying), which keep their names free.

extension STUNAttributeType {
    /// The number of a channel: 0x4000 to 0x4FFF.
    public static let channelNumber = STUNAttributeType(rawValue: 0x000C)
    /// How many seconds an allocation lives on.
    public static let lifetime = STUNAttributeType(rawValue: 0x000D)
    /// A peer's address as the server sees it, hidden from meddling NATs.
    public static let xorPeerAddress = STUNAttributeType(rawValue: 0x0012)
    /// What is sent to a peer, or came from one.
    public static let data = STUNAttributeType(rawValue: 0x0013)
    /// The relay address that the server gives.
    public static let xorRelayedAddress = STUNAttributeType(rawValue: 0x0016)
    /// The family of the relay address that the client wants, of the allocation that it refreshes.
    public static let requestedAddressFamily = STUNAttributeType(rawValue: 0x0017)
    /// Wants an even relay port, and perhaps the next one kept.
    public static let evenPort = STUNAttributeType(rawValue: 0x0018)
    /// The protocol between server and peers: 17 is UDP.
    public static let requestedTransport = STUNAttributeType(rawValue: 0x0019)
    /// Wants the DF bit set towards the peer.
    public static let dontFragment = STUNAttributeType(rawValue: 0x001A)
    /// Names a relay port that was kept.
    public static let reservationToken = STUNAttributeType(rawValue: 0x0022)
    /// RFC 6062: names a TCP connection to a peer.
    public static let connectionID = STUNAttributeType(rawValue: 0x002A)
    /// Wants a second relay address, of that family.
    public static let additionalAddressFamily = STUNAttributeType(rawValue: 0x8000)
    /// Why one of two relay addresses could not be had.
    public static let addressErrorCode = STUNAttributeType(rawValue: 0x8001)
    /// An ICMP error that came back for data to a peer.
    public static let icmp = STUNAttributeType(rawValue: 0x8004)
}

extension STUNMethod {
    /// RFC 6062: opens a TCP connection to a peer.
    public static let connect = STUNMethod(rawValue: 0x00A)
    /// RFC 6062: ties a client's connection to one with a peer.
    public static let connectionBind = STUNMethod(rawValue: 0x00B)
    /// RFC 6062: a peer has connected.
    public static let connectionAttempt = STUNMethod(rawValue: 0x00C)
}

extension STUNErrorCode {
    /// The server is willing to serve, but not this: a peer that is refused, for one.
    public static let forbidden = STUNErrorCode(rawValue: 403)
    /// There is no allocation where one is needed, or one where none may be.
    public static let allocationMismatch = STUNErrorCode(rawValue: 437)
    /// The server gives no relay address of that family.
    public static let addressFamilyNotSupported = STUNErrorCode(rawValue: 440)
    /// The credentials are good, but not those that the allocation was made with.
    public static let wrongCredentials = STUNErrorCode(rawValue: 441)
    /// The server does not relay over that protocol.
    public static let unsupportedTransportProtocol = STUNErrorCode(rawValue: 442)
    /// A peer's address is of another family than the relay address.
    public static let peerAddressFamilyMismatch = STUNErrorCode(rawValue: 443)
    /// RFC 6062: there is a connection to that peer already.
    public static let connectionAlreadyExists = STUNErrorCode(rawValue: 446)
    /// RFC 6062: the peer cannot be reached.
    public static let connectionTimeoutOrFailure = STUNErrorCode(rawValue: 447)
    /// The user has as many allocations as it may have.
    public static let allocationQuotaReached = STUNErrorCode(rawValue: 486)
    /// No relay port, or no room for one more, is left.
    public static let insufficientCapacity = STUNErrorCode(rawValue: 508)
}

/// A number of REQUESTED-TRANSPORT: one of IP's protocols.
public struct TURNTransport: RawRepresentable, Hashable, Sendable {
    /// The protocol's number.
    public let rawValue: UInt8

    /// The protocol of a number.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// TCP to peers: RFC 6062.
    public static let tcp = TURNTransport(rawValue: 6)
    /// UDP to peers.
    public static let udp = TURNTransport(rawValue: 17)
}
