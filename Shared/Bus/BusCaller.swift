public import SwiftProtobuf
public import Time

/// What a call carries beside its messages.
public struct CallOptions: Sendable {
    /// Named texts.
    public var metadata: BusMetadata
    /// Time for the whole call; nil where it may last.
    public var timeout: Interval?

    /// Options of one's own.
    public init(metadata: BusMetadata = [:], timeout: Interval? = .seconds(5)) {
        self.metadata = metadata
        self.timeout = timeout
    }

    /// For a call with one answer: five seconds, several times what a loaded cluster needs.
    public static let unary = CallOptions()
    /// For a stream that lasts as long as both sides want.
    public static let streaming = CallOptions(timeout: nil)
}

/// What a handler knows of the call that it serves.
public struct CallContext: Sendable {
    /// What the caller sent along.
    public let metadata: BusMetadata
    /// When the caller gives up.
    public let deadline: Instant?
    /// `/package.Service/Method`
    public let method: String
    /// Who calls.
    public let peer: PeerIdentity
    /// Calls back over the same connection.
    public let caller: any BusCaller

    /// For tests of handlers without a bus.
    public init(
        metadata: BusMetadata = [:], deadline: Instant? = nil, method: String = "", peer: PeerIdentity,
        caller: any BusCaller
    ) {
        self.metadata = metadata
        self.deadline = deadline
        self.method = method
        self.peer = peer
        self.caller = caller
    }
}

/// Makes calls. Generated clients turn typed methods into these.
public protocol BusCaller: Sendable {
    /// Opens a call; its messages follow by what it returns.
    func open(_ method: String, options: CallOptions) async throws(BusStatus) -> BusStream
}

/// One call's two directions, as bytes.
public struct BusStream: Sendable {
    let connection: BusConnection
    let id: UInt64
    let inbound: InboundQueue
    /// Takes the call back when nobody holds it any more.
    let handle: CallHandle
}

/// Takes a call back once the last holder is gone; does nothing where it is over.
final class CallHandle: Sendable {
    private let connection: BusConnection
    private let id: UInt64

    init(connection: BusConnection, id: UInt64) {
        self.connection = connection
        self.id = id
    }

    deinit { connection.cancel(id) }
}

extension BusCaller {
    /// One message there, one back.
    public func unary<Request: Message, Reply: Message>(
        _ method: String, _ request: Request, options: CallOptions
    ) async throws(BusStatus) -> Reply {
        let stream = try await open(method, options: options)
        defer { extendLifetime(stream.handle) }
        try await send(request, on: stream)
        return try only(try await stream.connection.answer(stream.inbound, to: method))
    }

    /// One message there, many back.
    public func serverStreaming<Request: Message, Reply: Message>(
        _ method: String, _ request: Request, options: CallOptions
    ) async throws(BusStatus) -> BusReplies<Reply> {
        let stream = try await open(method, options: options)
        try await send(request, on: stream)
        return BusReplies(inbound: stream.inbound, handle: stream.handle)
    }

    /// Many messages either way.
    public func bidirectional<Request: Message, Reply: Message>(
        _ method: String, options: CallOptions
    ) async throws(BusStatus) -> BusCall<Request, Reply> {
        let stream = try await open(method, options: options)
        // The called may be the first to speak.
        stream.connection.writeOut()
        return BusCall(
            requests: BusWriter(connection: stream.connection, id: stream.id, handle: stream.handle),
            replies: BusReplies(inbound: stream.inbound, handle: stream.handle))
    }

    /// Many messages there, one back: `body` sends them.
    public func clientStreaming<Request: Message, Reply: Message>(
        _ method: String, options: CallOptions, body: (BusWriter<Request>) async throws -> Void
    ) async throws -> Reply {
        let stream = try await open(method, options: options)
        let writer = BusWriter<Request>(connection: stream.connection, id: stream.id, handle: stream.handle)
        try await body(writer)
        writer.finish()
        defer { extendLifetime(stream.handle) }
        return try only(try await stream.inbound.next())
    }

    private func send(_ request: some Message, on stream: BusStream) async throws(BusStatus) {
        do throws(BusStatus) {
            try await stream.connection.send(try encode(request), on: stream.id, last: true)
        } catch {
            // Over before it was sent, out of time say: the queue of answers knows how it ended.
            if error.code == .cancelled { _ = try await stream.inbound.next() }
            throw error
        }
    }

    private func only<Reply: Message>(_ bytes: [UInt8]?) throws(BusStatus) -> Reply {
        guard let bytes else { throw BusStatus(.internal, "the call ended without an answer") }
        return try decode(bytes)
    }
}

/// A call with many messages either way.
public struct BusCall<Request: Message, Reply: Message>: Sendable {
    /// Sends ours.
    public let requests: BusWriter<Request>
    /// Reads theirs.
    public let replies: BusReplies<Reply>
}

/// Sends the messages of one direction of a stream.
public struct BusWriter<Sent: Message>: Sendable {
    private let connection: BusConnection
    private let id: UInt64
    private let handle: CallHandle?

    init(connection: BusConnection, id: UInt64, handle: CallHandle?) {
        self.connection = connection
        self.id = id
        self.handle = handle
    }

    /// Sends one; waits while the peer has no room. Throws once the call is over.
    public func send(_ message: Sent) async throws(BusStatus) {
        try await connection.send(try encode(message), on: id, last: false)
    }

    /// No more follow. A handler need not call it.
    public func finish() { connection.halfClose(id) }
}

/// Reads the messages of one direction of a stream, for one reader; the peer is given room as they are read.
public struct BusReplies<Received: Message>: AsyncSequence, Sendable {
    private let inbound: InboundQueue
    private let handle: CallHandle?

    init(inbound: InboundQueue, handle: CallHandle?) {
        self.inbound = inbound
        self.handle = handle
    }

    /// Reads them one by one.
    public func makeAsyncIterator() -> Iterator { Iterator(inbound: inbound, handle: handle) }

    /// Reads them one by one.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let inbound: InboundQueue
        fileprivate let handle: CallHandle?

        /// The next; nil at a good end, throws a bad one as `BusStatus`.
        public mutating func next() async throws(BusStatus) -> Received? {
            guard let bytes = try await inbound.next() else { return nil }
            // Who serves a call has no handle of it: the messages are the caller's.
            return try decode(bytes, orElse: handle == nil ? .invalidArgument : .internal)
        }
    }
}

func encode(_ message: some Message) throws(BusStatus) -> [UInt8] {
    do {
        return try message.serializedBytes()
    } catch {
        throw BusStatus(.internal, "a message cannot be written: \(error)")
    }
}

/// `code` says whose fault it is: a caller's, of what it asked with, or that of who was called.
func decode<Received: Message>(
    _ bytes: [UInt8], orElse code: StatusCode = .internal
) throws(BusStatus) -> Received {
    do {
        return try Received(serializedBytes: bytes)
    } catch {
        throw BusStatus(code, "a message cannot be read as \(Received.protoMessageName): \(error)")
    }
}
