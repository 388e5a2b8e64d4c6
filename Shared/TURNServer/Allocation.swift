internal import Addresses
internal import STUN
internal import Time

/// What is read for each packet of an allocation: a plain value, a row of a slab.
struct Allocation {
    enum State {
        /// Nobody's row.
        case free
        /// The registry is asked.
        case asking
        /// The worker binds a relay.
        case binding
        /// It relays.
        case live
    }

    var state = State.free
    /// Tells an allocation from the next one in the same row.
    var generation: UInt32 = 0
    var flow: Flow
    /// Its row of `users`.
    var user: Int32 = -1
    /// The relays, as the worker numbers them; −1: none.
    var relayV4: Int32 = -1
    var relayV6: Int32 = -1
    var expiresV4 = Instant.zero
    var expiresV6 = Instant.zero
    /// The first of its channels and permissions, each of which names the next; −1: none.
    var firstChannel: Int32 = -1
    var firstPermission: Int32 = -1
    var channelCount: Int32 = 0
    var permissionCount: Int32 = 0
    var toPeers = TURNTraffic()
    var toClient = TURNTraffic()

    static let nobody = Flow(
        transport: .udp, id: 0, client: Endpoint(address: IPAddress(v4: 0), port: 0),
        server: Endpoint(address: IPAddress(v4: 0), port: 0))

    /// The relay of a family; −1: none.
    func relay(_ family: IPAddress.Family) -> Int32 { family == .v4 ? relayV4 : relayV6 }

    /// When it ends, unless it is refreshed.
    var expires: Instant {
        max(relayV4 >= 0 ? expiresV4 : .zero, relayV6 >= 0 ? expiresV6 : .zero)
    }
}

/// What is read for requests only.
struct AllocationDetails {
    let id: AllocationID
    /// As in USERNAME; the user that quotas count is in `users`.
    let username: String
    /// The Allocate that made it: sent again, it gets the same answer again (RFC 8656 §7.2).
    let transaction: TransactionID
    let wish: AllocateWish
    let trust: Trust
    let hasFingerprint: Bool
    let made: Instant
    /// Whether the registry counts it, too.
    var isGranted = false
}

/// How an answer is vouched for: as its request was.
struct Trust {
    let key: STUNKey
    let integrity: STUNIntegrity
}

/// A peer with a channel (RFC 8656 §12). Two tables lead here: by number, and by peer.
struct Channel {
    let allocation: Int32
    let number: UInt16
    /// Its peer's address is one that relays of this process have: it may be turned around.
    var isOwn: Bool
    let peer: Endpoint
    /// When the binding ends; for five minutes more, number and peer are kept for each other (RFC 8656 §12).
    var expires: Instant
    /// When the permission ends that came with it, or with a CreatePermission: the two are renewed apart.
    var permitted: Instant
    var next: Int32

    static let reservation = Interval.seconds(300)

    static let blank = Channel(
        allocation: -1, number: 0, isOwn: false, peer: Allocation.nobody.client, expires: .zero, permitted: .zero,
        next: -1)
}

/// A peer's address that is let in (RFC 8656 §9).
struct Permission {
    let allocation: Int32
    /// Some ports of the address are refused: each packet's is looked at.
    var isByPort: Bool
    /// As in `Channel`.
    var isOwn: Bool
    let address: IPAddress
    var expires: Instant
    var next: Int32

    static let blank = Permission(
        allocation: -1, isByPort: false, isOwn: false, address: IPAddress(v4: 0), expires: .zero, next: -1)
}

/// A relay socket, in a table by the worker's number.
struct Relay {
    /// −1: not in use.
    let allocation: Int32
    let local: Endpoint
    /// As clients and peers see it.
    let advertised: Endpoint

    static let unused = Relay(
        allocation: -1, local: Allocation.nobody.client, advertised: Allocation.nobody.client)
}

/// A user with allocations in this machine.
struct UserRow {
    let name: String
    var allocations = 0
    /// Its bandwidth, by direction.
    var budgets: [2 of Budget] = [Budget(), Budget()]
}

/// Bandwidth that was drawn from `SharedLimits`.
struct Budget {
    /// Bytes that were drawn and not relayed yet.
    var credit = 0
    /// Nothing more is to be had before.
    var dryUntil = Instant.zero
}
