internal import CPacketIO
internal import Synchronization
public import Time

/// The executor of actors that live on one thread. The thread is its own, starts with it, and ends after its last actor.
///
/// Without sockets it is a plain single-threaded executor; `run` makes its thread a packet loop.
public final class LoopExecutor: SerialExecutor, TaskExecutor, Sendable {
    /// The thread's name.
    public let name: String
    let core: LoopCore
    private let mail: ThreadMail

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - name: shows in `top -H`, at most 15 characters of it.
    ///   - pace: how far turns of a packet loop are apart at least while packets come faster than that, so that one wake-up serves
    ///     several: what a packet may wait longer, and much of what it costs. Zero: each is served as it comes.
    public init(name: String, pace: Interval = .zero) throws(PacketIOError) {
        self.name = name
        core = try LoopCore(pace: pace)
        mail = ThreadMail()
        let thread = LoopThread(core: core, mail: mail, name: name, executor: LoopIdentity(self))
        try startThread { thread.run() }
    }

    deinit {
        mail.close()
        core.wake()
    }

    /// What the loop did so far.
    public var statistics: LoopStatistics { core.statistics }

    /// Turns the thread into a packet loop for `worker`, until the calling task is cancelled.
    ///
    /// The worker's `unownedExecutor` must be this one; it is checked as the loop starts.
    /// Once it returns, all streams are closed, the sockets are no longer read and nothing more is sent; control calls still
    /// work. Only one worker at a time; a second `run` waits for the first to end.
    ///
    /// - Parameters:
    ///   - worker: who handles what comes.
    ///   - sockets: what it begins with; their ids are 0, 1, …. The worker may open more.
    ///   - listeners: whose connections become streams.
    ///   - limits: bounds on the streams.
    public func run(
        _ worker: some PacketWorker, sockets: [UDPSocket], listeners: [StreamListener] = [],
        limits: StreamLimits = StreamLimits()
    ) async throws(PacketIOError) {
        let loop = PacketLoop(
            worker: worker, core: core, sockets: sockets, listeners: listeners, limits: limits,
            executor: LoopIdentity(self))
        let result: Result<Void, PacketIOError> = await withTaskCancellationHandler {
            await withCheckedContinuation { done in
                mail.put {
                    done.resume(returning: loop.run())
                }
                core.wake()
            }
        } onCancel: {
            loop.stop()
        }
        // Keeps executor and worker until the thread has let go of them.
        extendLifetime(self)
        try result.get()
    }

    /// Takes a job of one of its actors.
    public func enqueue(_ job: consuming ExecutorJob) {
        // The job keeps this executor, and once it is in the ring the thread may finish it, and nothing keeps the core whose thread is
        // yet to be woken. A plain reference would be optimized away, since `self` is taken to live on.
        let core = unsafe Unmanaged.passRetained(core)
        let job = UnownedJob(job)
        unsafe core._withUnsafeGuaranteedRef { $0.put(job) }
        unsafe core.release()
    }

    /// This executor, as actors name it.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { unsafe UnownedSerialExecutor(ordinary: self) }

    /// This executor, as tasks name it.
    public func asUnownedTaskExecutor() -> UnownedTaskExecutor { unsafe UnownedTaskExecutor(ordinary: self) }

    /// Whether the caller is on its thread.
    public func isIsolatingCurrentContext() -> Bool? { core.isOnThread }

    /// Stops the process if the caller is not on its thread.
    public func checkIsolated() {
        precondition(core.isOnThread, "an actor of loop \(name) is entered from another thread")
    }
}

/// Work for the thread itself, beside the jobs of its actors: packet loops to run, and the news that it may end.
final class ThreadMail: Sendable {
    private struct State {
        var loops: [@Sendable () -> Void] = []
        var isClosed = false
    }
    private let state = Mutex(State())

    func put(_ loop: @escaping @Sendable () -> Void) { state.withLock { $0.loops.append(loop) } }

    func next() -> (@Sendable () -> Void)? {
        state.withLock { $0.loops.isEmpty ? nil : $0.loops.removeFirst() }
    }

    func close() { state.withLock { $0.isClosed = true } }

    var isClosed: Bool { state.withLock { $0.isClosed } }
}

/// What the thread does between packet loops: runs jobs.
final class LoopThread: Sendable {
    private let core: LoopCore
    private let mail: ThreadMail
    private let name: String
    private let executor: LoopIdentity

    init(core: LoopCore, mail: ThreadMail, name: String, executor: LoopIdentity) {
        self.executor = executor
        self.core = core
        self.mail = mail
        self.name = name
    }

    func run() {
        unsafe pio_name_thread(name)
        pio_block_sigpipe()
        core.claimThread()
        var turn = LoopTurn()
        while true {
            let now = MonotonicClock.now
            turn.wait(core, until: core.hasJobs ? now : nil, now: now)
            turn.runJobs(core, executor)
            if let loop = mail.next() { loop() }
            // Jobs keep their actors alive and these the executor, so there are none once it is gone.
            if mail.isClosed, !core.hasJobs { return }
        }
    }
}

/// How jobs are told on which executor they run. Does not keep it alive: a job keeps its actor, and that the executor.
@safe
struct LoopIdentity: Sendable {
    private let serial: UnownedSerialExecutor
    private let task: UnownedTaskExecutor

    init(_ executor: LoopExecutor) {
        unsafe serial = executor.asUnownedSerialExecutor()
        unsafe task = executor.asUnownedTaskExecutor()
    }

    func run(_ job: UnownedJob) {
        unsafe job.runSynchronously(isolatedTo: serial, taskExecutor: task)
    }
}
