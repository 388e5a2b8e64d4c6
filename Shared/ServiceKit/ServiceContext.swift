public import Logging
import Synchronization

/// What a service's body is given.
public struct ServiceContext: Sendable {
    /// The kind of service: `registry`, `sfu-node`, `signal`, `turn`.
    public let kind: String
    /// The instance's name, such as `registry-1`.
    public let id: String
    /// Drawn at each start: tells two lives of one instance apart.
    public let bootID: String
    /// Where the instance stands.
    public let region: String
    /// The values of all keys, common ones included.
    public let configuration: ServiceConfiguration
    /// Sockets, process files, made certificates.
    public let runFolder: RunFolder
    /// Bus addresses to listen on, for `BusAddress(parsing:)`.
    public let busListen: [String]
    /// The service's logger.
    public let logger: Logger
    /// The service's metrics, served at `/metrics`.
    public let metrics: MetricsRegistry
    /// The service's conditions, served at `/readyz`.
    public let readiness: Readiness
    /// What to do on SIGHUP.
    public let reload: ReloadHooks
    /// Reads the values of all keys anew, for SIGHUP: the file of `--config` may have changed since. Throws where a fresh start
    /// would.
    public let reread: @Sendable () throws -> ServiceConfiguration
}

/// What SIGHUP does, in the order it was added: the log file first, then what services add (certificates).
public final class ReloadHooks: Sendable {
    typealias Hook = (name: String, run: @Sendable () async throws -> Void)
    private let hooks = Mutex<[Hook]>([])

    init() {}

    /// Adds a hook; a failing one is logged as a warning with its name, and the old state stays in use.
    public func add(_ name: String, _ hook: @escaping @Sendable () async throws -> Void) {
        hooks.withLock { $0.append((name, hook)) }
    }

    func runAll(logger: Logger) async {
        for (name, run) in hooks.withLock({ $0 }) {
            do {
                try await run()
                logger.info("reloaded", metadata: ["what": .string(name)])
            } catch {
                logger.warning(
                    "cannot reload, the old state stays in use",
                    metadata: ["what": .string(name), "reason": "\(error)"])
            }
        }
    }
}
