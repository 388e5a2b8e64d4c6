internal import Addresses
internal import COpenSSL
internal import CPacketIO
internal import Time

/// A loop's TCP and TLS connections in flat memory: their states, buffers and deadlines.
///
///     detecting ──0x16──▶ handshaking ──▶ open ──worker closes──▶ closing ──all sent──▶ lingering ──▶ free
///         └────────any other byte────────▶ │ └──a write failed──▶ ended ──worker was told──▶ free
///
/// A stream at rest owns no buffers: what it has received of a message that is not complete, and what waits for its peer, is
/// allocated when there is some.
@safe struct StreamTable: ~Copyable {
    enum State: UInt8 { case free, detecting, handshaking, open, closing, lingering, ended }

    /// One stream.
    @safe struct Slot {
        var state = State.free
        /// Its list of deadlines, or none.
        var list = DeadlineList.none
        /// Whether it has brought a message.
        var isHeard = false
        /// Whether the worker vouches for it, or does so for all.
        var isKnown = false
        /// Whether OpenSSL may hold bytes that epoll does not know of: it is in `ready`.
        var isReady = false
        /// Whether its listener has TLS, so that the first byte must be looked at.
        var mayBeTLS = false
        /// The peer will send nothing more.
        var isPeerDone = false
        var listener: UInt16 = 0
        var descriptor: Int32 = -1
        /// Which user of the slot this is: see `Token`.
        var generation: UInt32 = 0
        /// What epoll waits for.
        var interest: UInt32 = 0
        var session: OpaquePointer?
        var remote = pio_address()
        var local = pio_address()
        /// Received, not yet consumed.
        var rest = StreamBuffer()
        /// Waits for the peer.
        var backlog = StreamBuffer()
        /// Entries of this turn's queue, or -1, and their bytes.
        var firstEntry: Int32 = -1
        var lastEntry: Int32 = -1
        var queued: Int32 = 0
        /// Neighbours in its list of deadlines.
        var previous: Int32 = -1
        var next: Int32 = -1
        var deadline: Int64 = .max
    }

    let limits: StreamLimits
    let epoll: Int32
    var slots: UnsafeMutablePointer<Slot>
    private(set) var capacity = 16
    private var used = 0
    private var free: [Int32] = []
    /// Streams from each source.
    var sources: [SourceKey: Int32] = [:]
    /// The first and last stream of each list of deadlines.
    var lists = DeadlineLists()
    /// The time of the turn.
    var now: Int64 = 0
    /// Bytes in the buffers of all streams, and of the strangers among them.
    private(set) var held = 0
    private(set) var heldForStrangers = 0
    /// Streams with bytes inside OpenSSL.
    var ready: [Int32] = []
    /// Streams that failed while they were written to, for the worker to be told.
    var failures: [(stream: Int32, reason: StreamEnd)] = []
    /// Streams that the worker closed in this turn.
    var closing: [Int32] = []
    /// Streams with entries in the queue, as many as there are entries at most.
    let touched: UnsafeMutablePointer<Int32>
    var touchedCount = 0
    /// Where records are put together, and bytes of closed streams end; made with the first stream.
    var stage: UnsafeMutableRawBufferPointer?
    var tally = StreamTally()

    init(epoll: Int32, limits: StreamLimits) {
        self.epoll = epoll
        self.limits = limits
        unsafe slots = .allocate(capacity: capacity)
        unsafe slots.initialize(repeating: Slot(), count: capacity)
        unsafe touched = .allocate(capacity: SendQueue.entryLimit)
        unsafe touched.initialize(repeating: 0, count: SendQueue.entryLimit)
    }

    deinit {
        for index in 0..<used where unsafe slots[index].descriptor >= 0 {
            if let session = unsafe slots[index].session { unsafe SSL_free(session) }
            pio_close(unsafe slots[index].descriptor)
            unsafe slots[index].rest.release()
            unsafe slots[index].backlog.release()
        }
        unsafe slots.deallocate()
        unsafe touched.deallocate()
        if let stage = unsafe stage { unsafe stage.deallocate() }
    }

    /// Streams that hold a descriptor or whose end the worker has not heard of.
    var count: Int { used - free.count }

    /// Gives a new stream a slot.
    mutating func add(_ slot: consuming Slot) -> Int {
        if unsafe stage == nil {
            unsafe stage = .allocate(
                byteCount: max(limits.sendBufferBytes, 64 << 10) + LoopIO.datagramBytes, alignment: 64)
        }
        let index = free.popLast().map { Int($0) } ?? used
        if index == capacity { grow() }
        if index == used { used += 1 }
        slot.generation = unsafe slots[index].generation &+ 1
        unsafe slots[index] = slot
        return index
    }

