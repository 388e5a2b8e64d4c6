import Glibc
import Synchronization
package import Time

/// Callers that wait for their answers.
extension BusConnection {
    /// Longest that a caller's thread waits on the socket before its task is suspended. Beyond the kernel's tick (4 ms at 250 Hz): a
    /// sooner timer is set and taken back in hardware for each wait, which costs more on a virtual machine than the wait itself.
    private static let waitLimit: Interval = .milliseconds(5)

    /// The bytes of the only answer to a call of ours.
    ///
    /// Where nobody else waits for one, and this method's answers come soon, the caller's own thread waits and reads: woken once, it
    /// has the answer, where the connection's thread would have to wake it in turn.
    func answer(_ inbound: InboundQueue, to method: String) async throws(BusStatus) -> [UInt8]? {
        guard hasCallers else { return try await inbound.next() }
        let mayWait = state.withLock { state -> Bool in
            state.answersAwaited += 1
            guard state.answersAwaited == 1 else { return false }
            state.callerWaits = state.patience.mayWait(for: method)
            return state.callerWaits
        }
        let start = MonotonicClock.now
        if mayWait { waitAsCaller(inbound, since: start) }
        defer {
            let took = MonotonicClock.now - start
            state.withLock { state in
                state.answersAwaited -= 1
                state.patience.record(took, of: method)
            }
        }
        return try await inbound.next()
    }

    private func waitAsCaller(_ inbound: InboundQueue, since start: Instant) {
        defer { state.withLock { $0.callerWaits = false } }
        guard isOnPool() else { return }
        var now = start
        while !inbound.isReady {
            let left = start + BusConnection.waitLimit - now
            guard left > .zero else { return }
            switch watch.waitAsCaller(atMost: left) {
            case .nothing: return
            case .woken: break
            case .bytes:
                guard readAsCaller() else { return watch.wakeThread() }
            }
            now = MonotonicClock.now
        }
    }

    /// Whether the thread is one of the pool's, of which there are others: not a connection's, where a handler that calls on
    /// would hold up all that comes, nor of an executor that somebody prefers.
    private func isOnPool() -> Bool {
        unsafe !isConnectionThread() && withUnsafeCurrentTask { task in unsafe task?.unownedTaskExecutor == nil }
    }
}

/// Whether it is worth to keep a thread waiting for an answer, by method: it is where those before came soon.
///
/// So a method whose answers are always slow keeps no thread, and one whose answers are slow now and then keeps one for at most one
/// answer in nine calls.
package struct AnswerPatience: Sendable {
    /// Several round trips to a handler that answers at once, on a busy machine.
    package static let soon: Interval = .microseconds(300)
    /// Answers that come soon, after a slow one, before a call waits again.
    private static let passesAfterSlow = 8
    /// As many after many slow ones, so that a method that was slow for long is not so for ever.
    private static let mostPasses = 64
    /// Methods remembered; a program calls a few dozen.
    private static let methodLimit = 256

    /// Answers that must come soon yet, by method; none is known of a method that was not called.
    private var passes: [String: Int] = [:]

    package init() {}

    /// Whether the next call waits.
    package func mayWait(for method: String) -> Bool { passes[method] == 0 }

    /// An answer took so long, waited for or not.
    package mutating func record(_ took: Interval, of method: String) {
        guard let before = passes[method] else {
            if passes.count < AnswerPatience.methodLimit { passes[method] = 1 }
            return
        }
        if took > AnswerPatience.soon {
            passes[method] = min(before + AnswerPatience.passesAfterSlow, AnswerPatience.mostPasses)
        } else if before > 0 {
            passes[method] = before - 1
        }
    }
}
