import Synchronization

/// A message published on a channel, or the news that such messages may have been missed.
public enum RedisMessage: Hashable, Sendable {
    /// The subscription stands from now on: at its start, after each reconnection, and where the reader was too slow.
    /// Whatever was published before may be missing, so read the state anew.
    case resubscribed
    /// A message.
    case message(channel: String, payload: [UInt8])
}

/// Who listens to which channel.
final class RedisSubscribers: Sendable {
    private struct Subscriber {
        let channels: Set<String>
        var unconfirmed: Set<String>
        let messages: AsyncStream<RedisMessage>.Continuation
    }
    private struct State {
        var subscribers: [UInt64: Subscriber] = [:]
        var next: UInt64 = 0
    }

    /// Messages that wait for one reader; the oldest give way to a `.resubscribed`. A second of a busy cluster's news.
    static let mostWaiting = 4_096

    private let state = Mutex(State())

    /// All channels that somebody listens to.
    var channels: Set<String> {
        state.withLock { state in state.subscribers.values.reduce(into: []) { $0.formUnion($1.channels) } }
    }

    /// A new reader. `post` gets `SUBSCRIBE` with its channels now, and `UNSUBSCRIBE` with those that nobody listens to any more
    /// once it is gone; both under the lock, so that no reader's end takes the channels of another that came just then.
    func add(
        _ channels: Set<String>, post: @escaping @Sendable (String, Set<String>) -> Void
    ) -> AsyncStream<RedisMessage> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: RedisMessage.self, bufferingPolicy: .bufferingNewest(Self.mostWaiting))
        let number = state.withLock { state in
            state.next += 1
            state.subscribers[state.next] = Subscriber(
                channels: channels, unconfirmed: channels, messages: continuation)
            post("SUBSCRIBE", channels)
            return state.next
        }
        continuation.onTermination = { [self] _ in remove(number, post) }
        return stream
    }

    /// The connection is new: nothing is confirmed.
    func startAnew() {
        state.withLock { state in
            for (number, subscriber) in state.subscribers {
                state.subscribers[number]?.unconfirmed = subscriber.channels
            }
        }
    }

    func deliver(_ news: RedisNews) {
        let (readers, message): ([AsyncStream<RedisMessage>.Continuation], RedisMessage) = state.withLock { state in
            switch news {
            case .confirmed(let channel):
                let confirmed = state.subscribers.filter { $0.value.unconfirmed.contains(channel) }
                for number in confirmed.keys { state.subscribers[number]?.unconfirmed.remove(channel) }
                return (confirmed.values.filter { $0.unconfirmed.count == 1 }.map(\.messages), .resubscribed)
            case .message(let channel, let payload):
                let readers = state.subscribers.values.filter { $0.channels.contains(channel) }.map(\.messages)
                return (readers, .message(channel: channel, payload: payload))
            }
        }
        for reader in readers {
            // A full buffer lost its oldest: the marker is then behind the loss, which is all it promises.
            if case .dropped = reader.yield(message) { reader.yield(.resubscribed) }
        }
    }

    /// Ends every stream.
    func finish() {
        let readers = state.withLock { $0.subscribers.values.map(\.messages) }
        for reader in readers { reader.finish() }
    }

    private func remove(_ number: UInt64, _ post: (String, Set<String>) -> Void) {
        state.withLock { state in
            guard let gone = state.subscribers.removeValue(forKey: number) else { return }
            let unwanted = state.subscribers.values.reduce(into: gone.channels) { $0.subtract($1.channels) }
            if !unwanted.isEmpty { post("UNSUBSCRIBE", unwanted) }
        }
    }
}
