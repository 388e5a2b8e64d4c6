public import Synchronization

/// What a loop did so far. Written by its thread once a turn, read from anywhere.
public final class LoopStatistics: Sendable {
    /// Datagrams received.
    public let receivedPackets = Atomic<UInt64>(0)
    /// Their bytes.
    public let receivedBytes = Atomic<UInt64>(0)
    /// Datagrams that the kernel took.
    public let sentPackets = Atomic<UInt64>(0)
    /// Their bytes.
    public let sentBytes = Atomic<UInt64>(0)
    /// Not sent, as the socket's buffer was full.
    public let droppedBufferFull = Atomic<UInt64>(0)
    /// Not sent, as the kernel refused the destination.
    public let droppedRefused = Atomic<UInt64>(0)
    /// Messages in which they were given to the kernel: fewer than datagrams, where it cuts them (UDP_SEGMENT).
    public let sentMessages = Atomic<UInt64>(0)
    /// Errors that the network reported on sent datagrams.
    public let reportedErrors = Atomic<UInt64>(0)
    /// Open UDP sockets.
    public let sockets = Atomic<Int>(0)
    /// Open streams, those that are closing too.
    public let streams = Atomic<Int>(0)
    /// Streams that opened.
    public let openedStreams = Atomic<UInt64>(0)
    /// Connections refused by a limit.
    public let refusedStreams = Atomic<UInt64>(0)
    /// TLS handshakes that failed.
    public let failedHandshakes = Atomic<UInt64>(0)
    /// Bytes received by streams.
    public let receivedStreamBytes = Atomic<UInt64>(0)
    /// Bytes sent by streams.
    public let sentStreamBytes = Atomic<UInt64>(0)
    /// Messages that a stream's full send buffer did not take.
    public let droppedBacklog = Atomic<UInt64>(0)
    /// Times the loop woke.
    public let turns = Atomic<UInt64>(0)
    /// Jobs that its actors ran.
    public let jobs = Atomic<UInt64>(0)

    init() {}
}
