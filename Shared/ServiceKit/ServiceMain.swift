import Bus
import Glibc
import Logging
public import ServiceLifecycle
import UnixSignals

/// The main function of each service: configuration, log, metrics, health, and an orderly life and end.
public enum ServiceMain {
    /// Exit code for a wrong command line or file (`EX_USAGE` of sysexits.h): starting again cannot help.
    public static let usageExitCode: Int32 = 64
    /// What is left of a drain after its time-out is cancelled, and may take this long before the process ends itself.
    private static let cutDuration: Duration = .seconds(2)

    /// Runs a service until SIGTERM or SIGINT, and ends the process.
    ///
    /// `body` gives the parts of the service in the order in which they start; on SIGTERM they drain in reverse, each ending
    /// before the next begins, within `--drain-timeout`; a part that hangs then does not keep the process. A SIGTERM during the
    /// start is kept, and drains what has started. `check` says what is wrong with the configuration before anything is
    /// started, and with `--check` too: the process then ends as for any bad key. A part's `run()` that returns or throws before that ends the service.
    public static func run(
        kind: String, summary: String, keys: [any AnyConfigurationKey] = [],
        check: @escaping @Sendable (ServiceConfiguration) -> [String] = { _ in [] },
        body: @escaping @Sendable (ServiceContext) async throws -> [any Service]
    ) async -> Never {
        await run(
            kind: kind, summary: summary, keys: keys, arguments: Array(CommandLine.arguments.dropFirst()), check: check,
            body: body)
    }

    /// The same with other arguments than the process's own.
    package static func run(
        kind: String, summary: String, keys: [any AnyConfigurationKey] = [], arguments: [String],
        check: @escaping @Sendable (ServiceConfiguration) -> [String] = { _ in [] },
        body: @escaping @Sendable (ServiceContext) async throws -> [any Service]
    ) async -> Never {
        let read: @Sendable () throws(ConfigurationError) -> ServiceCommandLine = { () throws(ConfigurationError) in
            try ServiceCommandLine(
                kind: kind, summary: summary, keys: keys, arguments: arguments, environment: processEnvironment(),
                check: check)
        }
        let command: ServiceCommandLine
        do throws(ConfigurationError) {
            command = try read()
        } catch {
            exit(printing: error.problems.map { named($0, kind) }.joined(separator: "\n"), code: usageExitCode)
        }
        switch command {
        case .print(let text):
            print(text, terminator: "")
            Glibc.exit(0)
        case .run(let configuration):
            do {
                let reread: @Sendable () throws -> ServiceConfiguration = {
                    // The arguments are the same, so it is the same kind of command.
                    if case .run(let fresh) = try read() { fresh } else { configuration }
                }
                try await run(kind: kind, configuration: configuration, reread: reread, body: body)
                Glibc.exit(0)
            } catch {
                exit(printing: named("\(error)", kind), code: 1)
            }
        }
    }

