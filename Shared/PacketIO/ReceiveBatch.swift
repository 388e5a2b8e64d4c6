public import Addresses
internal import CPacketIO

/// Datagrams of one socket that came together. Their bytes stay where they are until the turn's datagrams have left, so
/// that they can be sent on from there.
///
/// An item of the batch is one datagram, or on sockets with `mergesDatagrams` several of one flow: its segments.
@safe public struct ReceiveBatch: ~Copyable {
    /// At most so many items at once: two `recvmmsg` fill a burst of 100 ms from a publisher, and other sockets wait no
    /// longer.
    public static let slots = 64
    /// Room for an item: any UDP datagram, what the kernel merges, and any STUN message or ChannelData of a stream
    /// (RFC 8656 §12.5: at most 4 + 65,535 and padding).
    public static let slotBytes = 65_600
    /// From slot to slot: not a multiple of the page, so that the starts of slots do not fight for the same cache sets.
    static let stride = 66_880

    /// Which of the loop's sockets they came to.
    public internal(set) var socket = SocketID(0)
    /// How many items there are.
    public internal(set) var count = 0

    /// The first slot of this batch; those before it belong to other batches of the turn.
    private var first = 0
    let slab: UnsafeMutableRawPointer
    private let datagrams: UnsafeMutablePointer<pio_datagram>
    private let receiver: OpaquePointer

    init() {
        let bytes = ReceiveBatch.slots * ReceiveBatch.stride
        unsafe slab = .allocate(byteCount: bytes, alignment: 4096)
        // The start of each slot is touched now, so that the first burst meets no page faults; the rest as it is used.
        for slot in 0..<ReceiveBatch.slots {
            unsafe (slab + slot * ReceiveBatch.stride).initializeMemory(as: UInt8.self, repeating: 0, count: 2048)
        }
        unsafe datagrams = .allocate(capacity: ReceiveBatch.slots)
        unsafe datagrams.initialize(repeating: pio_datagram(), count: ReceiveBatch.slots)
        let receiver = unsafe pio_receiver_create(
            slab, UInt32(ReceiveBatch.slots), UInt32(ReceiveBatch.slotBytes), UInt32(ReceiveBatch.stride))
        guard let receiver = unsafe receiver else { preconditionFailure("no memory for a batch of datagrams") }
        unsafe self.receiver = receiver
    }

    deinit {
        unsafe pio_receiver_destroy(receiver)
        unsafe slab.deallocate()
        unsafe datagrams.deallocate()
    }

    /// Slots that are not taken yet.
    var room: Int { ReceiveBatch.slots - first - count }

    /// Gives the slots up to here to whoever refers to their bytes.
    mutating func keep() {
        first += count
        count = 0
    }

    /// Makes this batch's slots free again: nobody refers to them.
    mutating func drop() { count = 0 }

    /// Makes all slots free again: what referred to them has been sent.
    mutating func reset() {
        first = 0
        count = 0
    }

    /// Takes up to `limit` items that wait at a socket, at most `room`. Returns how many, or -errno.
    mutating func fill(from descriptor: Int32, socket: SocketID, tells: UInt32, limit: Int) -> Int {
        self.socket = socket
        let result = unsafe pio_receive(
            receiver, descriptor, UInt32(first), UInt32(limit), tells, datagrams + first)
        count = max(0, Int(result))
        return Int(result)
    }

    /// The next free slot, for a stream's bytes: the batch has one item then, of `length` once that is known.
    func freeSlot() -> UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: slab + first * ReceiveBatch.stride, count: ReceiveBatch.slotBytes)
    }

    /// Takes `length` bytes in the free slot for an item.
    mutating func takeSlot(length: Int) {
        unsafe datagrams[first] = pio_datagram()
        unsafe datagrams[first].length = UInt32(length)
        unsafe datagrams[first].segment = UInt32(length)
        count = 1
    }

    /// Datagrams and bytes of the batch, for the statistics.
    func sums() -> (packets: Int, bytes: Int) {
        var packets = 0
        var bytes = 0
        for slot in first..<(first + count) {
            let datagram = unsafe datagrams[slot]
            packets += datagram.length > datagram.segment ? ReceiveBatch.segments(datagram) : 1
            bytes += Int(datagram.length)
        }
        return (packets, bytes)
    }

    /// The bytes of an item: all its segments.
    @_lifetime(borrow self)
    public func bytes(_ index: Int) -> RawSpan {
        let item = self[index]
        let buffer = unsafe UnsafeRawBufferPointer(start: start(index), count: Int(item.length))
        return unsafe _overrideLifetime(buffer.bytes, borrowing: self)
    }

    /// The bytes of an item, to change in place (a decrypted packet stays where it is).
    @_lifetime(&self)
    public mutating func mutableBytes(_ index: Int) -> MutableRawSpan {
        let item = self[index]
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: start(index), count: Int(item.length))
        return unsafe _overrideLifetime(buffer.mutableBytes, mutating: &self)
    }

    /// How many datagrams an item is made of.
    public func segmentCount(_ index: Int) -> Int { ReceiveBatch.segments(self[index]) }

    /// How long the datagrams of an item are; the last may be shorter.
    public func segmentBytes(_ index: Int) -> Int { Int(self[index].segment) }

    /// One datagram of an item.
    @_lifetime(borrow self)
    public func segment(_ index: Int, _ number: Int) -> RawSpan {
        let item = self[index]
        let offset = number * Int(item.segment)
        precondition(number >= 0 && (number == 0 || offset < Int(item.length)), "the item has fewer segments")
        let length = min(Int(item.segment), Int(item.length) - offset)
        let buffer = unsafe UnsafeRawBufferPointer(start: start(index) + offset, count: length)
        return unsafe _overrideLifetime(buffer.bytes, borrowing: self)
    }

    /// Each datagram of an item, to change in place.
    @inline(__always)
    public mutating func forEachSegment(_ index: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
        let segment = segmentBytes(index)
        var bytes = mutableBytes(index)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let count = segment > 0 ? min(segment, buffer.count - offset) : buffer.count
                unsafe body(UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<offset + count]))
                offset += count
            }
        }
    }

    /// Who sent an item.
    public func remote(_ index: Int) -> Endpoint { Endpoint(self[index].remote) }

    /// The address of this host that an item came to: answer from there. Nil on a socket that is bound to one address.
    public func local(_ index: Int) -> IPAddress? {
        let local = self[index].local
        return local.family == 0 ? nil : IPAddress(local)
    }

    /// Whether an item was longer than a slot and lost its end.
    public func isTruncated(_ index: Int) -> Bool { self[index].flags & UInt32(PIO_TRUNCATED) != 0 }

    private subscript(index: Int) -> pio_datagram {
        @inline(__always)
        get {
            precondition(index >= 0 && index < count, "the batch has \(count) items")
            return unsafe datagrams[first + index]
        }
    }

    private func start(_ index: Int) -> UnsafeMutableRawPointer {
        unsafe slab + (first + index) * ReceiveBatch.stride
    }

    private static func segments(_ datagram: pio_datagram) -> Int {
        guard datagram.segment > 0, datagram.length > datagram.segment else { return 1 }
        return Int((datagram.length + datagram.segment - 1) / datagram.segment)
    }
}

/// Proof: it owns its memory alone, cannot be copied, and gives out only spans that end with a borrow of it.
extension ReceiveBatch: @unchecked Sendable {}
