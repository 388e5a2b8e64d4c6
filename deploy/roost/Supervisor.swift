import Glibc
import ServiceKit

/// Runs the processes of a plan: starts them in order, restarts what dies, ends them in reverse order.
///
/// One thread does it all, without a task: the kernel ends the processes when the thread that started them ends, so that thread
/// must be the main one.
struct Supervisor {
    static let takenAdvice = "Stop that roost up first, or give this one another --run-dir and other ports."
    /// The services' drain time-out (3 s), their cut (2 s), and a little.
    private static let stopPatience: Int64 = 6000
    /// How often a process that is ready is asked whether it still is.
    private static let probeInterval: Int64 = 1000
    /// How often one that is not ready is asked.
    private static let startProbeInterval: Int64 = 100
    /// How long one that was ready may be silent before that is said: a busy machine is no failure.
    private static let silencePatience: Int64 = 2000
    /// How long a start waits that a full disk, say, did not let happen.
    private static let unwritableWait: Int64 = 1000
    /// Starts without getting ready before the first run is given up: a wrong setting does not mend itself.
    private static let startAttempts = 3

    private let plan: Plan
    private let folder: RunFolder
    private var children: [Child]
    private var isUp = false
    private var written: StateFile?
    /// What was said last of a disk that cannot be written: once, not at each turn.
    private var complaint = ""
    private let signals: SignalInbox
    /// As it was at the start: a closed terminal no longer counts as one.
    private let hasTerminal = isatty(STDOUT_FILENO) == 1

    /// Runs until SIGINT or SIGTERM.
    static func run(_ plan: Plan) throws(ServiceFailure) {
        // Before anything else: a signal that comes early must end what was started.
        let signals = SignalInbox()
        let folder = try RunFolder(preparing: plan.runPath, key: "run-dir")
        let lock = try ProcessFile("roost", in: folder, advice: takenAdvice)
        if plan.socketPath != plan.runPath { try RunFolder(preparing: plan.socketPath, key: "run-dir").checkIsOwn() }
        try makeSecret(plan, in: folder)
        var supervisor = Supervisor(plan: plan, folder: folder, signals: signals)
        supervisor.removeLeftovers()
        defer { supervisor.stopAll() }
        try supervisor.loop()
        extendLifetime(lock)
    }

    /// One that is there stays: an operator may be rotating it.
    private static func makeSecret(_ plan: Plan, in folder: RunFolder) throws(ServiceFailure) {
        guard !isAccessible(plan.secretPath, F_OK) else { return }
        // From the kernel's generator: 32 digits of 36 are 165 bits.
        let secret = String((0..<32).compactMap { _ in "0123456789abcdefghijklmnopqrstuvwxyz".randomElement() })
        try folder.write(Plan.secretName, secret + "\n")
    }

    private init(plan: Plan, folder: RunFolder, signals: SignalInbox) {
        self.plan = plan
        self.folder = folder
        self.signals = signals
        children = plan.programs.map { Child($0) }
    }

    /// A crashed run leaves sockets, admin addresses and logs; we hold the folder's lock, so nobody uses them.
    private func removeLeftovers() {
        for program in plan.programs {
            unsafe unlink("\(plan.socketPath)/\(program.id).sock")
            folder.remove("\(program.id).admin")
            folder.remove("\(program.id).log")
        }
    }

    private mutating func loop() throws(ServiceFailure) {
        print("Starting \(children.count) processes, run folder \(plan.runPath)")
        while true {
            let now = monotonicMilliseconds()
            reap(now)
            try startDue(now)
            probeDue(now)
            announceUp()
            do throws(ServiceFailure) {
                try writeState()
                complaint = ""
            } catch {
                try bear(error)
            }
            let next = children.map(\.due).min() ?? now + Self.probeInterval
            switch signals.wait(milliseconds: max(1, min(next - monotonicMilliseconds(), Self.probeInterval))) {
            case SIGINT, SIGTERM: return
            // From a closed terminal it means the end; otherwise it is for the services, which open their logs anew.
            case SIGHUP where hasTerminal: return
            case SIGHUP:
                for child in children where child.pid > 0 && child.program.kind != .redis { kill(child.pid, SIGHUP) }
            default: break
            }
        }
    }

