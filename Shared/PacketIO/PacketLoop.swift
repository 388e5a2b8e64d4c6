internal import CPacketIO
internal import Synchronization
internal import Time

/// A worker and its sockets on the loop's thread: waits, runs jobs, receives, handles, sends.
///
/// A turn enters the actor once, however many datagrams there are, as entering costs as much as handling several of them.
final class PacketLoop<Worker: PacketWorker>: Sendable {
    private let worker: Worker
    private let core: LoopCore
    private let sockets: [UDPSocket]
    private let executor: LoopIdentity
    private let isStopping = Atomic<Bool>(false)

    init(worker: Worker, core: LoopCore, sockets: [UDPSocket], executor: LoopIdentity) {
        self.worker = worker
        self.core = core
        self.sockets = sockets
        self.executor = executor
    }

    /// Makes `run` return soon. From any thread.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        core.wake()
    }

    /// Works until `stop`. On the loop's thread only.
    func run() -> Result<Void, PacketIOError> {
        var watched = 0
        defer { for socket in sockets[..<watched] { _ = pio_epoll_remove(core.epoll, socket.descriptor) } }
        for (index, socket) in sockets.enumerated() {
            let result = pio_epoll_add(core.epoll, socket.descriptor, UInt64(index))
            guard result >= 0 else { return .failure(.cannotStart("epoll entry", code: -result)) }
            watched += 1
        }

        var turn = LoopTurn()
        var received = ReceiveBatch()
        var out = SendBatch(descriptors: sockets.map(\.descriptor))
        var deadline = worker.assumeIsolated { $0.nextDeadline }
        while !isStopping.load(ordering: .acquiring) {
            turn.wait(core, timeout: timeout(until: deadline))
            turn.runJobs(core, executor)
            deadline = handle(turn, &received, &out)
            out.flush()
            publish(&out)
        }
        return .success(())
    }

    /// Nanoseconds to wait: none if there is work, -1 for ever.
    private func timeout(until deadline: Instant?) -> Int64 {
        if core.hasJobs { return 0 }
        guard let deadline else { return -1 }
        return max(0, (deadline - MonotonicClock.now).nanoseconds)
    }

    /// The packets and the deadline of a turn. Returns the next deadline.
    private func handle(_ turn: borrowing LoopTurn, _ received: inout ReceiveBatch, _ out: inout SendBatch) -> Instant?
    {
        let now = MonotonicClock.now
        return worker.assumeIsolated { worker in
            for index in 0..<turn.tokenCount where turn.tokens[index] != LoopCore.mailboxToken {
                let socket = Int(turn.tokens[index])
                // One batch a socket and turn, so that a flood on one does not starve the others: epoll tells again.
                guard received.fill(from: sockets[socket].descriptor, socket: socket) else { continue }
                count(received)
                worker.receive(&received, out: &out, now: now)
            }
            if let due = worker.nextDeadline, due <= now { worker.timeout(out: &out, now: now) }
            return worker.nextDeadline
        }
    }

    private func count(_ received: borrowing ReceiveBatch) {
        var bytes = 0
        for index in 0..<received.count { bytes += received.bytes(index).byteCount }
        core.statistics.receivedPackets.add(UInt64(received.count), ordering: .relaxed)
        core.statistics.receivedBytes.add(UInt64(bytes), ordering: .relaxed)
    }

    private func publish(_ out: inout SendBatch) {
        let statistics = core.statistics
        statistics.turns.add(1, ordering: .relaxed)
        guard !out.tally.isEmpty else { return }
        statistics.sentPackets.add(out.tally.packets, ordering: .relaxed)
        statistics.sentBytes.add(out.tally.bytes, ordering: .relaxed)
        statistics.droppedBufferFull.add(out.tally.bufferFull, ordering: .relaxed)
        statistics.droppedRefused.add(out.tally.refused, ordering: .relaxed)
        out.tally = SendTally()
    }
}
