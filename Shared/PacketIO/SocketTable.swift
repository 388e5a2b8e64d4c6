internal import Addresses
internal import CPacketIO

/// A loop's sockets in flat memory. The objects that own the descriptors are kept beside, and touched only to open and close.
@safe struct SocketTable: ~Copyable {
    /// One socket, as packets see it.
    @safe struct Slot {
        var descriptor: Int32 = -1
        /// Where its RTCP comes, or -1: see `UDPSocketOptions.setsRTCPAside`.
        var aside: Int32 = -1
        /// Which user of the slot this is: see `Token`.
        var generation: UInt32 = 0
        /// What comes with its datagrams: `PIO_TELL_…`.
        var tells: UInt32 = 0
        var fragmentation: Int32 = 0
        var isIPv6 = false
        var reportsErrors = false
        /// Closed by the worker: takes nothing more, sends what waits, is freed at the end of the turn.
        var isClosing = false
        /// How many items it is asked for at once: see `SocketTable.adapt`.
        var asks: UInt8 = 16
        /// How many times in a row it gave one.
        var singles: UInt8 = 0
        /// The turn in which it was last ready.
        var lastTurn: UInt32 = 0
        /// The largest segment that UDP_SEGMENT is used for; 0 where the kernel refuses it.
        var segmentLimit: UInt16 = 0
        /// Flows with datagrams that wait, or -1.
        var firstFlow: Int32 = -1
        var lastFlow: Int32 = -1

        var isOpen: Bool { descriptor >= 0 && !isClosing }
    }

    /// Segments that reach an Ethernet frame's end are left to the kernel's own ways.
    static let largestSegment: UInt16 = 1452

    private(set) var slots: UnsafeMutablePointer<Slot>
    private(set) var capacity = 64
    private var owners: [UDPSocket?] = []
    private var free: [Int] = []
    private var closing: [Int] = []
    /// The slots with RTCP aside.
    private(set) var asides: [Int] = []
    private var canSegment: Bool?
    private let epoll: Int32

    init(epoll: Int32) {
        self.epoll = epoll
        unsafe slots = .allocate(capacity: 64)
        unsafe slots.initialize(repeating: Slot(), count: 64)
    }

    deinit {
        // The owners close the descriptors of theirs that nobody else holds; the others must leave this epoll.
        for index in owners.indices where owners[index] != nil {
            _ = unsafe pio_epoll_remove(epoll, slots[index].descriptor)
        }
        unsafe slots.deallocate()
    }

    mutating func open(_ socket: UDPSocket) throws(PacketIOError) -> SocketID {
        let index = free.popLast() ?? owners.count
        if index == capacity { grow() }
        let generation = unsafe slots[index].generation &+ 1
        let token = Token(.socket, index: index, generation: generation)
        let added = pio_epoll_add(epoll, socket.descriptor, token.bits, UInt32(PIO_READ))
        guard added == 0 else {
            if index < owners.count { free.append(index) }
            throw .cannotStart("epoll entry", code: -added)
        }
        let segments = canSegment ?? (pio_can_segment(socket.descriptor) != 0)
        canSegment = segments
        unsafe slots[index] = Slot(
            descriptor: socket.descriptor, aside: socket.aside, generation: generation, tells: socket.tells,
            fragmentation: socket.fragmentation, isIPv6: socket.endpoint.address.family == .v6,
            reportsErrors: socket.reportsErrors, segmentLimit: segments ? SocketTable.largestSegment : 0)
        if index == owners.count { owners.append(socket) } else { owners[index] = socket }
        if socket.aside >= 0 { asides.append(index) }
        return SocketID(index)
    }

    /// Marks a socket: it is freed by `freeClosed`.
    mutating func close(_ id: SocketID) {
        guard let slot = index(id), unsafe !slots[slot].isClosing else { return }
        unsafe slots[slot].isClosing = true
        closing.append(slot)
    }

    var hasClosing: Bool { !closing.isEmpty }

    /// Frees sockets that were closed, once nothing waits on them.
    mutating func freeClosed() {
        for index in closing {
            _ = unsafe pio_epoll_remove(epoll, slots[index].descriptor)
            unsafe slots[index].descriptor = -1
            owners[index] = nil
            asides.removeAll { $0 == index }
            free.append(index)
        }
        closing.removeAll(keepingCapacity: true)
    }

    /// The slot of an id that is in use.
    @inline(__always)
    func index(_ id: SocketID) -> Int? {
        guard id.index >= 0, id.index < capacity, unsafe slots[id.index].descriptor >= 0 else { return nil }
        return id.index
    }

    /// The slot of an event, unless it was for a socket that is closed by now.
    @inline(__always)
    func index(_ token: Token) -> Int? {
        guard token.index < capacity, unsafe slots[token.index].isOpen,
            unsafe slots[token.index].generation & 0xff_ffff == token.generation
        else { return nil }
        return token.index
    }

    /// How many sockets are open.
    var count: Int { owners.count - free.count }

    /// Learns from what a socket gave how many items to ask it for.
    ///
    /// A receive that finds nothing costs 0.1 to 0.2 us; asking for too few costs more, another turn, and tears apart the runs
    /// that leave as one message. So a socket is asked for some, unless it gave one each time for long, and for some again as
    /// soon as epoll tells of it in the very next turn.
    @inline(__always)
    mutating func adapt(_ index: Int, got: Int, turn: UInt32) {
        let asked = unsafe slots[index].asks
        let last = unsafe slots[index].lastTurn
        unsafe slots[index].lastTurn = turn
        if got > 1 {
            unsafe slots[index].singles = 0
            if got == Int(asked) { unsafe slots[index].asks = UInt8(ReceiveBatch.slots) }
        } else if asked == 1 {
            guard turn == last &+ 1 else { return }
            unsafe slots[index].asks = SocketTable.some
            unsafe slots[index].singles = 0
        } else {
            unsafe slots[index].singles &+= 1
            if unsafe slots[index].singles == SocketTable.singlesToAskForOne { unsafe slots[index].asks = 1 }
        }
    }

    private static let some: UInt8 = 16
    private static let singlesToAskForOne: UInt8 = 32

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Slot>.allocate(capacity: capacity * 2)
        unsafe larger.moveInitialize(from: slots, count: capacity)
        unsafe (larger + capacity).initialize(repeating: Slot(), count: capacity)
        unsafe slots.deallocate()
        unsafe slots = larger
        capacity *= 2
    }
}
