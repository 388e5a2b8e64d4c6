internal import Addresses
internal import Time

/// Allocations, channels, permissions and relays, and the ways from a packet to them. All rows are plain values in slabs.
struct AllocationTable: Sendable {
    let mixer: Mixer
    var allocations = Slab<Allocation>()
    var channels = Slab<Channel>()
    var permissions = Slab<Permission>()
    /// By the worker's number.
    private(set) var relays: [Relay] = []

    private var byFlow = IndexTable()
    private var byNumber = IndexTable()
    private var byPeer = IndexTable()
    private var byAddress = IndexTable()
    private var byRelay = IndexTable()
    /// The addresses that relays of this machine had. Few: those of the host.
    private(set) var ownAddresses: [IPAddress] = []
    private var generations: UInt32 = 0

    init(mixer: Mixer) { self.mixer = mixer }

    // MARK: Finding

    /// The allocation of a flow, in whatever state.
    @inline(__always)
    func allocation(of flow: Flow) -> Int? {
        byFlow.find(mixer.hash(flow)) { Flow.same(allocations.rows[$0].flow, flow) }
    }

    /// The channel of a number, bound or reserved.
    @inline(__always)
    func channel(_ number: UInt16, of allocation: Int) -> Int? {
        byNumber.find(mixer.hash(channel: number, of: allocation)) {
            channels.rows[$0].number == number && channels.rows[$0].allocation == Int32(truncatingIfNeeded: allocation)
        }
    }

    /// The channel of a peer, bound or reserved.
    @inline(__always)
    func channel(to peer: Endpoint, of allocation: Int) -> Int? {
        byPeer.find(mixer.hash(peer, of: allocation)) {
            channels.rows[$0].allocation == Int32(truncatingIfNeeded: allocation)
                && channels.rows[$0].peer.port == peer.port
                && AllocationTable.same(channels.rows[$0].peer.address, peer.address)
        }
    }

    /// The permission of an address, even if it has ended just now.
    @inline(__always)
    func permission(for address: IPAddress, of allocation: Int) -> Int? {
        byAddress.find(mixer.hash(address, of: allocation)) {
            permissions.rows[$0].allocation == Int32(truncatingIfNeeded: allocation)
                && AllocationTable.same(permissions.rows[$0].address, address)
        }
    }

    /// The relay of this machine that peers see at an endpoint.
    @inline(__always)
    func relay(at advertised: Endpoint) -> Int? {
        byRelay.find(mixer.hash(advertised, of: 0)) {
            relays[$0].advertised.port == advertised.port
                && AllocationTable.same(relays[$0].advertised.address, advertised.address)
        }
    }

    func isOwn(_ address: IPAddress) -> Bool { ownAddresses.contains { AllocationTable.same($0, address) } }

    /// Zones do not count: they are not on the wire.
    @inline(__always)
    private static func same(_ left: IPAddress, _ right: IPAddress) -> Bool {
        left.low == right.low && left.high == right.high && left.family == right.family
    }

    // MARK: Allocations

    mutating func insert(_ flow: Flow, state: Allocation.State, user: Int) -> Int {
        generations &+= 1
        let row = Allocation(state: state, generation: generations, flow: flow, user: Int32(user))
        let index = allocations.insert(row)
        byFlow.insert(mixer.hash(flow), row: index)
        return index
    }

    /// Removes an allocation whose relays, channels and permissions are gone.
    mutating func remove(_ allocation: Int) {
        byFlow.remove(mixer.hash(allocations.rows[allocation].flow), row: allocation)
        allocations.remove(allocation, leaving: Allocation(flow: Allocation.nobody))
    }

    // MARK: Relays

    /// Takes a relay in. Its number and its address must be free: the worker has just bound it.
    mutating func insert(_ relay: Relay, number: RelayID) {
        while relays.count <= number.index { relays.append(.unused) }
        precondition(relays[number.index].allocation < 0, "a relay's number is given again only after it was closed")
        relays[number.index] = relay
        byRelay.insert(mixer.hash(relay.advertised, of: 0), row: number.index)
        let address = relay.advertised.address
        guard !isOwn(address), ownAddresses.count < 64 else { return }
        ownAddresses.append(address)
        // Once for each address of the host: whoever asked for a peer there before its first relay was.
        for index in channels.rows.indices where AllocationTable.same(channels.rows[index].peer.address, address) {
            channels.rows[index].isOwn = true
        }
        for index in permissions.rows.indices where AllocationTable.same(permissions.rows[index].address, address) {
            permissions.rows[index].isOwn = true
        }
    }