    private static func run(
        kind: String, configuration: ServiceConfiguration,
        reread: @escaping @Sendable () throws -> ServiceConfiguration,
        body: @Sendable (ServiceContext) async throws -> [any Service]
    ) async throws {
        // A peer that closes its end must be an error where it is written to, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        raiseFileLimit()
        // Before anything is there to be left behind.
        let termination = await Termination(
            kind: kind, limit: configuration[CommonKeys.drainTimeout] + cutDuration)
        let id = configuration[CommonKeys.id] ?? "\(kind)-1"
        let runFolder = try RunFolder(preparing: configuration[CommonKeys.runFolder], key: CommonKeys.runFolder.name)
        let processFile = try ProcessFile(
            id, in: runFolder, advice: "Stop it, or give this one another --\(CommonKeys.id.name).")
        let sink: LogSink =
            if let path = configuration[CommonKeys.logFile] { try LogSink(path: path) } else { LogSink() }
        let logger = startLogging(kind: kind, id: id, configuration: configuration, sink: sink)
        let metrics = MetricsRegistry()
        let readiness = Readiness()
        let running = readiness.condition("running", waitingFor: "the service starts")
        let reload = ReloadHooks()
        reload.add("log file") { try sink.reopen() }
        ProcessMetrics.register(in: metrics, kind: kind, id: id)

        let admin = try await AdminServer(
            service: kind, address: configuration[CommonKeys.adminListen], metrics: metrics, readiness: readiness)
        try runFolder.write("\(id).admin", "\(admin.address)\n")
        defer { runFolder.remove("\(id).admin") }

        let given = configuration[CommonKeys.busListen]
        let context = ServiceContext(
            kind: kind, id: id, bootID: randomName(), region: configuration[CommonKeys.region],
            configuration: configuration,
            runFolder: runFolder, busListen: given.isEmpty ? ["unix:\(runFolder.file("\(id).sock"))"] : given,
            logger: logger,
            metrics: metrics, readiness: readiness, reload: reload, reread: reread)
        // From here on: one that comes during the start, or before its service has its turn, is kept.
        let hangUps = await UnixSignalsSequence(trapping: .sighup)
        let parts: [any Service]
        do {
            parts = try await body(context)
        } catch {
            await admin.close()
            throw error
        }
        let timeout = configuration[CommonKeys.drainTimeout]
        let watch = DrainWatch(
            kind: kind, timeout: timeout, cut: cutDuration, running: running, logger: logger,
            started: ["admin": "\(admin.address)", "pid": "\(getpid())", "boot": .string(context.bootID)])
        var group = ServiceGroupConfiguration(
            services: [admin, ReloadOnHangUp(hangUps: hangUps, hooks: reload, logger: logger)] + parts + [watch],
            logger: quiet(logger))
        group.maximumGracefulShutdownDuration = timeout
        let all = ServiceGroup(configuration: group)
        termination.whenAsked { await all.triggerGracefulShutdown() }
        try await all.run()
        logger.info("stopped")
        extendLifetime(processFile)
    }

    /// Shells and systemd give 1,024 for the sake of programs that use `select`; this one has more sockets, and uses none.
    private static func raiseFileLimit() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// A sentence that says who speaks, once.
    private static func named(_ text: String, _ kind: String) -> String {
        text.hasPrefix("\(kind):") ? text : "\(kind): \(text)"
    }

    private static func startLogging(
        kind: String, id: String, configuration: ServiceConfiguration, sink: LogSink
    ) -> Logger {
        let level = Logger.Level(rawValue: configuration[CommonKeys.logLevel].rawValue) ?? .info
        let format = configuration[CommonKeys.logFormat]
        LoggingSystem.bootstrap(
            { label, provider in
                RoostLogHandler(
                    label: label, instance: id, format: format, level: level, sink: sink, metadataProvider: provider)
            }, metadataProvider: CallID.metadataProvider)
        return Logger(label: kind)
    }

    /// The lifecycle package tells every step at info; an operator wants to know start, drain and stop.
    private static func quiet(_ logger: Logger) -> Logger {
        var quiet = logger
        if quiet.logLevel == .info { quiet.logLevel = .warning }
        return quiet
    }

    private static func exit(printing text: String, code: Int32) -> Never {
        LogSink().write(text + "\n")
        Glibc.exit(code)
    }

    /// 16 hexadecimal digits.
    private static func randomName() -> String {
        let text = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}

/// Runs the reload hooks on SIGHUP.
private struct ReloadOnHangUp: Service {
    let hangUps: UnixSignalsSequence
    let hooks: ReloadHooks
    let logger: Logger

    func run() async throws {
        for await _ in hangUps.cancelOnGracefulShutdown() {
            await hooks.runAll(logger: logger)
        }
    }
}

/// Starts last: says that the service stands, from when on SIGTERM drains it. Ends first at a drain: says so at `/readyz`, and ends the process if the others do not end in time.
private struct DrainWatch: Service {
    let kind: String
    let timeout: Duration
    let cut: Duration
    let running: Readiness.Condition
    let logger: Logger
    let started: Logger.Metadata

    func run() async throws {
        running.ready()
        logger.info("started", metadata: started)
        try? await gracefulShutdown()
        running.notReady("draining: SIGTERM came, what is open may end")
        logger.info("draining", metadata: ["timeout": "\(timeout)"])
        Termination.force(kind: kind, after: timeout + cut, logger: logger)
    }
}
