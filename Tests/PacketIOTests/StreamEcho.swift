import Addresses
import Bytes
import PacketIO
import Time

/// Serves streams of messages: two bytes of length, then as many bytes. Most are sent back as they came; some are orders, by
/// their first byte.
actor StreamEcho: PacketWorker {
    enum Event: Equatable, Sendable {
        case opened(isTLS: Bool, listener: Int)
        case closed(StreamEnd)
    }

    /// What a message of one byte orders.
    enum Order {
        /// To send 200 KiB and close.
        static let goodbye = UInt8(ascii: "G")
        /// To write until nothing more is taken.
        static let flood = UInt8(ascii: "F")
        /// To vouch for the stream, and to do so no more.
        static let vouch = UInt8(ascii: "V")
        static let disown = UInt8(ascii: "U")
        /// To close at once.
        static let close = UInt8(ascii: "C")
    }

    nonisolated let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
    private var log: [Event] = []
    private(set) var largestBacklog = 0
    private(set) var written = 0
    /// Where datagrams on socket 0 go, and who sent them: the last stream, and the last sender.
    private var stream: StreamID?
    private var datagramSender: Endpoint?

    init(on executor: LoopExecutor) { self.executor = executor }

    /// What happened so far. A copy that the loop never touches: ThreadSanitizer does not see the counts by which arrays share.
    var events: [Event] { log.map { $0 } }

    /// How many streams have ended, for whatever reason.
    var endings: Int { log.count { if case .closed = $0 { true } else { false } } }

    func forgetLargest() { largestBacklog = 0 }

    func opened(stream: StreamID, _ opening: StreamOpening, out: inout LoopIO, now: Instant) {
        log.append(.opened(isTLS: opening.isTLS, listener: opening.listener))
        self.stream = stream
    }

    func closed(stream: StreamID, reason: StreamEnd, out: inout LoopIO, now: Instant) {
        log.append(.closed(reason))
    }

    func receive(stream: StreamID, bytes: RawSpan, out: inout LoopIO, now: Instant) -> Int {
        var offset = 0
        while bytes.byteCount - offset >= 2 {
            let length = Int(bytes.uint16(at: offset))
            guard bytes.byteCount - offset >= 2 + length else { break }
            handle(bytes.extracting(offset..<(offset + 2 + length)), stream, &out)
            offset += 2 + length
        }
        return offset
    }

    private func handle(_ message: RawSpan, _ stream: StreamID, _ out: inout LoopIO) {
        guard message.byteCount == 3 else {
            // A datagram's way: "D" and the rest goes to the last sender.
            if message.byteCount > 3, message.uint8(at: 2) == UInt8(ascii: "D"), let to = datagramSender {
                out.forward(message.extracting(3..<message.byteCount), socket: SocketID(0), from: nil, to: to)
                return
            }
            _ = out.forward(message, stream: stream)
            return
        }
        switch message.uint8(at: 2) {
        case Order.goodbye:
            for number in 0..<100 { write(2048, UInt8(number), stream, &out) }
            out.close(stream: stream)
        case Order.flood:
            while write(2048, 0, stream, &out) { written += 2048 }
            largestBacklog = max(largestBacklog, out.backlog(stream))
        case Order.vouch, Order.disown:
            out.vouch(for: stream, message.uint8(at: 2) == Order.vouch)
            _ = out.forward(message, stream: stream)
        case Order.close:
            out.close(stream: stream)
        default:
            _ = out.forward(message, stream: stream)
        }
    }

    @discardableResult
    private func write(_ count: Int, _ byte: UInt8, _ stream: StreamID, _ out: inout LoopIO) -> Bool {
        do throws(BytesError) {
            return try out.write(stream: stream) { (output) throws(BytesError) in
                for _ in 0..<count { try output.write(byte) }
            }
        } catch {
            return false
        }
    }

    func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
        for index in 0..<batch.count {
            datagramSender = batch.remote(index)
            guard let stream else { continue }
            let bytes = batch.bytes(index)
            // Two bytes of length before, padded to four.
            let padding = -bytes.byteCount & 3
            _ = out.forward(bytes, header: 0xabcd_0000 | UInt32(bytes.byteCount), stream: stream, padding: padding)
        }
    }

    func timeout(out: inout LoopIO, now: Instant) {}

    var nextDeadline: Instant? { nil }
}
