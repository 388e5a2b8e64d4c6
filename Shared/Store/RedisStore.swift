public import Logging
import NIOCore
import NIOPosix
public import Time

/// Redis for a service: commands, scripts and subscriptions over connections that come back by themselves.
///
/// Every call has a deadline. One made while Redis is away waits for it until then and fails with
/// `StoreError.unavailable`; one caught by the end of a connection fails at once with `.connectionLost`, because it may
/// have run. Nothing here retries a command: only the caller knows whether running it twice is safe.
public final class RedisStore: Sendable {
    private let commands: RedisLink
    private let news: RedisLink
    private let subscribers: RedisSubscribers

    /// A store that connects once `run` is called.
    public init(url: RedisURL, logger: Logger) {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let subscribers = RedisSubscribers()
        self.subscribers = subscribers
        commands = RedisLink(connector: RedisConnector(url: url, loop: loop, publish: nil), logger: logger) { _ in }
        // RESP 2 allows nothing but subscriptions on a connection that has one: hence a connection of their own.
        let connector = RedisConnector(url: url, loop: loop) { subscribers.deliver($0) }
        news = RedisLink(connector: connector, logger: logger) { channel in
            subscribers.startAnew()
            let words = subscribers.channels.map { RedisArgument($0) }
            guard !words.isEmpty else { return }
            channel.writeAndFlush(RedisCall(words: ["SUBSCRIBE"] + words, promise: nil), promise: nil)
        }
    }

    /// Keeps the connections until the task is cancelled; calls fail with `.closed` from then on.
    public func run() async {
        await withTaskGroup { group in
            group.addTask { [commands] in await commands.run() }
            group.addTask { [news] in await news.run() }
        }
        subscribers.finish()
    }

    /// Whether commands would be sent at once.
    public var isConnected: Bool { commands.isUp }

    /// Why there is no connection, for readiness; nil while there is one.
    public var outage: String? { commands.reason }

    /// Runs one command. A reply that is an error is thrown as `.refused`.
    public func send(
        _ command: [RedisArgument], timeout: Interval = .seconds(2)
    ) async throws(StoreError) -> RedisValue {
        try await commands.send(command, within: .nanoseconds(timeout.nanoseconds))
    }

    /// Runs a script by its digest, and by its text where Redis does not know it (yet, or any more).
    public func evaluate(
        _ script: RedisScript, keys: [String], arguments: [RedisArgument], timeout: Interval = .seconds(2)
    ) async throws(StoreError) -> RedisValue {
        let deadline = NIODeadline.now() + .nanoseconds(timeout.nanoseconds)
        let rest = [RedisArgument(keys.count)] + keys.map { RedisArgument($0) } + arguments
        do {
            return try await commands.send(["EVALSHA", RedisArgument(script.digest)] + rest, within: deadline - .now())
        } catch {
            guard case .refused(let message) = error, message.hasPrefix("NOSCRIPT") else { throw error }
            return try await commands.send(["EVAL", RedisArgument(script.source)] + rest, within: deadline - .now())
        }
    }

    /// Messages of these channels from now on, for as long as the stream is read; see `RedisMessage.resubscribed`.
    public func subscribe(channels: [String]) -> AsyncStream<RedisMessage> {
        subscribers.add(Set(channels)) { [news] command, channels in
            news.post([RedisArgument(command)] + channels.map { RedisArgument($0) })
        }
    }
}
