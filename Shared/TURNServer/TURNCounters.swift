public import STUN

/// The methods that are counted apart. The raw value is the metric's label.
public enum TURNRequestKind: String, CaseIterable, Sendable {
    /// Asks for the reflexive address.
    case binding
    /// Asks for a relay address.
    case allocate
    /// Prolongs or ends an allocation.
    case refresh
    /// Lets peers in.
    case createPermission = "create_permission"
    /// Gives a peer a channel.
    case channelBind = "channel_bind"

    var index: Int {
        switch self {
        case .binding: 0
        case .allocate: 1
        case .refresh: 2
        case .createPermission: 3
        case .channelBind: 4
        }
    }

    init?(_ method: STUNMethod) {
        switch method {
        case .binding: self = .binding
        case .allocate: self = .allocate
        case .refresh: self = .refresh
        case .createPermission: self = .createPermission
        case .channelBind: self = .channelBind
        default: return nil
        }
    }
}

/// Packets, and the bytes of data in them.
public struct TURNTraffic: Hashable, Sendable {
    /// How many datagrams.
    public internal(set) var packets: UInt64 = 0
    /// How many bytes of data, without any header.
    public internal(set) var bytes: UInt64 = 0

    /// None yet.
    public init() {}

    @inline(__always)
    mutating func add(_ byteCount: Int) {
        packets &+= 1
        bytes &+= UInt64(truncatingIfNeeded: byteCount)
    }
}

/// What a machine did so far. A plain value of about a kilobyte.
public struct TURNCounters: Sendable {
    /// The codes that are counted apart; all else is counted with 400.
    public static let codes: [STUNErrorCode] = [
        .badRequest, .unauthenticated, .forbidden, .unknownAttribute, .allocationMismatch, .staleNonce,
        .addressFamilyNotSupported, .wrongCredentials, .unsupportedTransportProtocol, .peerAddressFamilyMismatch,
        .allocationQuotaReached, .insufficientCapacity,
    ]

    /// Relayed from clients to peers.
    public internal(set) var toPeers = TURNTraffic()
    /// Relayed from peers to clients.
    public internal(set) var toClients = TURNTraffic()
    /// Of these, what went from one client to another without leaving the process.
    public internal(set) var turnedAround = TURNTraffic()
    /// Allocations made so far.
    public internal(set) var allocationsMade: UInt64 = 0
    /// Events that nobody fetched in time.
    public internal(set) var eventsLost: UInt64 = 0
    private var drops = [21 of UInt64](repeating: 0)
    // Kinds of request by outcomes: success, then the codes.
    private var requests = [65 of UInt64](repeating: 0)

    /// None yet.
    public init() {}

    /// Inputs dropped for a reason.
    public internal(set) subscript(drop: TURNDrop) -> UInt64 {
        get { drops[drop.index] }
        set { drops[drop.index] = newValue }
    }

    /// Requests of a kind answered with an error, or with success where `code` is nil.
    public internal(set) subscript(kind: TURNRequestKind, code: STUNErrorCode?) -> UInt64 {
        get { requests[TURNCounters.place(kind, code)] }
        set { requests[TURNCounters.place(kind, code)] = newValue }
    }

    private static func place(_ kind: TURNRequestKind, _ code: STUNErrorCode?) -> Int {
        kind.index * 13 + (code.map { 1 + (codes.firstIndex(of: $0) ?? 0) } ?? 0)
    }
}
