internal import Addresses
internal import CPacketIO

/// What a turn sends, as references into slabs: entries (a datagram, or a part of a stream) in chains, one for each flow.
///
/// A flow is what entries have in common: socket, addresses, flags. The datagrams of a flow keep their order; those of
/// different flows leave in the order in which the flows began, so that runs of one flow become one message to the kernel
/// though they were queued among others.
@safe struct SendQueue: ~Copyable {
    /// One datagram, or one piece of a stream: header, payload, padding.
    @safe struct Entry {
        var payload: UnsafeRawPointer
        var length: UInt32
        var headerLength: UInt8
        var padding: UInt8
        /// The next of the flow or stream, or -1.
        var next: Int32
    }

    /// Entries that wait at most: as many as 16 merged receives can hold.
    static let entryLimit = 1024
    static let flowLimit = 256
    /// The longest header before a payload: a Data indication's (RFC 8656 §11.4) is 36 bytes for IPv4, 48 for IPv6.
    static let headerBytes = 64
    /// What is written, not referred to: 128 full datagrams, so that it stays in the second-level cache.
    static let writtenLimit = 256 << 10

    let entries: UnsafeMutablePointer<Entry>
    let flows: UnsafeMutablePointer<pio_flow>
    let headers: UnsafeMutableRawPointer
    let written: UnsafeMutableRawPointer
    /// Padding.
    let zeros: UnsafeMutableRawPointer
    private(set) var entryCount = 0
    private(set) var flowCount = 0
    private(set) var writtenCount = 0
    /// Entries of the turn that refer to the receive slab, ever rising.
    private(set) var references = 0
    /// The sockets with flows, as many as there are flows at most.
    let touched: UnsafeMutablePointer<Int32>
    private(set) var touchedCount = 0

    /// Where a flow may be found: a table of flows by what they have in common, probed from their place on. An entry is the number of
    /// the filling that it belongs to, and the flow's index in the low 8 bits: so it is never cleared.
    private let table: UnsafeMutablePointer<UInt32>
    private var filling: UInt32 = 1
    private static let tableSize = 512
    /// Places that are looked at: more flows than that which share one are not grouped.
    private static let probeLimit = 8
    private let slab: UnsafeRawPointer
    private let slabEnd: UnsafeRawPointer

    init(slab: UnsafeRawPointer, bytes: Int) {
        unsafe self.slab = slab
        unsafe slabEnd = slab + bytes
        unsafe entries = .allocate(capacity: SendQueue.entryLimit)
        unsafe flows = .allocate(capacity: SendQueue.flowLimit)
        unsafe flows.initialize(repeating: pio_flow(), count: SendQueue.flowLimit)
        unsafe touched = .allocate(capacity: SendQueue.flowLimit)
        unsafe touched.initialize(repeating: 0, count: SendQueue.flowLimit)
        unsafe table = .allocate(capacity: SendQueue.tableSize)
        unsafe table.initialize(repeating: 0, count: SendQueue.tableSize)
        unsafe headers = .allocate(byteCount: SendQueue.entryLimit * SendQueue.headerBytes, alignment: 64)
        unsafe headers.initializeMemory(
            as: UInt8.self, repeating: 0, count: SendQueue.entryLimit * SendQueue.headerBytes)
        unsafe zeros = .allocate(byteCount: 4, alignment: 4)
        unsafe zeros.initializeMemory(as: UInt8.self, repeating: 0, count: 4)
        unsafe written = .allocate(byteCount: SendQueue.writtenLimit, alignment: 64)
        unsafe written.initializeMemory(as: UInt8.self, repeating: 0, count: SendQueue.writtenLimit)
    }

    deinit {
        unsafe entries.deallocate()
        unsafe flows.deallocate()
        unsafe touched.deallocate()
        unsafe table.deallocate()
        unsafe headers.deallocate()
        unsafe written.deallocate()
        unsafe zeros.deallocate()
    }

    var isEmpty: Bool { entryCount == 0 }

    /// Whether another entry with `bytes` to write fits.
    @inline(__always)
    func hasRoom(bytes: Int) -> Bool {
        entryCount < SendQueue.entryLimit && flowCount < SendQueue.flowLimit
            && writtenCount + bytes <= SendQueue.writtenLimit
    }

    /// Where the next entry's header goes.
    @inline(__always)
    var nextHeader: UnsafeMutableRawPointer { unsafe headers + entryCount * SendQueue.headerBytes }

