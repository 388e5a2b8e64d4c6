internal import CPacketIO
internal import Synchronization
internal import Time

/// A worker and its sockets on the loop's thread: waits, runs jobs, receives, handles, sends.
///
/// Costs of a turn that are not those of its packets: one wait, one reading of the clock, the statistics.
final class PacketLoop<Worker: PacketWorker>: Sendable {
    let worker: Worker
    let core: LoopCore
    let sockets: [UDPSocket]
    let listeners: [StreamListener]
    let contexts: [TLSContext?]
    let limits: StreamLimits
    let executor: LoopIdentity
    private let isStopping = Atomic<Bool>(false)

    init(
        worker: Worker, core: LoopCore, sockets: [UDPSocket], listeners: [StreamListener], limits: StreamLimits,
        executor: LoopIdentity
    ) {
        self.worker = worker
        self.core = core
        self.sockets = sockets
        self.listeners = listeners
        self.limits = limits
        self.executor = executor
        contexts = listeners.map(\.tls)
    }

    /// Makes `run` return soon. From any thread.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        core.wake()
    }

    /// Works until `stop`. On the loop's thread only.
    func run() -> Result<Void, PacketIOError> {
        // All that follows is on this thread; the worker is entered without another check, see `WorkerTurn`.
        worker.assumeIsolated { _ in }
        let received = ReceiveBatch()
        let io = unsafe LoopIO(epoll: core.epoll, slab: UnsafeRawPointer(received.slab), limits: limits)
        var state = LoopState(received: received, out: io)
        defer {
            state.unwatchListeners(listeners, core)
            core.statistics.sockets.store(0, ordering: .relaxed)
            core.statistics.streams.store(0, ordering: .relaxed)
        }
        do throws(PacketIOError) {
            for socket in sockets { _ = try state.out.open(socket) }
            try state.watchListeners(listeners, core)
        } catch {
            return .failure(error)
        }

        var turn = LoopTurn()
        let enter = WorkerTurn<Worker>()
        enter.begin(worker, &state)
        while !isStopping.load(ordering: .acquiring) {
            turn.wait(core, until: state.wakeAt, now: state.now, items: state.isBehind ? 0 : state.items)
            if turn.mayHaveJobs { turn.runJobs(core, executor) }
            state.now = MonotonicClock.now
            state.items = turn.count
            enter.handle(worker, turn, contexts, listeners, core, &state)
            state.endTurn()
            state.publish(core.statistics)
        }
        return .success(())
    }
}

/// What a loop has beside its worker.
struct LoopState: ~Copyable {
    var received: ReceiveBatch
    var out: LoopIO
    var now = MonotonicClock.now
    /// The turn's number.
    var turn: UInt32 = 0
    /// When the worker wants to be called.
    var deadline: Instant?
    /// When listeners are watched again: the process had no descriptor for another connection.
    var pausedUntil: Instant?
    /// What this turn has to do: datagrams, or other events if these are more.
    var items = 0
    /// Whether a socket gave all that it was asked for, so that it likely has more.
    var isBehind = false
    /// Whether more RTCP may wait than a turn reads: none of it wakes the loop.
    var hasMoreAside = false
    private var counts = ReceiveCounts()

    init(received: consuming ReceiveBatch, out: consuming LoopIO) {
        self.received = received
        self.out = out
    }

    /// When the loop has to go on by itself: now if there is work, nil if nothing can happen.
    var wakeAt: Instant? {
        if hasMoreAside || !out.streams.ready.isEmpty || !out.streams.failures.isEmpty { return now }
        var next = min(deadline?.nanoseconds ?? .max, out.streams.nextDeadline)
        if let pausedUntil { next = min(next, pausedUntil.nanoseconds) }
        return next == .max ? nil : Instant(nanoseconds: next)
    }

    /// Whether a stream's time is over, or listeners have rested enough.
    var hasExpired: Bool {
        out.streams.hasExpired || pausedUntil.map { $0 <= now } ?? false
    }

    /// Sends, and lets go of what was closed.
    mutating func endTurn() {
        out.flush()
        received.reset()
        if out.sockets.hasClosing { out.sockets.freeClosed() }
    }

    /// Has room for another receive.
    @inline(__always)
    mutating func makeRoom() {
        guard received.room == 0 else { return }
        out.flush()
        received.reset()
    }

    /// Keeps the batch's slots until the flush, if something refers to them since there were `before` references.
    @inline(__always)
    mutating func settle(_ before: Int) {
        if out.queue.references != before { received.keep() } else { received.drop() }
    }

    /// Notes what was received.
    @inline(__always)
    mutating func count() {
        let (packets, bytes) = received.sums()
        counts.packets += UInt64(packets)
        counts.bytes += UInt64(bytes)
    }

    mutating func countError() { counts.errors += 1 }

    func watchListeners(_ listeners: [StreamListener], _ core: LoopCore) throws(PacketIOError) {
        for (index, listener) in listeners.enumerated() {
            let token = Token(.listener, index: index, generation: 0)
            let added = pio_epoll_add(core.epoll, listener.descriptor, token.bits, UInt32(PIO_READ))
            guard added == 0 else { throw .cannotStart("epoll entry", code: -added) }
        }
    }

    func unwatchListeners(_ listeners: [StreamListener], _ core: LoopCore) {
        for listener in listeners { _ = pio_epoll_remove(core.epoll, listener.descriptor) }
    }

    /// Once a turn.
    mutating func publish(_ statistics: LoopStatistics) {
        statistics.turns.grow(1)
        if counts.packets | counts.errors > 0 {
            items = max(items, Int(counts.packets))
            statistics.receivedPackets.grow(counts.packets)
            statistics.receivedBytes.grow(counts.bytes)
            statistics.reportedErrors.grow(counts.errors)
            counts = ReceiveCounts()
        }
        if !out.sender.tally.isEmpty {
            out.sender.tally.publish(statistics)
            out.sender.tally = SendTally()
        }
        if !out.streams.tally.isEmpty {
            out.streams.tally.publish(statistics)
            out.streams.tally = StreamTally()
        }
        statistics.sockets.store(out.sockets.count, ordering: .relaxed)
        statistics.streams.store(out.streams.count, ordering: .relaxed)
    }
}

private struct ReceiveCounts {
    var packets: UInt64 = 0
    var bytes: UInt64 = 0
    var errors: UInt64 = 0
}

extension SendTally {
    fileprivate func publish(_ statistics: LoopStatistics) {
        statistics.sentPackets.grow(packets)
        statistics.sentBytes.grow(bytes)
        statistics.sentMessages.grow(messages)
        if bufferFull > 0 { statistics.droppedBufferFull.grow(bufferFull) }
        if refused > 0 { statistics.droppedRefused.grow(refused) }
    }
}

extension StreamTally {
    fileprivate func publish(_ statistics: LoopStatistics) {
        statistics.openedStreams.grow(opened)
        statistics.refusedStreams.grow(refused)
        statistics.failedHandshakes.grow(handshakesFailed)
        statistics.receivedStreamBytes.grow(receivedBytes)
        statistics.sentStreamBytes.grow(sentBytes)
        statistics.droppedBacklog.grow(dropped)
    }
}

extension Atomic<UInt64> {
    /// Adds, where only one thread writes: a load and a store, without the locked bus of an atomic addition.
    @inline(__always)
    fileprivate func grow(_ number: UInt64) {
        store(load(ordering: .relaxed) &+ number, ordering: .relaxed)
    }
}
