import Bus
import PacketIO
import Synchronization
import TURNServer
import Time

/// Drives a lane: an actor on a packet loop's thread.
actor TurnWorker: PacketWorker {
    /// How often the machine learns the civil time, and others the numbers.
    private static let tick = Interval.milliseconds(250)

    private nonisolated let executor: LoopExecutor
    private nonisolated let published = Mutex(TURNCounters())
    private nonisolated let allocations = Atomic<Int>(0)
    private let quota: any FleetQuota
    private let events: AsyncStream<TURNEvent>.Continuation
    private var lane: TurnLane
    private var tickAt: Instant
    /// Answers to questions, until the loop comes by.
    private var answers: [(question: TurnLane.Question, granted: Bool)] = []

    init(
        on executor: LoopExecutor, lane: consuming TurnLane, quota: any FleetQuota,
        events: AsyncStream<TURNEvent>.Continuation, now: Instant
    ) {
        self.executor = executor
        self.lane = lane
        self.quota = quota
        self.events = events
        tickAt = now
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    /// The machine's numbers, at most a tick old. From any thread.
    nonisolated var counters: TURNCounters { published.withLock { $0 } }

    /// Allocations now, at most a tick old. From any thread.
    nonisolated var allocationCount: Int { allocations.load(ordering: .relaxed) }

    // MARK: Control

    func update(_ settings: TurnSettings) {
        lane.server.update(settings.current, now: PacketIO.MonotonicClock.now)
        wake()
    }

    func update(allowedPeers: [PeerRange]) {
        lane.server.update(allowedPeers: allowedPeers, now: PacketIO.MonotonicClock.now)
    }

    /// Ends some allocations, and tells of them; clients learn by their next request. Returns whether there are more.
    func endSome() -> Bool {
        let hasMore = lane.server.endSome(now: PacketIO.MonotonicClock.now)
        tell()
        wake()
        return hasMore
    }

    private func answer(_ question: TurnLane.Question, granted: Bool) {
        answers.append((question, granted))
        wake()
    }

    /// Lets the loop come by at once, which alone can send and close.
    private func wake() { tickAt = PacketIO.MonotonicClock.now }

    // MARK: The loop

    var nextDeadline: Instant? { min(lane.deadline(), tickAt) }

    func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
        lane.receive(&batch, &out, now)
        ask()
    }

    func receive(error: DatagramError, payload: RawSpan, out: inout LoopIO, now: Instant) {
        lane.receive(error: error, &out, now)
    }

    func opened(stream: StreamID, _ opening: StreamOpening, out: inout LoopIO, now: Instant) {
        lane.opened(stream, opening)
    }

    func receive(stream: StreamID, bytes: RawSpan, out: inout LoopIO, now: Instant) -> Int {
        let consumed = lane.receive(stream, bytes, &out, now)
        ask()
        return consumed
    }

    func closed(stream: StreamID, reason: StreamEnd, out: inout LoopIO, now: Instant) {
        lane.closed(stream, &out, now)
        ask()
    }

    func timeout(out: inout LoopIO, now: Instant) {
        if !answers.isEmpty {
            for (question, granted) in exchange(&answers, with: []) {
                lane.answered(question, granted: granted, &out, now)
            }
        }
        lane.timeout(&out, now)
        ask()
        guard tickAt <= now else { return }
        tickAt = now + TurnWorker.tick
        lane.server.set(wallTime: .now, now: now)
        lane.expireReservations(now)
        tell()
        published.withLock { $0 = lane.server.counters }
        allocations.store(lane.server.allocationCount, ordering: .relaxed)
    }

    private func tell() {
        while let event = lane.server.nextEvent() { events.yield(event) }
    }

    /// Takes the machine's questions and news to the fleet's quota. Nothing, but for an allocation.
    private func ask() {
        guard lane.wantsMore() else { return }
        if !lane.questions.isEmpty {
            for question in lane.takeQuestions() {
                Task {
                    let granted = await quota.reserve(user: question.user)
                    answer(question, granted: granted)
                }
            }
        }
        if !lane.released.isEmpty {
            for user in lane.takeReleased() { quota.release(user: user) }
        }
    }
}

/// Counts allocations of a user over all turn servers.
protocol FleetQuota: Sendable {
    /// Whether the user may have one more; then it is counted. Answers yes where nobody can be asked: this server's own
    /// count still holds.
    func reserve(user: String) async -> Bool
    /// One allocation of the user ended.
    func release(user: String)
}

/// A server that stands alone counts by itself.
struct NoFleet: FleetQuota {
    func reserve(user: String) async -> Bool { true }
    func release(user: String) {}
}
