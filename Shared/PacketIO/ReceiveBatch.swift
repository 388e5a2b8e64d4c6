public import Addresses
internal import CPacketIO

/// Datagrams of one socket that came together, in memory that the next batch overwrites.
@safe public struct ReceiveBatch: ~Copyable {
    /// At most so many at once: two `recvmmsg` fill a burst of 100 ms from a publisher, and other sockets wait no longer.
    public static let slots = 64
    /// Room for a datagram. Nothing that belongs here is larger than an Ethernet frame; what is gets dropped and counted.
    public static let slotBytes = 2048

    /// Which of the loop's sockets they came to.
    public internal(set) var socket = 0
    /// How many there are.
    public internal(set) var count = 0

    private let slab: UnsafeMutableRawPointer
    private let datagrams: UnsafeMutablePointer<pio_datagram>
    private let batch: OpaquePointer

    init() {
        guard let batch = unsafe pio_batch_create(UInt32(ReceiveBatch.slots)) else {
            preconditionFailure("no memory for a batch of datagrams")
        }
        unsafe self.batch = batch
        unsafe slab = .allocate(byteCount: ReceiveBatch.slots * ReceiveBatch.slotBytes, alignment: 64)
        // Touched now, so that the first burst meets no page faults.
        unsafe slab.initializeMemory(as: UInt8.self, repeating: 0, count: ReceiveBatch.slots * ReceiveBatch.slotBytes)
        unsafe datagrams = .allocate(capacity: ReceiveBatch.slots)
        unsafe datagrams.initialize(repeating: pio_datagram(), count: ReceiveBatch.slots)
    }

    deinit {
        unsafe pio_batch_destroy(batch)
        unsafe slab.deallocate()
        unsafe datagrams.deallocate()
    }

    /// Takes what waits at a socket. Returns false if there was nothing, or an error that an ICMP message left behind.
    mutating func fill(from descriptor: Int32, socket: Int) -> Bool {
        self.socket = socket
        let result = unsafe pio_receive(
            batch, descriptor, slab, UInt32(ReceiveBatch.slotBytes), datagrams, UInt32(ReceiveBatch.slots))
        count = max(0, Int(result))
        return result > 0
    }

    /// The bytes of a datagram.
    @_lifetime(borrow self)
    public func bytes(_ index: Int) -> RawSpan {
        let (start, count) = range(index)
        let buffer = unsafe UnsafeRawBufferPointer(start: slab + start, count: count)
        return unsafe _overrideLifetime(buffer.bytes, borrowing: self)
    }

    /// The bytes of a datagram, to change in place (a decrypted packet stays where it is).
    @_lifetime(&self)
    public mutating func mutableBytes(_ index: Int) -> MutableRawSpan {
        let (start, count) = range(index)
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: slab + start, count: count)
        return unsafe _overrideLifetime(buffer.mutableBytes, mutating: &self)
    }

    /// Who sent a datagram.
    public func remote(_ index: Int) -> Endpoint {
        precondition(index < count, "the batch has \(count) datagrams")
        return unsafe Endpoint(datagrams[index].remote)
    }

    /// The address of this host that a datagram came to: answer from there. Nil where the kernel did not say.
    public func local(_ index: Int) -> IPAddress? {
        precondition(index < count, "the batch has \(count) datagrams")
        return unsafe datagrams[index].local.family == 0 ? nil : IPAddress(datagrams[index].local)
    }

    /// Whether a datagram was longer than a slot and lost its end.
    public func isTruncated(_ index: Int) -> Bool {
        precondition(index < count, "the batch has \(count) datagrams")
        return unsafe datagrams[index].flags & UInt32(PIO_TRUNCATED) != 0
    }

    private func range(_ index: Int) -> (start: Int, count: Int) {
        precondition(index < count, "the batch has \(count) datagrams")
        return unsafe (Int(datagrams[index].offset), Int(datagrams[index].length))
    }
}

/// Proof: it owns its memory alone, cannot be copied, and gives out only spans that end with a borrow of it.
extension ReceiveBatch: @unchecked Sendable {}
