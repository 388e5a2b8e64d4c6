/// Starts work from synchronous code; all of it belongs to `run`, and ends with it.
final class Jobs: Sendable {
    typealias Job = @Sendable () async -> Void
    private let stream: AsyncStream<Job>
    private let continuation: AsyncStream<Job>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    /// Starts a job. Bounded by what asks for it: requests open at once, rooms, sessions.
    func start(_ job: @escaping Job) { continuation.yield(job) }

    /// Runs jobs until cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await job in stream { group.addTask { await job() } }
            group.cancelAll()
        }
    }
}
