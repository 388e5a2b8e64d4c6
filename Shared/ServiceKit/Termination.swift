import Glibc
import Logging
import Synchronization
import UnixSignals

/// SIGTERM and SIGINT, trapped from the first moment on: one that comes during the start is kept until there is something to
/// drain, instead of ending the process where it stands. SIGHUP, whose default is the same, is for who listens.
final class Termination: Sendable {
    private enum State {
        case quiet
        case asked
        case watched(@Sendable () async -> Void)
    }
    private let kind: String
    private let limit: Duration
    private let state = Mutex(State.quiet)

    /// Traps the signals. `limit`: a start that does not end within it after a signal is ended.
    init(kind: String, limit: Duration) async {
        self.kind = kind
        self.limit = limit
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        // Lives as long as the process, as the signals do.
        Task.detached {
            for await signal in signals where signal != .sighup { await self.ask() }
        }
    }

    /// What to do when a signal comes, or came already.
    func whenAsked(_ action: @escaping @Sendable () async -> Void) {
        let wasAsked = state.withLock { state in
            defer { state = .watched(action) }
            return if case .asked = state { true } else { false }
        }
        if wasAsked { Task.detached { await action() } }
    }

    /// Ends the process after a time, whatever its parts do meanwhile.
    static func force(kind: String, after limit: Duration, logger: Logger?) {
        // Not a child task: it must outlive whoever asks for it, and die with the process.
        Task.detached {
            try? await Task.sleep(for: limit)
            logger?.error("drain did not end in time, ending the process", metadata: ["reason": "\(limit) passed"])
            LogSink().write(
                "\(kind): the drain did not end within \(limit); raise --drain-timeout if calls need longer.\n")
            Glibc.exit(1)
        }
    }

    private func ask() async {
        let (action, isFirst) = state.withLock { state -> ((@Sendable () async -> Void)?, Bool) in
            switch state {
            case .watched(let action): return (action, false)
            case .asked: return (nil, false)
            case .quiet:
                state = .asked
                return (nil, true)
            }
        }
        if isFirst { Self.force(kind: kind, after: limit, logger: nil) }
        await action?()
    }
}