    /// Closes a stream at once and frees its slot.
    mutating func dispose(_ index: Int, abort: Bool) {
        disconnect(index, abort: abort)
        unsafe slots[index].state = .free
        free.append(Int32(truncatingIfNeeded: index))
    }

    /// Takes a stream's descriptor, buffers and deadlines, and leaves it its slot.
    mutating func disconnect(_ index: Int, abort: Bool) {
        guard unsafe slots[index].descriptor >= 0 else { return }
        schedule(index, .none)
        if let session = unsafe slots[index].session { unsafe SSL_free(session) }
        if abort { pio_abort(unsafe slots[index].descriptor) } else { pio_close(unsafe slots[index].descriptor) }
        unsafe slots[index].session = nil
        unsafe slots[index].descriptor = -1
        hold(index, unsafe -slots[index].rest.count - slots[index].backlog.count)
        unsafe slots[index].rest.release()
        unsafe slots[index].backlog.release()
        unsafe slots[index].firstEntry = -1
        unsafe slots[index].queued = 0
        let source = unsafe SourceKey(slots[index].remote)
        if let count = sources[source], count > 1 {
            sources[source] = count - 1
        } else {
            sources[source] = nil
        }
    }

    /// Notes that a stream broke while the worker was not looking.
    mutating func fail(_ index: Int, _ reason: StreamEnd) {
        let wasOpen = unsafe slots[index].state == .open
        guard wasOpen else { return dispose(index, abort: true) }
        disconnect(index, abort: true)
        unsafe slots[index].state = .ended
        failures.append((Int32(truncatingIfNeeded: index), reason))
    }

    /// The slot of an id that is open.
    @inline(__always)
    func index(_ stream: StreamID) -> Int? {
        guard stream.index >= 0, stream.index < used, unsafe slots[stream.index].state == .open else { return nil }
        return stream.index
    }

    /// The slot of an event, unless it was for a stream that is gone by now.
    func index(_ token: Token) -> Int? {
        guard token.index < used, unsafe slots[token.index].descriptor >= 0,
            unsafe slots[token.index].generation & 0xff_ffff == token.generation
        else { return nil }
        return token.index
    }

    /// Has epoll wait for writability too, or no more.
    mutating func watch(_ index: Int, _ interest: UInt32) {
        guard unsafe slots[index].interest != interest else { return }
        unsafe slots[index].interest = interest
        let token = Token(.stream, index: index, generation: unsafe slots[index].generation)
        _ = unsafe pio_epoll_change(epoll, slots[index].descriptor, token.bits, interest)
    }

    /// Takes note that a stream's buffers hold so many bytes more.
    mutating func hold(_ index: Int, _ bytes: Int) {
        held += bytes
        if unsafe !slots[index].isKnown { heldForStrangers += bytes }
    }

    /// Whether the worker knows a stream from now on.
    mutating func vouch(for stream: StreamID, _ isKnown: Bool) {
        guard limits.hasStrangers, let index = index(stream), unsafe slots[index].isKnown != isKnown else { return }
        let bytes = unsafe slots[index].rest.count + slots[index].backlog.count
        heldForStrangers += isKnown ? -bytes : bytes
        unsafe slots[index].isKnown = isKnown
        reschedule(index)
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Slot>.allocate(capacity: capacity * 2)
        unsafe larger.moveInitialize(from: slots, count: capacity)
        unsafe (larger + capacity).initialize(repeating: Slot(), count: capacity)
        unsafe slots.deallocate()
        unsafe slots = larger
        capacity *= 2
    }
}

/// Whom a limit on streams holds: an IPv4 address, or an IPv6 /64, which is what one subscriber has.
struct SourceKey: Hashable {
    private let bits: UInt64
    private let family: UInt8

    init(_ address: pio_address) {
        bits = address.family == 4 ? address.low : address.high
        family = address.family
    }
}

/// What became of the streams of a turn.
struct StreamTally {
    var opened: UInt64 = 0
    var refused: UInt64 = 0
    var handshakesFailed: UInt64 = 0
    var receivedBytes: UInt64 = 0
    var sentBytes: UInt64 = 0
    var dropped: UInt64 = 0

    var isEmpty: Bool {
        opened | refused | handshakesFailed | receivedBytes | sentBytes | dropped == 0
    }
}

/// Proof: a part of `LoopIO`, which cannot be copied; its slots, buffers and TLS sessions are its own, it gives none of them
/// out, and so they are only touched where `LoopIO` is held exclusively: on the loop's thread.
extension StreamTable: @unchecked Sendable {}