    /// Where the next written bytes go.
    @inline(__always)
    var nextWritten: UnsafeMutableRawPointer { unsafe written + writtenCount }

    func header(of entry: Int) -> UnsafeMutableRawPointer { unsafe headers + entry * SendQueue.headerBytes }

    /// Where `bytes` can stay until the flush: where they are, if that is the receive slab; else a copy.
    @inline(__always)
    mutating func place(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawPointer {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return unsafe UnsafeRawPointer(written) }
        if unsafe start >= slab, unsafe start < slabEnd {
            references += 1
            return unsafe start
        }
        precondition(bytes.count <= SendQueue.writtenLimit - writtenCount, "no room for a copy of \(bytes.count) bytes")
        let copy = unsafe nextWritten
        unsafe copy.copyMemory(from: start, byteCount: bytes.count)
        take(written: bytes.count)
        return UnsafeRawPointer(copy)
    }

    /// Whether `place` would copy.
    @inline(__always)
    func mustCopy(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress else { return false }
        return unsafe start < slab || start >= slabEnd
    }

    /// Keeps what was written at `nextWritten`.
    @inline(__always)
    mutating func take(written bytes: Int) {
        // Cache lines of their own.
        writtenCount += (bytes + 63) & ~63
    }

    /// Adds an entry that belongs to no chain yet. Returns its index.
    @inline(__always)
    mutating func add(payload: UnsafeRawPointer, length: Int, header: Int, padding: Int) -> Int32 {
        let index = entryCount
        unsafe (entries + index).initialize(
            to: Entry(
                payload: payload, length: UInt32(length), headerLength: UInt8(header), padding: UInt8(padding),
                next: -1))
        entryCount = index + 1
        return Int32(truncatingIfNeeded: index)
    }

    /// Adds an entry to the chain of its flow.
    @inline(__always)
    mutating func link(
        _ entry: Int32, socket: Int, local: pio_address, remote: pio_address, flags: UInt32,
        in sockets: inout SocketTable
    ) {
        let first = SendQueue.hash(remote, socket)
        var place = first
        var probes = 0
        while unsafe table[place] >> 8 == filling {
            let known = unsafe Int(table[place] & 0xff)
            if known < flowCount, unsafe flows[known].socket == Int32(truncatingIfNeeded: socket),
                unsafe flows[known].flags == flags, unsafe flows[known].remote.isEqual(to: remote),
                unsafe flows[known].local.isEqual(to: local)
            {
                unsafe entries[Int(flows[known].last)].next = entry
                unsafe flows[known].last = entry
                return
            }
            probes += 1
            guard probes < SendQueue.probeLimit else {
                place = first
                break
            }
            place = (place + 1) & (SendQueue.tableSize - 1)
        }
        let flow = flowCount
        unsafe flows[flow] = pio_flow(
            remote: remote, local: local, socket: Int32(truncatingIfNeeded: socket), flags: flags, first: entry,
            last: entry, next: -1)
        flowCount = flow + 1
        unsafe table[place] = filling << 8 | UInt32(truncatingIfNeeded: flow)
        let last = unsafe Int(sockets.slots[socket].lastFlow)
        if last < 0 {
            unsafe sockets.slots[socket].firstFlow = Int32(truncatingIfNeeded: flow)
            unsafe touched[touchedCount] = Int32(truncatingIfNeeded: socket)
            touchedCount += 1
        } else {
            unsafe flows[last].next = Int32(truncatingIfNeeded: flow)
        }
        unsafe sockets.slots[socket].lastFlow = Int32(truncatingIfNeeded: flow)
    }

    /// Forgets everything: it has been sent.
    mutating func clear() {
        // 24 bits: after as many fillings an old entry may seem to be of this one, and is compared in vain.
        if flowCount > 0 { filling = (filling &+ 1) & 0xff_ffff }
        entryCount = 0
        flowCount = 0
        touchedCount = 0
        writtenCount = 0
    }

    /// A place in the table of flows. Anyone can make flows share one: the ninth is then not grouped, no more.
    @inline(__always)
    private static func hash(_ remote: pio_address, _ socket: Int) -> Int {
        var mix = remote.low ^ remote.high &* 0x9e37_79b9_7f4a_7c15
        mix = (mix ^ UInt64(remote.port) << 32 ^ UInt64(truncatingIfNeeded: socket)) &* 0x9e37_79b9_7f4a_7c15
        return Int(truncatingIfNeeded: mix >> 55)
    }
}