    private mutating func reap(_ now: Int64) {
        var status: Int32 = 0
        while true {
            let pid = unsafe waitpid(-1, &status, WNOHANG)
            guard pid > 0 else { return }
            guard let index = children.firstIndex(where: { $0.pid == pid }) else { continue }
            children[index].ended(status: status, now: now)
            folder.remove("\(children[index].program.id).admin")
            show(children[index])
        }
    }

    private mutating func startDue(_ now: Int64) throws(ServiceFailure) {
        for index in children.indices where children[index].pid == 0 && children[index].due <= now {
            let child = children[index]
            let program = child.program
            if !isUp, child.failures >= Self.startAttempts || child.state.reason == "ended with code 64" {
                throw ServiceFailure(
                    "\(program.id) does not start: it \(child.state.reason). Its log, \(log(of: program)), ends:\n"
                        + (lastLines(of: log(of: program))))
            }
            // The first start waits for Redis: the others would only log that it is not there.
            if !isUp, program.kind != .redis,
                children.contains(where: { $0.program.kind == .redis && $0.state != .ready })
            {
                children[index].due = now + 20
                continue
            }
            if let number = children[index].start(log: log(of: program), now: now) {
                try bear(ServiceFailure("cannot start \(program.path): \(errorText(number)). Is the disk full?"))
                children[index].due = now + Self.unwritableWait
            }
        }
    }

    /// A failure of the first start ends it. Once all is up, calls go on: it is said, and tried again.
    private mutating func bear(_ failure: ServiceFailure) throws(ServiceFailure) {
        guard isUp else { throw failure }
        guard complaint != "\(failure)" else { return }
        complaint = "\(failure)"
        print("  \(failure)")
        flush()
    }

    private mutating func probeDue(_ now: Int64) {
        for index in children.indices where children[index].pid > 0 && children[index].due <= now {
            let before = children[index].state
            let answer = probe(&children[index])
            let done = monotonicMilliseconds()
            switch answer {
            case .ready:
                children[index].state = .ready
                children[index].wasReady = true
                children[index].silentSince = nil
                children[index].due = done + Self.probeInterval
                if done - children[index].startedAt >= Child.goodLife { children[index].failures = 0 }
            case .notReady(let reason):
                children[index].due = done + Self.startProbeInterval
                guard children[index].wasReady else {
                    children[index].state = .starting
                    remindOfSlowStart(children[index], reason, done)
                    break
                }
                let since = children[index].silentSince ?? done
                children[index].silentSince = since
                if done - since >= Self.silencePatience { children[index].state = .notReady(reason: reason) }
            }
            if before.name != children[index].state.name { show(children[index]) }
        }
    }

    private func probe(_ child: inout Child) -> Probe.Answer {
        if child.program.kind == .redis { return Probe.redis(socket: "\(plan.socketPath)/redis.sock") }
        if child.admin.isEmpty {
            child.admin = (readFile(folder.file("\(child.program.id).admin")) ?? "").filter { !$0.isWhitespace }
        }
        guard let address = try? HostPort(parsing: child.admin) else {
            return .notReady(reason: "it has not written its admin address yet")
        }
        return Probe.service(admin: address)
    }

    /// Every 5 s of a start that takes long, says what it waits for.
    private func remindOfSlowStart(_ child: Child, _ reason: String, _ now: Int64) {
        let age = now - child.startedAt
        if age / 5000 != (age - Self.startProbeInterval) / 5000, age >= 5000 {
            print("  \(child.program.id.filled(to: 12)) waits      \(reason) (log: \(log(of: child.program)))")
        }
    }

