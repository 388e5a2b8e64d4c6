import Glibc
public import Logging
import Synchronization
import Time

/// Listens, and answers calls.
public final class BusServer: Sendable {
    /// Each connection has a thread. A cluster's services on one host are fewer than this by far.
    private static let connectionLimit = 512
    /// Microseconds until it is looked again whether a descriptor is free.
    private static let pauseWhenFull: UInt32 = 100_000

    private struct State {
        var connections: [ObjectIdentifier: BusConnection] = [:]
        var listeners: [UnixListener] = []
        var isDraining = false
    }

    private let addresses: [BusAddress]
    private let name: String
    private let router: BusRouter
    private let limits: WireLimits
    private let logger: Logger
    private let state = Mutex(State())
    /// Without one, where no descriptor was left, the end is seen at the next look.
    private let waker = try? Waker()
    private let drained = WaitCell()

    /// A server that listens once `run` is called; `name` is told to peers.
    public convenience init(addresses: [BusAddress], router: BusRouter, name: String = "", logger: Logger) {
        self.init(addresses: addresses, router: router, name: name, limits: WireLimits(), logger: logger)
    }

    package init(addresses: [BusAddress], router: BusRouter, name: String = "", limits: WireLimits, logger: Logger) {
        self.addresses = addresses
        self.name = name
        self.router = router
        self.limits = limits
        self.logger = logger
    }

    /// Binds all addresses; `run` does it where it was not done before. Throws what the system says, with what to do.
    public func bind() throws {
        guard state.withLock({ $0.listeners.isEmpty && !$0.isDraining }) else { return }
        var listeners: [UnixListener] = []
        do {
            for case .unix(let path) in addresses { listeners.append(try UnixListener(path: path)) }
        } catch {
            for listener in listeners { listener.stop() }
            throw error
        }
        state.withLock { $0.listeners = listeners }
    }

    /// Serves until the task is cancelled, or `drain` is done.
    public func run() async throws {
        try bind()
        let listeners = state.withLock { $0.listeners }
        for listener in listeners {
            guard startThread({ self.accept(listener) }) else {
                throw BusStatus(.resourceExhausted, "no thread is left to listen on unix:\(listener.path)")
            }
        }
        await drained.wait()
        stop(BusStatus(.unavailable, "the server ended"))
    }

    /// Accepts no more, lets open calls end, and then ends `run`. Whoever has no time left cancels `run`.
    public func drain() async {
        let connections = state.withLock { state -> [BusConnection] in
            state.isDraining = true
            for listener in state.listeners { listener.stop() }
            return Array(state.connections.values)
        }
        waker?.wake()
        for connection in connections { connection.goAway(reason: "the service restarts") }
        for connection in connections where !Task.isCancelled { await connection.waitClosed() }
        drained.fire()
    }

    private func stop(_ status: BusStatus) {
        let (listeners, connections) = state.withLock { state -> ([UnixListener], [BusConnection]) in
            state.isDraining = true
            defer {
                state.listeners = []
                state.connections = [:]
            }
            return (state.listeners, Array(state.connections.values))
        }
        for listener in listeners { listener.stop() }
        waker?.wake()
        for connection in connections { connection.close(status) }
    }

    private func accept(_ listener: UnixListener) {
        var saidFull = false
        while !state.withLock({ $0.isDraining }) {
            var polled: [2 of pollfd] = [
                pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: waker?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            ]
            _ = unsafe withUnsafeMutableBytes(of: &polled) { bytes in
                unsafe poll(bytes.assumingMemoryBound(to: pollfd.self).baseAddress, 2, 1000)
            }
            do throws(SocketError) {
                while let socket = try listener.accept() { try admit(socket) }
                saidFull = false
            } catch {
                // Who waits goes on waiting, and would be found there at once again.
                if !saidFull { logger.error("a bus connection has to wait", metadata: ["reason": "\(error)"]) }
                saidFull = true
                usleep(BusServer.pauseWhenFull)
            }
        }
    }

    private func admit(_ socket: UnixSocket) throws(SocketError) {
        // The file's permissions say the same; this also holds where somebody loosened them.
        guard let user = socket.peer.userID, user == geteuid() || user == 0 else {
            logger.warning("refused a bus connection of another user", metadata: ["peer": "\(socket.peer)"])
            return
        }
        let connection = try BusConnection(
            transport: socket, side: .accepting, name: name, router: router, limits: limits, logger: logger)
        let isAdmitted = state.withLock { state -> Bool in
            guard !state.isDraining, state.connections.count < BusServer.connectionLimit else { return false }
            state.connections[ObjectIdentifier(connection)] = connection
            return true
        }
        guard isAdmitted else {
            socket.shutdown()
            return
        }
        connection.whenClosed { [weak self] in
            self?.state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(connection)) }
        }
        connection.start()
    }
}