    mutating func removeRelay(_ number: Int) {
        byRelay.remove(mixer.hash(relays[number].advertised, of: 0), row: number)
        relays[number] = .unused
    }

    // MARK: Channels

    mutating func insert(_ channel: Channel) {
        let allocation = Int(channel.allocation)
        var row = channel
        row.next = allocations.rows[allocation].firstChannel
        let index = channels.insert(row)
        allocations.rows[allocation].firstChannel = Int32(index)
        allocations.rows[allocation].channelCount += 1
        byNumber.insert(mixer.hash(channel: channel.number, of: allocation), row: index)
        byPeer.insert(mixer.hash(channel.peer, of: allocation), row: index)
    }

    /// Removes the channels of an allocation that `isOver` says are.
    mutating func removeChannels(of allocation: Int, where isOver: (Channel) -> Bool) {
        var previous: Int32 = -1
        var index = allocations.rows[allocation].firstChannel
        while index >= 0 {
            let channel = channels.rows[Int(index)]
            if isOver(channel) {
                if previous < 0 {
                    allocations.rows[allocation].firstChannel = channel.next
                } else {
                    channels.rows[Int(previous)].next = channel.next
                }
                allocations.rows[allocation].channelCount -= 1
                byNumber.remove(mixer.hash(channel: channel.number, of: allocation), row: Int(index))
                byPeer.remove(mixer.hash(channel.peer, of: allocation), row: Int(index))
                channels.remove(Int(index), leaving: .blank)
            } else {
                previous = index
            }
            index = channel.next
        }
    }

    // MARK: Permissions

    /// Lets an address in until `expires`, newly or further on; channels to it live on that, too.
    mutating func permit(_ address: IPAddress, of allocation: Int, isByPort: Bool, until expires: Instant) {
        if let index = permission(for: address, of: allocation) {
            permissions.rows[index].expires = expires
            permissions.rows[index].isByPort = isByPort
        } else {
            let row = Permission(
                allocation: Int32(allocation), isByPort: isByPort, isOwn: isOwn(address), address: address,
                expires: expires, next: allocations.rows[allocation].firstPermission)
            let index = permissions.insert(row)
            allocations.rows[allocation].firstPermission = Int32(index)
            allocations.rows[allocation].permissionCount += 1
            byAddress.insert(mixer.hash(address, of: allocation), row: index)
        }
        var channel = allocations.rows[allocation].firstChannel
        while channel >= 0 {
            if AllocationTable.same(channels.rows[Int(channel)].peer.address, address) {
                channels.rows[Int(channel)].permitted = expires
            }
            channel = channels.rows[Int(channel)].next
        }
    }

    /// Removes the permissions of an allocation that `isOver` says are; the channels' copies of them end by themselves.
    mutating func removePermissions(of allocation: Int, where isOver: (Permission) -> Bool) {
        var previous: Int32 = -1
        var index = allocations.rows[allocation].firstPermission
        while index >= 0 {
            let permission = permissions.rows[Int(index)]
            if isOver(permission) {
                if previous < 0 {
                    allocations.rows[allocation].firstPermission = permission.next
                } else {
                    permissions.rows[Int(previous)].next = permission.next
                }
                allocations.rows[allocation].permissionCount -= 1
                byAddress.remove(mixer.hash(permission.address, of: allocation), row: Int(index))
                permissions.remove(Int(index), leaving: .blank)
            } else {
                previous = index
            }
            index = permission.next
        }
    }

    // MARK: Deadlines

    /// When something of an allocation ends next.
    func nextDeadline(of allocation: Int) -> Instant {
        let row = allocations.rows[allocation]
        var due = Instant.distantFuture
        if row.relayV4 >= 0 { due = min(due, row.expiresV4) }
        if row.relayV6 >= 0 { due = min(due, row.expiresV6) }
        var index = row.firstChannel
        while index >= 0 {
            due = min(due, channels.rows[Int(index)].expires + Channel.reservation)
            index = channels.rows[Int(index)].next
        }
        index = row.firstPermission
        while index >= 0 {
            due = min(due, permissions.rows[Int(index)].expires)
            index = permissions.rows[Int(index)].next
        }
        return due
    }
}