    private mutating func announceUp() {
        guard !isUp, children.allSatisfy({ $0.state == .ready }) else { return }
        isUp = true
        print("\nRoost is up: \(plan.url)")
        print(
            "From other devices: \(plan.secureURL)\(plan.hasCertificate ? "" : " (its certificate is self-made: accept it once)"). "
                + "Ctrl-C ends everything.\n"
        )
        flush()
    }

    private mutating func writeState() throws(ServiceFailure) {
        let state = StateFile(url: plan.url, services: children.map(\.asState))
        guard state != written else { return }
        try state.write(to: folder)
        written = state
    }

    private func show(_ child: Child) {
        let pid = child.pid > 0 ? "pid \(child.pid)" : child.state.reason
        let note = child.state == .notReady(reason: child.state.reason) ? ": \(child.state.reason)" : ""
        print("  \(child.program.id.filled(to: 12)) \(child.state.name.filled(to: 10)) \(pid)\(note)")
        flush()
    }

    private func log(of program: Program) -> String { folder.file("\(program.id).log") }

    /// The last lines of a log, indented.
    private func lastLines(of path: String) -> String {
        let lines = (readFile(path) ?? "").split(separator: "\n").suffix(8)
        return lines.isEmpty ? "    (empty)" : lines.map { "    \($0)" }.joined(separator: "\n")
    }

    private mutating func stopAll() {
        print("\nEnding everything")
        flush()
        var isHurried = false
        for kind in Kind.allCases.reversed() {
            let deadline = monotonicMilliseconds() + Self.stopPatience
            for index in children.indices where children[index].program.kind == kind {
                if children[index].pid > 0 {
                    kill(children[index].pid, SIGTERM)
                    children[index].state = .stopping
                } else {
                    children[index].state = .stopped
                }
            }
            try? writeState()
            while children.contains(where: { $0.program.kind == kind && $0.pid > 0 }) {
                if isHurried || monotonicMilliseconds() > deadline {
                    for child in children where child.program.kind == kind && child.pid > 0 { kill(child.pid, SIGKILL) }
                }
                // Only a second Ctrl-C hurries: a SIGTERM often comes twice, to the process and to its group.
                if signals.wait(milliseconds: 50) == SIGINT { isHurried = true }
                reapAtEnd()
            }
        }
        try? writeState()
        removeSockets()
    }

    private mutating func reapAtEnd() {
        var status: Int32 = 0
        while true {
            let pid = unsafe waitpid(-1, &status, WNOHANG)
            guard pid > 0 else { return }
            guard let index = children.firstIndex(where: { $0.pid == pid }) else { continue }
            children[index].pid = 0
            children[index].admin = ""
            children[index].state = .stopped
            print("  \(children[index].program.id.filled(to: 12)) stopped    \(Child.describe(status))")
            flush()
        }
    }

    private func removeSockets() {
        for program in plan.programs { unsafe unlink("\(plan.socketPath)/\(program.id).sock") }
        if plan.socketPath != plan.runPath { unsafe rmdir(plan.socketPath) }
    }

    /// Standard output may be a pipe, which is buffered: whoever waits for the URL must see it.
    private func flush() { fflush(nil) }
}

/// Milliseconds that never go back.
func monotonicMilliseconds() -> Int64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
}

/// Takes SIGINT, SIGTERM, SIGHUP and SIGCHLD where the program waits, instead of interrupting it anywhere.
struct SignalInbox {
    private var set = sigset_t()

    init() {
        unsafe sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP, SIGCHLD] { unsafe sigaddset(&set, number) }
        unsafe sigprocmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// The signal that came within this time; nil if none did.
    func wait(milliseconds: Int64) -> Int32? {
        var set = set
        var limit = timespec(tv_sec: Int(milliseconds / 1000), tv_nsec: Int(milliseconds % 1000) * 1_000_000)
        let number = unsafe sigtimedwait(&set, nil, &limit)
        return number > 0 ? number : nil
    }
}
