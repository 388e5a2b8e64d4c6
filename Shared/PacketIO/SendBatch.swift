public import Addresses
internal import CPacketIO
internal import Glibc

/// Datagrams to send, written where they are sent from. They leave at the end of the loop's turn, or when the batch is full.
///
/// UDP keeps no promises, so nothing here fails: what the kernel does not take is dropped and counted by reason.
@safe public struct SendBatch: ~Copyable {
    /// At most so many wait: `sendmmsg` gains nothing beyond some dozens, and 256 KiB stay in the second-level cache.
    public static let slots = 128
    /// Room for a datagram, as for received ones.
    public static let slotBytes = ReceiveBatch.slotBytes

    /// How many wait.
    public private(set) var count = 0
    /// What became of the others, since the loop last took it.
    var tally = SendTally()

    private let slab: UnsafeMutableRawPointer
    private let datagrams: UnsafeMutablePointer<pio_datagram>
    private let sockets: UnsafeMutablePointer<Int32>
    private let batch: OpaquePointer
    private let descriptors: [Int32]

    init(descriptors: [Int32]) {
        guard let batch = unsafe pio_batch_create(UInt32(SendBatch.slots)) else {
            preconditionFailure("no memory for a batch of datagrams")
        }
        unsafe self.batch = batch
        self.descriptors = descriptors
        unsafe slab = .allocate(byteCount: SendBatch.slots * SendBatch.slotBytes, alignment: 64)
        unsafe slab.initializeMemory(as: UInt8.self, repeating: 0, count: SendBatch.slots * SendBatch.slotBytes)
        unsafe datagrams = .allocate(capacity: SendBatch.slots)
        unsafe datagrams.initialize(repeating: pio_datagram(), count: SendBatch.slots)
        unsafe sockets = .allocate(capacity: SendBatch.slots)
        unsafe sockets.initialize(repeating: 0, count: SendBatch.slots)
    }

    deinit {
        unsafe pio_batch_destroy(batch)
        unsafe slab.deallocate()
        unsafe datagrams.deallocate()
        unsafe sockets.deallocate()
    }

    /// Adds what `write` writes, to go out of one of the loop's sockets.
    ///
    /// - Parameters:
    ///   - socket: the socket's position among those the loop was started with.
    ///   - local: the host's address to send from; nil leaves it to the routing table.
    ///   - remote: where to.
    ///   - write: writes up to `slotBytes`. Nothing is sent if it throws or writes nothing.
    @inline(__always)
    public mutating func append<Failure: Error>(
        socket: Int, from local: IPAddress?, to remote: Endpoint,
        _ write: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        let start = reserve(socket: socket)
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: slab + start, count: SendBatch.slotBytes)
        var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
        try write(&output)
        let length = unsafe output.finalize(for: buffer)
        commit(socket: socket, from: local, to: remote, start: start, length: length)
    }

    /// Sends what waits.
    public mutating func flush() {
        var first = 0
        while first < count {
            let socket = unsafe sockets[first]
            var end = first + 1
            while end < count, unsafe sockets[end] == socket { end += 1 }
            send(first..<end, from: descriptors[Int(socket)])
            first = end
        }
        count = 0
    }

    private mutating func reserve(socket: Int) -> Int {
        precondition(descriptors.indices.contains(socket), "the loop has \(descriptors.count) sockets")
        if count == SendBatch.slots { flush() }
        return count * SendBatch.slotBytes
    }

    private mutating func commit(socket: Int, from local: IPAddress?, to remote: Endpoint, start: Int, length: Int) {
        guard length > 0 else { return }
        unsafe datagrams[count] = pio_datagram(
            remote: pio_address(remote), local: local.map { pio_address($0, port: 0) } ?? pio_address(),
            offset: UInt32(start), length: UInt32(length), flags: 0)
        unsafe sockets[count] = Int32(socket)
        count += 1
    }

    private mutating func send(_ range: Range<Int>, from descriptor: Int32) {
        var next = range.lowerBound
        while next < range.upperBound {
            let left = range.upperBound - next
            let sent = unsafe Int(pio_send(batch, descriptor, slab, datagrams + next, UInt32(left)))
            if sent > 0 {
                for index in next..<(next + sent) { tally.bytes += unsafe UInt64(datagrams[index].length) }
                tally.packets += UInt64(sent)
                next += sent
                continue
            }
            switch Int32(-sent) {
            case EAGAIN, ENOBUFS:
                // The socket's buffer is full: what waits would only be late.
                tally.bufferFull += UInt64(left)
                return
            case EINTR:
                continue
            default:
                // This one cannot go (no route, an ICMP error of an earlier one, …); the others may.
                tally.refused += 1
                next += 1
            }
        }
    }
}

/// What became of the datagrams of a turn.
struct SendTally {
    var packets: UInt64 = 0
    var bytes: UInt64 = 0
    var bufferFull: UInt64 = 0
    var refused: UInt64 = 0
}

extension SendTally {
    var isEmpty: Bool { packets == 0 && bufferFull == 0 && refused == 0 }
}

/// Proof: it owns its memory alone, cannot be copied, and gives out only an output that ends with the call that fills it.
extension SendBatch: @unchecked Sendable {}
