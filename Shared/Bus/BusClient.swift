public import Logging
import Synchronization
import Time

/// Keeps a connection to the first address that answers, and makes calls on it.
///
/// A call made while there is none waits for one, until its deadline (five seconds where it has none), and is then `unavailable`.
public final class BusClient: BusCaller, Sendable {
    /// Shortest and longest wait between rounds over the addresses; each is drawn up to half shorter, so that a fleet does not
    /// come back in step.
    private static let backoff: (first: Interval, last: Interval) = (.milliseconds(20), .seconds(1))
    /// Time for a peer's hello: it is the first thing that it sends.
    private static let helloTimeout: Interval = .seconds(2)
    private static let patience: Interval = .seconds(5)

    private struct State {
        var connection: BusConnection?
        var waiting: [WaitCell] = []
        var lastFailure = "not tried yet"
        var isOver = false
    }

    private let addresses: [BusAddress]
    private let name: String
    private let router: BusRouter
    private let limits: WireLimits
    private let logger: Logger
    private let state = Mutex(State())

    /// A client that connects once `run` is called. `router` answers what the peer calls back.
    public convenience init(addresses: [BusAddress], router: BusRouter = .init(), name: String = "", logger: Logger) {
        self.init(addresses: addresses, router: router, name: name, limits: WireLimits(), logger: logger)
    }

    package init(
        addresses: [BusAddress], router: BusRouter = .init(), name: String = "", limits: WireLimits, logger: Logger
    ) {
        self.limits = limits
        self.addresses = addresses
        self.name = name
        self.router = router
        self.logger = logger
    }

    /// Calls that wait for a connection.
    package var waitingCalls: Int { state.withLock { $0.waiting.count } }

    /// Whether a call would go out now.
    public var isConnected: Bool { state.withLock { $0.connection?.isUsable ?? false } }

    /// Keeps connected until the task is cancelled.
    public func run() async throws {
        var pause = BusClient.backoff.first
        while !Task.isCancelled {
            for address in addresses where !Task.isCancelled {
                guard let connection = await connect(to: address) else { continue }
                pause = BusClient.backoff.first
                logger.debug("bus connected", metadata: ["address": "\(address)"])
                await connection.unusable.wait()
                state.withLock { $0.connection = nil }
                if Task.isCancelled {
                    connection.close(BusStatus(.cancelled, "the client ended"))
                } else {
                    logger.debug("bus connection lost", metadata: ["address": "\(address)"])
                }
            }
            let jitter = Interval(nanoseconds: Int64.random(in: pause.nanoseconds / 2...pause.nanoseconds))
            try? await Task.sleep(for: jitter.duration)
            pause = min(pause * 2, BusClient.backoff.last)
        }
        let waiting = state.withLock { state -> [WaitCell] in
            state.isOver = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for cell in waiting { cell.fire() }
    }

    private func connect(to address: BusAddress) async -> BusConnection? {
        let connection: BusConnection
        do throws(SocketError) {
            switch address {
            case .unix(let path):
                connection = try BusConnection(
                    transport: try UnixSocket.connect(path: path), side: .connecting, name: name, router: router,
                    limits: limits, logger: logger)
            }
        } catch {
            state.withLock { $0.lastFailure = error.description }
            return nil
        }
        connection.start()
        await connection.ready.wait(atMost: BusClient.helloTimeout)
        guard !Task.isCancelled, connection.state.withLock({ $0.end == nil && $0.machine.peer != nil }) else {
            connection.close(BusStatus(.unavailable, "no hello"))
            state.withLock { $0.lastFailure = "\(address) says no hello" }
            return nil
        }
        let waiting = state.withLock { state -> [WaitCell] in
            state.connection = connection
            defer { state.waiting = [] }
            return state.waiting
        }
        for cell in waiting { cell.fire() }
        return connection
    }

    /// Opens a call on the connection, waiting for one where there is none.
    public func open(_ method: String, options: CallOptions) async throws(BusStatus) -> BusStream {
        let start = MonotonicClock.now
        let deadline = start + (options.timeout ?? BusClient.patience)
        while true {
            let now = MonotonicClock.now
            let mayWait = now < deadline && !Task.isCancelled
            let (connection, cell, failure) = state.withLock { state -> (BusConnection?, WaitCell?, String) in
                if let connection = state.connection, connection.isUsable { return (connection, nil, "") }
                if state.isOver { return (nil, nil, "the client ended") }
                guard mayWait else { return (nil, nil, state.lastFailure) }
                let cell = WaitCell()
                state.waiting.append(cell)
                return (nil, cell, state.lastFailure)
            }
            if let connection {
                var options = options
                options.timeout = options.timeout.map { $0 - (now - start) }
                do throws(BusStatus) {
                    return try connection.openNow(method, options: options)
                } catch  where error.code == .unavailable && connection.isUsable == false && now < deadline {
                    continue
                }
            }
            guard let cell else {
                throw BusStatus(
                    Task.isCancelled ? .cancelled : .unavailable, "\(method) reached nobody: \(failure)")
            }
            await cell.wait(atMost: deadline - now)
            // Where it was not the connection that fired it, it still stands there.
            state.withLock { $0.waiting.removeAll { $0 === cell } }
        }
    }
}

extension WaitCell {
    /// Returns once fired, when the task is cancelled, or after a time; it counts as fired from then on.
    func wait(atMost limit: Interval) async {
        let timer = Task {
            try? await Task.sleep(for: limit.duration)
            if !Task.isCancelled { fire() }
        }
        await wait()
        timer.cancel()
    }
}
