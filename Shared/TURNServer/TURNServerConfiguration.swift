public import Addresses
public import TURN
public import Time

/// A relay's address as it is bound, and as peers and clients see it: 1:1 NAT.
public struct ExternalAddress: Hashable, Sendable {
    /// Where relays are bound.
    public let local: IPAddress
    /// What is told of them.
    public let advertised: IPAddress

    /// An address and what it is outside. Both are of one family.
    public init(local: IPAddress, advertised: IPAddress) {
        precondition(local.family == advertised.family, "a NAT does not change the family here")
        self.local = local
        self.advertised = advertised
    }
}

/// All that an operator chooses of a machine; it can be replaced while it runs.
public struct TURNServerConfiguration: Sendable {
    /// The realm of credentials: 1 to 48 bytes, as every answer to a stranger carries it and may be four times as long as
    /// the question only. 8 bytes or fewer keep it at three times.
    public var realm = "roost"
    /// What the server calls itself: at most 8 bytes, for the same reason; empty says nothing.
    public var software = "Roost"
    /// The secrets of time-limited credentials: two while one replaces the other.
    public var secrets: [SharedSecret] = []
    /// Users with lasting passwords, of this realm.
    public var users: StaticUsers
    /// The fleet's key of nonces.
    public var nonceKey: NonceKey
    /// How long a nonce is good. An hour is what RFC 8656 §5 proposes as the most.
    public var nonceAge = Interval.seconds(3_600)
    /// An allocation's life where the client asks for less: RFC 8656 §3.2's 10 minutes.
    public var defaultLifetime = Interval.seconds(600)
    /// An allocation's longest life without a refresh: RFC 8656 §7.2 proposes an hour.
    public var maximumLifetime = Interval.seconds(3_600)
    /// How many allocations a user may have in this process; 0 is no limit.
    public var userQuota = 0
    /// How many allocations there may be in this process; 0 is no limit.
    public var totalQuota = 0
    /// Whether the registry is asked for each allocation, as user quotas hold across all turn servers.
    public var asksForQuota = false
    /// How long the registry may think; then it is decided here alone. A client's first retransmissions come within 2 s.
    public var quotaDeadline = Interval.seconds(2)
    /// Bytes a second that a user may relay in each direction; 0 is no limit.
    public var userBandwidth = 0
    /// Bytes a second that are relayed in this process in each direction; 0 is no limit.
    public var totalBandwidth = 0
    /// Which peers clients may reach.
    public var policy = PeerPolicy()
    /// Relays' addresses behind a 1:1 NAT.
    public var externalAddresses: [ExternalAddress] = []
    /// Families of relay addresses that the host has.
    public var families = RelayFamilies.both
    /// Answers a second to one network (/24, /48) without authentication over UDP; twice as many at once.
    public var answersPerSecond = 1_000
    /// Allocations of one machine, so that a worker's memory has a bound: about 30 MB.
    public var allocationLimit = 20_000
    /// Peers' addresses of one allocation. A member of a room of 49 sees some hundred candidates at most, and few allocations
    /// have more than a dozen.
    public var permissionLimit = 256
    /// Channels of one allocation.
    public var channelLimit = 256
    /// Whether new allocations are made; they are refused with 508 near the end of a drain.
    public var acceptsAllocations = true
    /// Whether the worker can set DF: without, DONT-FRAGMENT is answered with 420 (RFC 8656 §7.2).
    public var relaysWithDontFragment = true

    /// A configuration without users.
    public init(nonceKey: NonceKey) {
        self.nonceKey = nonceKey
        users = StaticUsers(realm: "roost")
    }

    func check() {
        precondition((1...48).contains(realm.utf8.count), "a realm has 1 to 48 bytes")
        precondition(software.utf8.count <= 8, "a longer name would break the bound on answers")
        precondition(users.count == 0 || users.realm == realm, "the users' keys are of another realm")
        precondition(secrets.count <= 2, "there are two secrets at most")
        precondition(answersPerSecond > 0, "strangers get no answer, so nobody can sign in")
        precondition(
            defaultLifetime.nanoseconds > 0 && defaultLifetime <= maximumLifetime, "lifetimes are the wrong way")
        precondition((1...1_000_000).contains(allocationLimit), "1 to a million allocations")
        precondition((1...4_096).contains(permissionLimit) && (1...4_096).contains(channelLimit), "1 to 4,096 peers")
    }

    /// What clients are told of a relay's address.
    func advertised(_ local: IPAddress) -> IPAddress {
        for address in externalAddresses where address.local == local { return address.advertised }
        return local
    }

    /// Where an advertised address really is.
    func local(_ advertised: IPAddress) -> IPAddress {
        for address in externalAddresses where address.advertised == advertised { return address.local }
        return advertised
    }
}
