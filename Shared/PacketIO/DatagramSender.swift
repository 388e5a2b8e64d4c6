internal import CPacketIO
internal import Glibc

/// Turns the chains of a socket into messages to the kernel: runs of datagrams of one size in one flow become one message
/// that the kernel cuts (UDP_SEGMENT), and all messages of a socket leave by one call.
///
/// UDP keeps no promises, so nothing here fails: what the kernel does not take is dropped and counted by reason.
@safe struct DatagramSender: ~Copyable {
    /// `sendmmsg` gains nothing beyond some dozens.
    static let messageLimit = 128
    /// Three for each datagram at worst, of as many as the kernel cuts one message into (64).
    static let vectorLimit = 1024
    /// The kernel cuts a message into 64 at most.
    static let segmentCount = 64
    /// Below the largest UDP payload of either family.
    static let segmentedBytes = 65_000
    /// A path that takes no segments of this size takes none: IPv6 promises 1,280 bytes to every packet.
    static let smallestLimit: UInt16 = 1_200

    /// What became of the datagrams, since the loop last took it.
    var tally = SendTally()

    private let messages: UnsafeMutablePointer<pio_message>
    private let vectors: UnsafeMutablePointer<pio_vector>
    private let sender: OpaquePointer
    private var messageCount = 0
    private var vectorCount = 0
    /// The socket's buffer is full: what else waits for it would only be late.
    private var isFull = false

    init() {
        unsafe messages = .allocate(capacity: DatagramSender.messageLimit)
        unsafe messages.initialize(repeating: pio_message(), count: DatagramSender.messageLimit)
        unsafe vectors = .allocate(capacity: DatagramSender.vectorLimit)
        unsafe vectors.initialize(repeating: pio_vector(), count: DatagramSender.vectorLimit)
        guard let sender = unsafe pio_sender_create(UInt32(DatagramSender.messageLimit)) else {
            preconditionFailure("no memory for a batch of datagrams")
        }
        unsafe self.sender = sender
    }

    deinit {
        unsafe pio_sender_destroy(sender)
        unsafe messages.deallocate()
        unsafe vectors.deallocate()
    }

    /// Sends what waits on a socket.
    mutating func send(_ queue: borrowing SendQueue, _ slot: inout SocketTable.Slot) {
        var flow = slot.firstFlow
        slot.firstFlow = -1
        slot.lastFlow = -1
        isFull = false
        while flow >= 0 {
            let index = Int(flow)
            let isUnfragmented = unsafe queue.flows[index].flags & UInt32(PIO_DONT_FRAGMENT) != 0
            if isUnfragmented { setFragmentation(queue, &slot, Int32(PIO_FRAGMENTATION_NEVER)) }
            gather(queue, flow: index, &slot)
            if isUnfragmented { setFragmentation(queue, &slot, slot.fragmentation) }
            flow = unsafe queue.flows[index].next
        }
        submit(queue, &slot)
    }

    private mutating func setFragmentation(
        _ queue: borrowing SendQueue, _ slot: inout SocketTable.Slot, _ fragmentation: Int32
    ) {
        submit(queue, &slot)
        _ = pio_set_fragmentation(slot.descriptor, slot.isIPv6 ? 6 : 4, fragmentation)
    }

    /// Adds the messages of a flow.
    private mutating func gather(_ queue: borrowing SendQueue, flow: Int, _ slot: inout SocketTable.Slot) {
        var next = unsafe queue.flows[flow].first
        while next >= 0 {
            if messageCount == DatagramSender.messageLimit
                || vectorCount + 3 * DatagramSender.segmentCount > DatagramSender.vectorLimit
            {
                submit(queue, &slot)
            }
            let first = vectorCount
            let size = put(queue, &next)
            var bytes = size
            var datagrams = 1
            if size > 0, size <= Int(slot.segmentLimit) {
                while next >= 0, datagrams < DatagramSender.segmentCount {
                    let following = unsafe queue.entries[Int(next)].bytes
                    guard following > 0, following <= size, bytes + following <= DatagramSender.segmentedBytes
                    else { break }
                    _ = put(queue, &next)
                    bytes += following
                    datagrams += 1
                    // A shorter one ends the message.
                    if following < size { break }
                }
            }
            unsafe messages[messageCount] = pio_message(
                flow: UInt32(truncatingIfNeeded: flow), first_vector: UInt32(truncatingIfNeeded: first),
                vectors: UInt32(truncatingIfNeeded: vectorCount - first),
                bytes: UInt32(truncatingIfNeeded: bytes), datagrams: UInt16(truncatingIfNeeded: datagrams),
                segment: datagrams > 1 ? UInt16(truncatingIfNeeded: size) : 0)
            messageCount += 1
        }
    }

