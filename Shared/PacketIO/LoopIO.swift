public import Addresses
internal import CPacketIO

/// What a worker does to the world during a call of its loop: sends, and opens and closes sockets and streams.
///
/// What is sent leaves at the end of the loop's turn, or when there is no more room: grouped by socket and flow, so that runs
/// of datagrams of one size cost one message to the kernel. UDP keeps no promises, so sending a datagram does not fail: what
/// the kernel does not take is dropped and counted by reason.
@safe public struct LoopIO: ~Copyable {
    /// Room for a datagram that is written by `append`, or for what is written to a stream at once. What is forwarded may be
    /// longer.
    public static let datagramBytes = 2048
    /// Room for a header before forwarded bytes: a Data indication's (RFC 8656 §11.4) takes 48 with an IPv6 peer.
    public static let headerBytes = SendQueue.headerBytes

    var queue: SendQueue
    var sockets: SocketTable
    var streams: StreamTable
    var sender = DatagramSender()

    init(epoll: Int32, slab: UnsafeRawPointer, limits: StreamLimits) {
        unsafe queue = SendQueue(slab: slab, bytes: ReceiveBatch.slots * ReceiveBatch.stride)
        sockets = SocketTable(epoll: epoll)
        streams = StreamTable(epoll: epoll, limits: limits)
    }

    // MARK: Sockets

    /// Takes a socket into the loop. Throws where the kernel lets the process watch no more descriptors.
    public mutating func open(_ socket: UDPSocket) throws(PacketIOError) -> SocketID { try sockets.open(socket) }

    /// Lets go of a socket. What was queued for it before still leaves; nothing more comes from it, not in this turn either.
    /// Its index is not used again within the turn.
    public mutating func close(_ socket: SocketID) { sockets.close(socket) }

    // MARK: Datagrams

    /// Sends what `write` writes.
    ///
    /// - Parameters:
    ///   - socket: out of which socket. Nothing is sent if it is closed.
    ///   - local: the host's address to send from; nil leaves it to the routing table. Ignored where the socket is bound to one.
    ///   - remote: where to.
    ///   - dontFragment: sets the bit for this datagram, which costs two calls of the kernel.
    ///   - write: writes up to `datagramBytes`. Nothing is sent if it throws or writes nothing.
    @inlinable
    @inline(__always)
    public mutating func append<Failure: Error>(
        socket: SocketID, from local: IPAddress?, to remote: Endpoint, dontFragment: Bool = false,
        _ write: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        let buffer = unsafe reserve()
        var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
        try write(&output)
        let length = unsafe output.finalize(for: buffer)
        commit(length, socket: socket, from: local, to: remote, dontFragment: dontFragment)
    }

    /// Sends bytes on. If they were received in this turn they are not copied; they must not be changed until it ends.
    ///
    /// - Parameters:
    ///   - bytes: a part of a batch or of a stream's bytes; other bytes are copied.
    ///   - padding: 0 to 3 zeros behind them.
    public mutating func forward(
        _ bytes: RawSpan, socket: SocketID, from local: IPAddress?, to remote: Endpoint, padding: Int = 0,
        dontFragment: Bool = false
    ) {
        prepare(bytes)
        enqueue(
            bytes, header: 0, padding: padding, socket: socket, from: local, to: remote, dontFragment: dontFragment)
    }

    /// Sends bytes on behind four bytes, such as the header of ChannelData, in network order.
    public mutating func forward(
        _ bytes: RawSpan, header: UInt32, socket: SocketID, from local: IPAddress?, to remote: Endpoint,
        padding: Int = 0, dontFragment: Bool = false
    ) {
        prepare(bytes)
        unsafe queue.nextHeader.storeBytes(of: header.bigEndian, as: UInt32.self)
        enqueue(
            bytes, header: 4, padding: padding, socket: socket, from: local, to: remote, dontFragment: dontFragment)
    }

