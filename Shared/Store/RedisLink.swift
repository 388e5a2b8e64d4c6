import Logging
import NIOCore
import Synchronization

/// One connection to Redis that comes back by itself. Calls made while it is away wait for it, up to a bound.
final class RedisLink: Sendable {
    private enum Phase {
        case away(reason: String, waiting: [UInt64: RedisCall])
        case up(any Channel)
        case closed
    }
    private struct State {
        var phase = Phase.away(reason: "not connected yet", waiting: [:])
        var nextWaiter: UInt64 = 0
        var saidAway = false
    }

    /// Calls that wait for a connection. Beyond, an outage would only pile up work that nobody waits for any more.
    static let mostWaiting = 1_000
    /// Waits between attempts: doubled from the first to the last, each shortened by up to half at random, so that
    /// services do not come back in step. The last keeps the way back after an outage under a second.
    static let firstWait = 0.02
    static let lastWait = 0.5

    private let connector: RedisConnector
    private let logger: Logger
    private let whenUp: @Sendable (any Channel) -> Void
    private let state = Mutex(State())

    init(connector: RedisConnector, logger: Logger, whenUp: @escaping @Sendable (any Channel) -> Void) {
        self.connector = connector
        self.logger = logger
        self.whenUp = whenUp
    }

    var isUp: Bool { state.withLock { if case .up = $0.phase { true } else { false } } }

    /// Why there is no connection; nil while there is one.
    var reason: String? {
        state.withLock { state in
            switch state.phase {
            case .away(let reason, _): reason
            case .up: nil
            case .closed: "shut down"
            }
        }
    }

    /// Sends a command once there is a connection, and waits for its answer until the deadline.
    func send(_ words: [RedisArgument], within time: TimeAmount) async throws(StoreError) -> RedisValue {
        let promise = connector.loop.makePromise(of: RedisValue.self)
        let call = RedisCall(words: words, promise: promise)
        let timer = connector.loop.scheduleTask(in: time) { [self] in
            call.fail(reason.map { .unavailable(reason: $0) } ?? .timedOut)
        }
        defer { timer.cancel() }
        let number = submit(call)
        do {
            return try await promise.futureResult.get()
        } catch {
            forget(number)
            throw error as? StoreError ?? .connectionLost(reason: "\(error)")
        }
    }

    /// Sends a command whose answer comes otherwise, if there is a connection.
    func post(_ words: [RedisArgument]) {
        state.withLock { state in
            guard case .up(let channel) = state.phase else { return }
            // By the loop's queue, also from the loop's own thread: what is posted first is written first.
            channel.eventLoop.execute { channel.writeAndFlush(RedisCall(words: words, promise: nil), promise: nil) }
        }
    }

    /// Keeps the connection until cancelled.
    func run() async {
        await withTaskCancellationHandler {
            var wait = Self.firstWait
            while !Task.isCancelled {
                do {
                    let channel = try await connector.connect()
                    wait = Self.firstWait
                    if goUp(channel) {
                        logger.info("connected to Redis", metadata: ["url": "\(connector.url)"])
                        whenUp(channel)
                    } else {
                        channel.close(promise: nil)
                    }
                    try? await channel.closeFuture.get()
                    goAway(reason: "the connection ended")
                } catch {
                    goAway(reason: (error as? StoreError)?.description ?? "\(error)")
                }
                try? await Task.sleep(for: .seconds(wait * Double.random(in: 0.5...1)))
                wait = min(wait * 2, Self.lastWait)
            }
        } onCancel: {
            close()
        }
    }

    /// Gives the call's number among those that wait, should it have to.
    private func submit(_ call: RedisCall) -> UInt64 {
        let (number, channel): (UInt64, (any Channel)?) = state.withLock { state in
            state.nextWaiter += 1
            if case .up(let channel) = state.phase { return (state.nextWaiter, channel) }
            wait(call, number: state.nextWaiter, &state)
            return (state.nextWaiter, nil)
        }
        if let channel { write(call, number: number, on: channel) }
        return number
    }

    private func wait(_ call: RedisCall, number: UInt64, _ state: inout State) {
        switch state.phase {
        case .up: call.fail(.unavailable(reason: "the connection is new"))
        case .closed: call.fail(.closed)
        case .away(let reason, var waiting):
            guard waiting.count < Self.mostWaiting else { return call.fail(.overloaded(limit: Self.mostWaiting)) }
            state.phase = .away(reason: "", waiting: [:])
            waiting[number] = call
            state.phase = .away(reason: reason, waiting: waiting)
        }
    }

    private func write(_ call: RedisCall, number: UInt64, on channel: any Channel) {
        channel.writeAndFlush(call).whenFailure { [self] error in
            if case .overloaded(let limit)? = error as? StoreError { return call.fail(.overloaded(limit: limit)) }
            // The handler never took it, so it did not run, and may wait for the next connection.
            state.withLock { state in
                if case .up(let current) = state.phase, current === channel {
                    state.phase = .away(reason: "the connection ended", waiting: [:])
                }
                wait(call, number: number, &state)
            }
        }
    }

    private func forget(_ number: UInt64) {
        state.withLock { state in
            guard case .away(let reason, var waiting) = state.phase else { return }
            state.phase = .away(reason: "", waiting: [:])
            waiting[number] = nil
            state.phase = .away(reason: reason, waiting: waiting)
        }
    }

    private func goUp(_ channel: any Channel) -> Bool {
        let waiting: [UInt64: RedisCall]? = state.withLock { state in
            guard case .away(_, let waiting) = state.phase else { return nil }
            state.phase = .up(channel)
            state.saidAway = false
            return waiting
        }
        guard let waiting else { return false }
        for (number, call) in waiting.sorted(by: { $0.key < $1.key }) { write(call, number: number, on: channel) }
        return true
    }

    private func goAway(reason: String) {
        let isNews = state.withLock { state in
            switch state.phase {
            case .up: state.phase = .away(reason: reason, waiting: [:])
            case .away(_, let waiting): state.phase = .away(reason: reason, waiting: waiting)
            case .closed: break
            }
            defer { state.saidAway = true }
            return !state.saidAway
        }
        guard !Task.isCancelled else { return }
        // Once an outage, not once an attempt: attempts go on every half second.
        logger.log(
            level: isNews ? .warning : .debug, "no connection to Redis",
            metadata: ["url": "\(connector.url)", "reason": "\(reason)"])
    }

    private func close() {
        let (channel, waiting): ((any Channel)?, [UInt64: RedisCall]) = state.withLock { state in
            defer { state.phase = .closed }
            switch state.phase {
            case .up(let channel): return (channel, [:])
            case .away(_, let waiting): return (nil, waiting)
            case .closed: return (nil, [:])
            }
        }
        for call in waiting.values { call.fail(.closed) }
        channel?.close(promise: nil)
    }
}
