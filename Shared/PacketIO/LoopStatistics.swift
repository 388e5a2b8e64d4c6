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
    /// Times the loop woke.
    public let turns = Atomic<UInt64>(0)
    /// Jobs that its actors ran.
    public let jobs = Atomic<UInt64>(0)

    init() {}
}