    /// Sends bytes on behind up to `headerBytes` that `header` writes. Nothing is sent if it throws.
    @inlinable
    @inline(__always)
    public mutating func forward<Failure: Error>(
        _ bytes: RawSpan, socket: SocketID, from local: IPAddress?, to remote: Endpoint, padding: Int = 0,
        dontFragment: Bool = false, header: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        let buffer = unsafe reserveHeader(bytes)
        var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
        try header(&output)
        let length = unsafe output.finalize(for: buffer)
        enqueue(
            bytes, header: length, padding: padding, socket: socket, from: local, to: remote,
            dontFragment: dontFragment)
    }

    /// Sends what waits. The loop does it at the end of the turn.
    public mutating func flush() {
        for index in 0..<queue.touchedCount {
            unsafe sender.send(queue, &sockets.slots[Int(queue.touched[index])])
        }
        streams.flush(queue)
        queue.clear()
    }

    // MARK: Under the closures

    /// Where `append` writes. Of `datagramBytes`.
    @usableFromInline
    mutating func reserve() -> UnsafeMutableRawBufferPointer {
        if !queue.hasRoom(bytes: LoopIO.datagramBytes) { flush() }
        return unsafe UnsafeMutableRawBufferPointer(start: queue.nextWritten, count: LoopIO.datagramBytes)
    }

    @usableFromInline
    mutating func commit(
        _ length: Int, socket: SocketID, from local: IPAddress?, to remote: Endpoint, dontFragment: Bool
    ) {
        guard length > 0, let index = sending(socket) else { return }
        let payload = unsafe UnsafeRawPointer(queue.nextWritten)
        queue.take(written: length)
        let entry = unsafe queue.add(payload: payload, length: length, header: 0, padding: 0)
        link(entry, index, local, remote, dontFragment)
    }

    /// Where a header is written.
    @usableFromInline
    mutating func reserveHeader(_ bytes: RawSpan) -> UnsafeMutableRawBufferPointer {
        prepare(bytes)
        return unsafe UnsafeMutableRawBufferPointer(start: queue.nextHeader, count: LoopIO.headerBytes)
    }

    /// Makes room for an entry that refers to `bytes`, or copies them.
    @inline(__always)
    mutating func prepare(_ bytes: RawSpan) {
        let copied = unsafe bytes.withUnsafeBytes { unsafe queue.mustCopy($0) ? $0.count : 0 }
        if !queue.hasRoom(bytes: copied) { flush() }
    }

    @usableFromInline
    mutating func enqueue(
        _ bytes: RawSpan, header: Int, padding: Int, socket: SocketID, from local: IPAddress?, to remote: Endpoint,
        dontFragment: Bool
    ) {
        precondition(padding >= 0 && padding < 4, "padding is 0 to 3 bytes")
        guard let index = sending(socket) else { return }
        let payload = unsafe bytes.withUnsafeBytes { unsafe queue.place($0) }
        let entry = unsafe queue.add(payload: payload, length: bytes.byteCount, header: header, padding: padding)
        link(entry, index, local, remote, dontFragment)
    }

    /// The slot of a socket that takes datagrams; what is for another is counted.
    @inline(__always)
    private mutating func sending(_ socket: SocketID) -> Int? {
        guard let index = sockets.index(socket), unsafe !sockets.slots[index].isClosing else {
            sender.tally.refused += 1
            return nil
        }
        return index
    }

    @inline(__always)
    private mutating func link(
        _ entry: Int32, _ index: Int, _ local: IPAddress?, _ remote: Endpoint, _ dontFragment: Bool
    ) {
        let tellsLocal = unsafe sockets.slots[index].tells & UInt32(PIO_TELL_LOCAL) != 0
        let from = tellsLocal ? local.map { pio_address($0, port: 0) } ?? pio_address() : pio_address()
        queue.link(
            entry, socket: index, local: from, remote: pio_address(remote),
            flags: dontFragment ? UInt32(PIO_DONT_FRAGMENT) : 0, in: &sockets)
    }
}

/// Proof: it owns its memory alone, cannot be copied, and gives out only an output that ends with the call that fills it.
extension LoopIO: @unchecked Sendable {}
