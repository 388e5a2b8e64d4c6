import CProcess
import Glibc
import ServiceKit

/// One process under the supervisor: what it is, how it does, and when it is next looked at. Times are monotonic milliseconds.
struct Child {
    enum State: Equatable {
        case waiting
        case starting
        case ready
        case notReady(reason: String)
        case restarting(reason: String)
        case stopping
        case stopped

        var name: String {
            switch self {
            case .waiting, .starting: "starting"
            case .ready: "ready"
            case .notReady: "not ready"
            case .restarting: "restarting"
            case .stopping: "stopping"
            case .stopped: "stopped"
            }
        }

        var reason: String {
            switch self {
            case .notReady(let reason), .restarting(let reason): reason
            default: ""
            }
        }
    }

    let program: Program
    var state = State.waiting
    var pid: pid_t = 0
    var admin = ""
    var restarts = 0
    var startedAt: Int64 = 0
    /// When it may start, or is asked next.
    var due: Int64 = 0
    /// Ends in a row without having lived long.
    var failures = 0
    var wasReady = false
    /// Since when it has not said that it is ready, where it was.
    var silentSince: Int64?

    init(_ program: Program) { self.program = program }

    /// The wait before the next start: at once for a first death (a page must be whole again within 5 s), then longer, so that
    /// what cannot live does not burn the machine.
    var backoff: Int64 { [200, 500, 1000, 2000][max(0, min(failures, 4) - 1)] }

    /// A life this long counts as a good one and forgets earlier failures.
    static let goodLife: Int64 = 10_000

    /// Starts the process with its log as its output; nil, or the error number.
    mutating func start(log: String, now: Int64) -> Int32? {
        let output = unsafe open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard output >= 0 else { return errno }
        defer { close(output) }
        let words = [program.path] + program.arguments
        var argv: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { unsafe argv.forEach { unsafe free($0) } }
        let result = unsafe argv.withUnsafeMutableBufferPointer { words in
            unsafe roost_spawn(program.path, words.baseAddress, environ, output)
        }
        guard result > 0 else { return -result }
        pid = result
        state = .starting
        startedAt = now
        due = now + 50
        admin = ""
        wasReady = false
        silentSince = nil
        return nil
    }

    /// Takes note of its end.
    mutating func ended(status: Int32, now: Int64) {
        pid = 0
        admin = ""
        if now - startedAt >= Self.goodLife && wasReady { failures = 0 }
        failures += 1
        restarts += 1
        state = .restarting(reason: Self.describe(status))
        due = now + backoff
    }

    /// What a wait status says.
    static func describe(_ status: Int32) -> String {
        // The layout of wait(2): the low seven bits are the signal, the next byte the exit code.
        let signal = status & 0x7F
        return signal == 0 ? "ended with code \(status >> 8 & 0xFF)" : "was killed by signal \(signal)"
    }

    var asState: StateFile.Service {
        StateFile.Service(
            id: program.id, kind: program.kind.rawValue, pid: pid, state: state.name, reason: state.reason,
            admin: admin,
            restarts: restarts)
    }
}