    /// Adds the vectors of an entry and moves on to the next. Returns the entry's bytes.
    @inline(__always)
    private mutating func put(_ queue: borrowing SendQueue, _ next: inout Int32) -> Int {
        let index = Int(next)
        let entry = unsafe queue.entries[index]
        let count = unsafe VectorList.put(
            entry, header: queue.header(of: index), zeros: queue.zeros, to: vectors + vectorCount)
        vectorCount += count
        next = entry.next
        return entry.bytes
    }

    /// Sends the messages gathered so far.
    private mutating func submit(_ queue: borrowing SendQueue, _ slot: inout SocketTable.Slot) {
        var next = 0
        var wasTriedAgain = false
        while next < messageCount, !isFull {
            let sent = unsafe Int(
                pio_send(
                    sender, slot.descriptor, queue.flows, messages + next, vectors, UInt32(messageCount - next)))
            if sent > 0 {
                for index in next..<(next + sent) { tally.add(sent: unsafe messages[index]) }
                next += sent
                wasTriedAgain = false
                continue
            }
            let message = unsafe messages[next]
            switch Int32(-sent) {
            case EAGAIN, ENOBUFS:
                isFull = true
            case EINTR:
                continue
            case EINVAL where message.segment > 0, EIO where message.segment > 0, EMSGSIZE where message.segment > 0:
                // No checksum offload on the way, a path narrower than the segments, or a kernel that knows no UDP_SEGMENT.
                slot.segmentLimit = message.segment <= DatagramSender.smallestLimit ? 0 : message.segment - 1
                sendSingly(message, queue, slot)
                next += 1
            case ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, EPROTO, ENOPROTOOPT:
                // With IP_RECVERR this may be the news of an earlier datagram, told once; then this one can go.
                if slot.reportsErrors, !wasTriedAgain {
                    wasTriedAgain = true
                    continue
                }
                tally.refused += UInt64(message.datagrams)
                next += 1
            default:
                tally.refused += UInt64(message.datagrams)
                next += 1
            }
        }
        for index in next..<max(next, messageCount) { tally.bufferFull += unsafe UInt64(messages[index].datagrams) }
        messageCount = 0
        vectorCount = 0
    }

    /// Sends the datagrams of a message one by one: the kernel would not cut it.
    private mutating func sendSingly(
        _ whole: pio_message, _ queue: borrowing SendQueue, _ slot: borrowing SocketTable.Slot
    ) {
        var vector = whole.first_vector
        let end = vector + whole.vectors
        while vector < end {
            var part = pio_message(
                flow: whole.flow, first_vector: vector, vectors: 0, bytes: 0, datagrams: 1, segment: 0)
            // Datagrams end where vectors do.
            while vector < end, part.bytes < UInt32(whole.segment) {
                part.bytes += unsafe UInt32(truncatingIfNeeded: vectors[Int(vector)].length)
                part.vectors += 1
                vector += 1
            }
            let sent = unsafe pio_send(sender, slot.descriptor, queue.flows, &part, vectors, 1)
            switch -sent {
            case -1: tally.add(sent: part)
            case EAGAIN, ENOBUFS: tally.bufferFull += 1
            default: tally.refused += 1
            }
        }
    }
}

extension SendQueue.Entry {
    /// Header, payload and padding together.
    @inline(__always)
    var bytes: Int { Int(headerLength) + Int(length) + Int(padding) }
}

/// Writes entries as vectors.
enum VectorList {
    /// Writes the up to three vectors of an entry. Returns how many.
    @inline(__always)
    static func put(
        _ entry: SendQueue.Entry, header: UnsafeMutableRawPointer, zeros: UnsafeMutableRawPointer,
        to vectors: UnsafeMutablePointer<pio_vector>
    ) -> Int {
        var count = 0
        if entry.headerLength > 0 {
            unsafe vectors[0] = pio_vector(base: UnsafeRawPointer(header), length: Int(entry.headerLength))
            count = 1
        }
        if entry.length > 0 || count == 0 {
            unsafe vectors[count] = pio_vector(base: entry.payload, length: Int(entry.length))
            count += 1
        }
        if entry.padding > 0 {
            unsafe vectors[count] = pio_vector(base: UnsafeRawPointer(zeros), length: Int(entry.padding))
            count += 1
        }
        return count
    }
}

/// What became of the datagrams of a turn.
struct SendTally {
    var packets: UInt64 = 0
    var bytes: UInt64 = 0
    /// Calls of the kernel's send path: fewer than `packets` where it cut them.
    var messages: UInt64 = 0
    var bufferFull: UInt64 = 0
    var refused: UInt64 = 0

    var isEmpty: Bool { packets == 0 && bufferFull == 0 && refused == 0 }

    @inline(__always)
    mutating func add(sent message: pio_message) {
        packets += UInt64(message.datagrams)
        bytes += UInt64(message.bytes)
        messages += 1
    }
}

/// Proof, of all three: parts of `LoopIO`, which cannot be copied; each owns its memory alone and gives none of it out.
extension DatagramSender: @unchecked Sendable {}
extension SendQueue: @unchecked Sendable {}
extension SocketTable: @unchecked Sendable {}
