public import Addresses
public import Time

/// An actor that lives on a loop's thread: its packets are handled inside it synchronously, control calls reach it by `await`.
///
/// Its `unownedExecutor` must be its loop's, which the language wants spelt out in each actor:
///
///     nonisolated let executor: LoopExecutor
///     nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
///
/// None of these calls may block. To send from a control call, keep it and let `nextDeadline` be now: `timeout` comes at once.
/// A worker without streams and without an interest in ICMP leaves those calls out.
public protocol PacketWorker: Actor {
    /// Handles datagrams of one socket.
    func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant)
    /// Called when `nextDeadline` has come.
    func timeout(out: inout LoopIO, now: Instant)
    /// When `timeout` is due; nil if never. Asked once a turn.
    var nextDeadline: Instant? { get }

    /// Hears of a datagram that did not arrive, on sockets with `reportsErrors`. `payload` is the start of that datagram, as
    /// far as it came back.
    func receive(error: DatagramError, payload: RawSpan, out: inout LoopIO, now: Instant)

    /// Hears of a new stream, once it is known to be TCP or TLS (and then, after the handshake).
    func opened(stream: StreamID, _ opening: StreamOpening, out: inout LoopIO, now: Instant)
    /// Handles what a stream has brought so far. Returns how many bytes it is done with; the others come again with more
    /// behind them. It should be done with all that it can use: it is not called again before there is more.
    func receive(stream: StreamID, bytes: RawSpan, out: inout LoopIO, now: Instant) -> Int
    /// Hears that a stream has ended. Comes once for each opened stream, but not for those that the worker closed.
    func closed(stream: StreamID, reason: StreamEnd, out: inout LoopIO, now: Instant)
}

extension PacketWorker {
    /// Ignores it.
    public func receive(error: DatagramError, payload: RawSpan, out: inout LoopIO, now: Instant) {}
    /// Has no use for streams.
    public func opened(stream: StreamID, _ opening: StreamOpening, out: inout LoopIO, now: Instant) {
        out.close(stream: stream)
    }
    /// Is done with them.
    public func receive(stream: StreamID, bytes: RawSpan, out: inout LoopIO, now: Instant) -> Int { bytes.byteCount }
    /// Ignores it.
    public func closed(stream: StreamID, reason: StreamEnd, out: inout LoopIO, now: Instant) {}
}

/// What the network, or our own kernel, reported on a datagram that was sent.
public struct DatagramError: Sendable {
    /// The socket that sent it.
    public let socket: SocketID
    /// Whom it was for.
    public let remote: Endpoint
    /// Who reported it; nil if that was our own kernel.
    public let reporter: IPAddress?
    /// The ICMP type, or the ICMPv6 type if `remote` is IPv6. Of our own kernel: that of "too big".
    public let type: UInt8
    /// The ICMP code.
    public let code: UInt8
    /// What the code says more: the MTU, where it is about that; else 0.
    public let data: UInt32
}

/// What is known of a new stream.
public struct StreamOpening: Sendable {
    /// The peer.
    public let remote: Endpoint
    /// The address and port of this host that the peer connected to.
    public let local: Endpoint
    /// Whether it is TLS.
    public let isTLS: Bool
    /// Which of the listeners given to `run` it came by.
    public let listener: Int
}

/// Why a stream has ended.
public enum StreamEnd: String, Sendable, CaseIterable {
    /// The peer closed it.
    case finished
    /// The connection broke, or TLS found it forged.
    case failed
    /// No message came within `StreamLimits.openingDeadline`, or it was the oldest of too many that had not sent one.
    case late
    /// Nothing came within `StreamLimits.idleDeadline`.
    case idle
    /// The peer took nothing for `StreamLimits.stallDeadline`, while something waited for it.
    case stalled
    /// A message is longer than any can be.
    case tooLong
}
