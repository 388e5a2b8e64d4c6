import Bus

/// Starts work from synchronous code; all of it belongs to `run`, and ends with it.
final class Jobs: Sendable {
    typealias Job = @Sendable () async -> Void
    private let stream: AsyncStream<Job>
    private let continuation: AsyncStream<Job>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    /// Starts a job, under the call id of who asks for it. Bounded by what asks: requests open at once, rooms, sessions.
    func start(_ job: @escaping Job) {
        if let id = CallID.current {
            continuation.yield { await CallID.$current.withValue(id) { await job() } }
        } else {
            continuation.yield(job)
        }
    }

    /// Runs jobs until cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await job in stream { group.addTask { await job() } }
            group.cancelAll()
        }
    }
}
