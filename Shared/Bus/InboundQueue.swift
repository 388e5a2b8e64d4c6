import Synchronization

/// The messages of one direction of a stream that wait to be read, and its end. One reader.
package final class InboundQueue: Sendable {
    private struct State {
        var messages: [[UInt8]] = []
        var head = 0
        var owed = 0
        var end: BusStatus?
        var cancelled = false
        var waiter: CheckedContinuation<Void, Never>?

        var isReady: Bool { head < messages.count || end != nil || cancelled }

        mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
            defer { waiter = nil }
            return waiter
        }
    }

    private enum Step {
        case message([UInt8], grant: Int)
        case end(BusStatus)
        case cancelled
        case wait
    }

    private let state = Mutex(State())
    private let connection: BusConnection
    private let id: UInt64

    /// The queue of a stream of a connection, which is told of what was read. The connection forgets its queues at its end, so that
    /// holding each other does not outlive it; a weak reference would make all counting of it slow.
    init(connection: BusConnection, id: UInt64) {
        self.connection = connection
        self.id = id
    }

    /// Whether `next` would return at once.
    var isReady: Bool { state.withLock { $0.isReady } }

    func add(_ message: [UInt8]) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.end == nil else { return nil }
            state.messages.append(message)
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    /// No message follows. Those that came before can still be read.
    func finish(_ status: BusStatus) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if state.end == nil { state.end = status }
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    /// The next message; nil at a good end. Throws the bad one, and `cancelled` where the reading task is.
    func next() async throws(BusStatus) -> [UInt8]? {
        while true {
            switch state.withLock({ step(&$0) }) {
            case .message(let message, let bytes):
                if bytes > 0 { connection.consumed(bytes, on: id) }
                return message
            case .end(let status):
                guard status.code == .ok else { throw status }
                return nil
            case .cancelled:
                throw BusStatus(.cancelled, "the task that reads was cancelled")
            case .wait:
                await wait()
            }
        }
    }

    private func step(_ state: inout State) -> Step {
        if state.cancelled { return .cancelled }
        guard state.head < state.messages.count else {
            return if let end = state.end { .end(end) } else { .wait }
        }
        let message = state.messages[state.head]
        state.messages[state.head] = []
        state.head += 1
        if state.head == state.messages.count {
            state.messages.removeAll(keepingCapacity: state.head < 64)
            state.head = 0
        }
        state.owed += message.count
        // Credit goes back in halves: few frames, and never a stall of a steady reader.
        guard state.owed >= connection.limits.streamCredit / 2 else { return .message(message, grant: 0) }
        defer { state.owed = 0 }
        return .message(message, grant: state.owed)
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready = state.withLock { state -> Bool in
                    if state.isReady { return true }
                    precondition(state.waiter == nil, "two tasks read one bus stream")
                    state.waiter = continuation
                    return false
                }
                if ready { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
                state.cancelled = true
                return state.takeWaiter()
            }
            waiter?.resume()
        }
    }
}

/// Something to wait for once; fired before or after.
final class WaitCell: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Void, Never>)
        case fired
    }

    private let state = Mutex(State.idle)

    func fire() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            defer { state = .fired }
            return if case .waiting(let continuation) = state { continuation } else { nil }
        }
        waiter?.resume()
    }

    /// Returns once fired, or when the task is cancelled.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let fired = state.withLock { state -> Bool in
                    if case .fired = state { return true }
                    state = .waiting(continuation)
                    return false
                }
                if fired { continuation.resume() }
            }
        } onCancel: {
            fire()
        }
    }
}
