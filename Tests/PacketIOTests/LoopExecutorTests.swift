import PacketIO
import Synchronization
import Testing

/// An actor on a loop.
actor Counter {
    nonisolated let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
    private var count = 0

    init(on executor: LoopExecutor) { self.executor = executor }

    func add() -> Int {
        executor.checkIsolated()
        count += 1
        return count
    }
}

struct LoopExecutorTests {
    @Test func `calls from many tasks run one after the other on the loop's thread`() async throws {
        let counter = Counter(on: try LoopExecutor(name: "test"))
        // More than the mailbox holds without growing.
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<5_000 { group.addTask { _ = await counter.add() } }
        }
        #expect(await counter.add() == 5_001)
    }

    @Test func `only its own thread is isolated`() async throws {
        let executor = try LoopExecutor(name: "test")
        #expect(executor.isIsolatingCurrentContext() == false)
        let inside = await Task(executorPreference: executor) { executor.isIsolatingCurrentContext() }.value
        #expect(inside == true)
    }

    @Test func `an executor without actors goes away with its thread, also when its last actor dies on it`()
        async throws
    {
        weak var gone: LoopExecutor?
        do {
            let executor = try LoopExecutor(name: "test")
            gone = executor
            let counter = Counter(on: executor)
            #expect(await counter.add() == 1)
        }
        // The thread may still hold the last job; another loop's turn is not its turn, so this waits for it.
        for _ in 0..<10_000 where gone != nil { await Task.yield() }
        #expect(gone == nil)
    }

    /// Whoever gives an executor its last job has not yet come back from doing so when the job may be done, and all gone.
    @Test func `an executor may go while its last job is still being given to it`() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<500 {
                        let counter = Counter(on: try LoopExecutor(name: "test"))
                        // Nobody waits for the job, so it holds the executor alone.
                        Task.detached { _ = await counter.add() }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
