import Glibc
package import Logging
import Synchronization
import Time

/// One connection of the bus: a machine, its socket, and the thread that waits on it.
///
/// The thread reads and dispatches; whoever sends writes at once, and leaves to the thread what the socket does not take.
package final class BusConnection: BusCaller, Sendable {
    struct Entry {
        let inbound: InboundQueue
        /// The peer made the call.
        var isServed = false
        var task: Task<Void, Never>?
        var waiting: [WaitCell] = []
    }

    struct State {
        var machine: ConnectionMachine
        var entries: [UInt64: Entry] = [:]
        /// Senders that wait until less is to be written.
        var waitingForRoom: [WaitCell] = []
        /// What is being written, from `offset` on.
        var writing: [UInt8] = []
        var offset = 0
        /// Some thread is in `writeOut`; what others append meanwhile, it takes along.
        var isWriting = false
        /// The connection's thread, while it hands on what it read: it writes all answers at once, afterwards.
        var corkedThread: UInt = 0
        var stalledSince: Instant?
        /// Calls with one answer that wait for it.
        var answersAwaited = 0
        /// One of them waits on the socket, or is about to.
        var callerWaits = false
        var patience = AnswerPatience()
        /// When the thread wakes by itself.
        var wakesAt = Instant.zero
        var peerName = ""
        var end: BusStatus?
        var onClose: (@Sendable () -> Void)?

        var waitingBytes: Int { writing.count - offset + machine.outbound.count }
    }

    let transport: any BusTransport
    let router: BusRouter
    let logger: Logger
    let limits: WireLimits
    let state: Mutex<State>
    let watch: SocketWatch
    /// Held by who reads the socket and hands on what came.
    let reading: Mutex<[UInt8]>
    /// Whether callers may read: those of a connection of ours, for the accepting side seldom calls.
    let hasCallers: Bool
    /// Fires when the peer has said hello, or the connection is over.
    let ready = WaitCell()
    /// Fires when no more calls can be made on it.
    let unusable = WaitCell()
    /// Fires when it is over.
    let closed = WaitCell()

    /// 64 KiB: a burst of small frames, or a large one in few reads.
    private static let readBytes = 64 << 10

    package init(
        transport: any BusTransport, side: ConnectionMachine.Side, name: String, router: BusRouter,
        limits: WireLimits = WireLimits(), logger: Logger
    ) throws(SocketError) {
        self.transport = transport
        self.router = router
        self.logger = logger
        self.limits = limits
        hasCallers = side == .connecting
        watch = try SocketWatch(socket: transport.descriptor, hasCallers: hasCallers)
        reading = Mutex([UInt8](repeating: 0, count: BusConnection.readBytes))
        state = Mutex(
            State(machine: ConnectionMachine(side: side, name: name, limits: limits, now: MonotonicClock.now)))
    }

    /// Starts its thread, which holds it until the end.
    package func start() {
        let started = startThread { self.loop() }
        if !started { close(BusStatus(.resourceExhausted, "no thread is left for a bus connection")) }
    }

    /// Whether a call can be opened.
    var isUsable: Bool { state.withLock { $0.end == nil && $0.machine.acceptsCalls } }

    // MARK: calls of ours

    package func open(_ method: String, options: CallOptions) async throws(BusStatus) -> BusStream {
        try openNow(method, options: options)
    }

    func openNow(_ method: String, options: CallOptions) throws(BusStatus) -> BusStream {
        let now = MonotonicClock.now
        var metadata = options.metadata
        if let id = CallID.current, metadata[CallID.key] == nil { metadata[CallID.key] = id }
        let head = CallHead(method: method, timeout: options.timeout, metadata: metadata)
        let result = state.withLock { state -> Result<(UInt64, InboundQueue, Bool), BusStatus> in
            if let end = state.end { return .failure(end) }
            do throws(BusStatus) {
                let id = try state.machine.open(head, now: now)
                let inbound = InboundQueue(connection: self, id: id)
                state.entries[id] = Entry(inbound: inbound)
                // Not written yet: the first message follows at once and takes the same write.
                return .success((id, inbound, options.timeout.map { now + $0 < state.wakesAt } ?? false))
            } catch {
                return .failure(error)
            }
        }
        let (id, inbound, mustWake) = try result.get()
        if mustWake { watch.wakeThread() }
        return BusStream(
            connection: self, id: id, inbound: inbound, handle: CallHandle(connection: self, id: id))
    }

    /// Messages of a stream were read.
    func consumed(_ bytes: Int, on id: UInt64) { change { $0.machine.consumed(bytes, on: id) } }

    func send(_ message: [UInt8], on id: UInt64, last: Bool) async throws(BusStatus) {
        enum Outcome {
            case sent
            case wait(WaitCell)
            case failed(BusStatus)
        }
        while true {
            let outcome = state.withLock { state -> Outcome in
                if let end = state.end { return .failed(end) }
                guard let maySend = state.machine.maySend(on: id) else {
                    return .failed(BusStatus(.cancelled, "the call is over"))
                }
                if !maySend {
                    let cell = WaitCell()
                    state.entries[id]?.waiting.append(cell)
                    return .wait(cell)
                }
                if state.waitingBytes > limits.outboundHighWater {
                    let cell = WaitCell()
                    state.waitingForRoom.append(cell)
                    return .wait(cell)
                }
                do throws(BusStatus) {
                    try state.machine.send(message, on: id, last: last)
                } catch {
                    return .failed(error)
                }
                return .sent
            }
            writeOut()
            switch outcome {
            case .sent: return
            case .failed(let status): throw status
            case .wait(let cell):
                await cell.wait()
                if Task.isCancelled { throw BusStatus(.cancelled, "the task that sends was cancelled") }
            }
        }
    }

    func halfClose(_ id: UInt64) { change { $0.machine.halfClose(id) } }

    /// Takes back a call of ours; nothing where it is over.
    func cancel(_ id: UInt64) {
        let isDrained = change { state -> Bool in
            guard state.entries.removeValue(forKey: id) != nil else { return false }
            state.machine.cancel(id)
            return state.machine.isDrained
        }
        // A connection that goes away ends with its last call.
        if isDrained == true { watch.wakeThread() }
    }

    /// Makes and takes no more calls; ends when those open are done.
    package func goAway(reason: String) {
        change { $0.machine.goAway(reason: reason) }
        unusable.fire()
        watch.wakeThread()
    }

    /// Ends it at once.
    package func close(_ status: BusStatus) {
        finish(status)
        watch.wakeThread()
    }

    /// Waits until it is over.
    package func waitClosed() async { await closed.wait() }

    /// Calls `body` once it is over; set before `start`.
    func whenClosed(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onClose = body } }

    // MARK: state

    /// Changes the state, where the connection still is, and writes what came of it.
    @discardableResult
    func change<Outcome: Sendable>(_ body: (inout State) -> Outcome) -> Outcome? {
        let outcome = state.withLock { state -> Outcome? in
            guard state.end == nil else { return nil }
            return body(&state)
        }
        writeOut()
        return outcome
    }

    /// Writes what the socket takes, without holding the lock meanwhile; after a stall only the connection's thread goes on.
    func writeOut(afterStall: Bool = false) {
        let thread = currentThread()
        while true {
            let chunk = state.withLock { state -> (bytes: [UInt8], offset: Int)? in
                guard !state.isWriting, state.corkedThread != thread, state.end == nil else { return nil }
                guard afterStall || state.stalledSince == nil else { return nil }
                if state.offset == state.writing.count {
                    state.writing.removeAll(keepingCapacity: state.writing.count <= 64 << 10)
                    state.offset = 0
                    swap(&state.writing, &state.machine.outbound)
                }
                guard !state.writing.isEmpty else { return nil }
                state.isWriting = true
                return (state.writing, state.offset)
            }
            guard let chunk else { return }
            let outcome = transport.write(chunk.bytes, from: chunk.offset)
            guard wrote(outcome) else { return }
        }
    }

    /// Keeps account of a write; whether to go on.
    private func wrote(_ outcome: TransportOutcome) -> Bool {
        let (goesOn, cells) = state.withLock { state -> (Bool, [WaitCell]) in
            state.isWriting = false
            switch outcome {
            case .bytes(let count):
                state.offset += count
                state.stalledSince = nil
                guard state.waitingBytes <= limits.outboundHighWater else { return (true, []) }
                defer { state.waitingForRoom = [] }
                return (true, state.waitingForRoom)
            case .wouldBlock:
                if state.stalledSince == nil {
                    state.stalledSince = MonotonicClock.now
                    watch.wakeThread()
                }
            case .closed, .failed:
                // The thread reads the end of it, and says why.
                transport.shutdown()
            }
            return (false, [])
        }
        for cell in cells { cell.fire() }
        return goesOn
    }

    func finish(_ status: BusStatus) {
        let ended = state.withLock { state -> State? in
            guard state.end == nil else { return nil }
            state.end = status
            defer {
                state.entries = [:]
                state.waitingForRoom = []
                state.onClose = nil
            }
            return state
        }
        guard let ended else { return }
        transport.shutdown()
        for entry in ended.entries.values {
            entry.inbound.finish(status)
            entry.task?.cancel()
            for cell in entry.waiting { cell.fire() }
        }
        for cell in ended.waitingForRoom { cell.fire() }
        ready.fire()
        unusable.fire()
        closed.fire()
        ended.onClose?()
    }
}
