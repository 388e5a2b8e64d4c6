public import SwiftProtobuf

/// The calls that one side answers, by method. Generated code fills it: `router.add(registry: service)`.
public struct BusRouter: Sendable {
    typealias Handler = @Sendable (ServedCall) async throws -> [UInt8]?
    private var handlers: [String: Handler] = [:]

    /// Answers nothing yet.
    public init() {}

    func handler(of method: String) -> Handler? { handlers[method] }

    /// One message there, one back.
    public mutating func unary<Request: Message, Reply: Message>(
        _ method: String, _ body: @escaping @Sendable (Request, CallContext) async throws -> Reply
    ) {
        add(method) { call in try encode(try await body(try await call.onlyRequest(), call.context)) }
    }

    /// One message there, many back.
    public mutating func serverStreaming<Request: Message, Reply: Message>(
        _ method: String, _ body: @escaping @Sendable (Request, BusWriter<Reply>, CallContext) async throws -> Void
    ) {
        add(method) { call in
            try await body(try await call.onlyRequest(), call.writer(), call.context)
            return nil
        }
    }

    /// Many messages there, one back.
    public mutating func clientStreaming<Request: Message, Reply: Message>(
        _ method: String, _ body: @escaping @Sendable (BusReplies<Request>, CallContext) async throws -> Reply
    ) {
        add(method) { call in
            try encode(try await body(BusReplies(inbound: call.inbound, handle: nil), call.context))
        }
    }

    /// Many messages either way.
    public mutating func bidirectional<Request: Message, Reply: Message>(
        _ method: String,
        _ body: @escaping @Sendable (BusReplies<Request>, BusWriter<Reply>, CallContext) async throws -> Void
    ) {
        add(method) { call in
            try await body(BusReplies(inbound: call.inbound, handle: nil), call.writer(), call.context)
            return nil
        }
    }

    private mutating func add(_ method: String, _ handler: @escaping Handler) {
        precondition(handlers.updateValue(handler, forKey: method) == nil, "\(method) is served twice")
    }
}

/// A call that the peer made.
struct ServedCall: Sendable {
    let connection: BusConnection
    let id: UInt64
    let inbound: InboundQueue
    let context: CallContext

    func onlyRequest<Request: Message>() async throws(BusStatus) -> Request {
        guard let bytes = try await inbound.next() else {
            throw BusStatus(.invalidArgument, "the call came without its message")
        }
        return try decode(bytes, orElse: .invalidArgument)
    }

    func writer<Reply: Message>() -> BusWriter<Reply> { BusWriter(connection: connection, id: id, handle: nil) }
}
