public import Time

/// An actor that lives on a loop's thread: its packets are handled inside it synchronously, control calls reach it by `await`.
///
/// Its `unownedExecutor` must be its loop's, which the language wants spelt out in each actor:
///
///     nonisolated let executor: LoopExecutor
///     nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
///
/// None of these calls may block. To send from a control call, keep it and let `nextDeadline` be now: `timeout` comes at once.
public protocol PacketWorker: Actor {
    /// Handles datagrams of one socket; answers are appended to `out`.
    func receive(_ batch: inout ReceiveBatch, out: inout SendBatch, now: Instant)
    /// Called when `nextDeadline` has come.
    func timeout(out: inout SendBatch, now: Instant)
    /// When `timeout` is due; nil if never. Asked once a turn.
    var nextDeadline: Instant? { get }
}
