public import PacketIO
internal import Synchronization
public import Time

/// Drives a responder: an actor on a packet loop's thread. The TURN worker of the next version takes its place.
public actor StunWorker: PacketWorker {
    private nonisolated let executor: LoopExecutor
    private nonisolated let published = Mutex(StunCounters())
    private var responder: StunResponder
    private var counters = StunCounters()

    /// A worker on the loop of `executor`.
    public init(on executor: LoopExecutor, responder: StunResponder) {
        self.executor = executor
        self.responder = responder
    }

    /// The loop's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    /// What became of the datagrams so far. From any thread; a turn of the loop may be missing.
    public nonisolated var totals: StunCounters { published.withLock { $0 } }

    /// Answers a batch.
    public func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
        for index in 0..<batch.count {
            do throws(StunDrop) {
                guard !batch.isTruncated(index) else { throw .truncated }
                let source = batch.remote(index)
                var answer = StunResponder.Answer.address
                try out.append(socket: batch.socket, from: batch.local(index), to: source) {
                    (output) throws(StunDrop) in
                    answer = try responder.receive(batch.bytes(index), from: source, now: now, to: &output)
                }
                switch answer {
                case .address: counters.answered += 1
                case .unknownAttributes: counters.refused += 1
                }
            } catch {
                counters[error] += 1
            }
        }
        published.withLock { $0 = counters }
    }

    /// Never due.
    public func timeout(out: inout LoopIO, now: Instant) {}

    /// STUN has nothing to time.
    public var nextDeadline: Instant? { nil }
}
