import NIOCore

/// One command on its way: its words, and whom to answer.
struct RedisCall: Sendable {
    let words: [RedisArgument]
    /// Nil for what is not answered in order (`SUBSCRIBE`).
    let promise: EventLoopPromise<RedisValue>?

    /// The first outcome counts: a late reply after the deadline finds the promise kept already.
    func fail(_ error: StoreError) { promise?.fail(error) }
    func succeed(_ value: RedisValue) {
        if case .error(let message) = value { fail(.refused(message)) } else { promise?.succeed(value) }
    }
}

/// What comes in on a connection for subscriptions, besides answers.
enum RedisNews: Hashable, Sendable {
    case confirmed(channel: String)
    case message(channel: String, payload: [UInt8])
}

/// Commands out, replies in, matched by their order; messages of subscriptions go aside.
final class RedisChannelHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = RedisCall
    typealias OutboundOut = ByteBuffer

    /// Calls in flight on one connection. At 100,000 calls a second this is a tenth of a second of answers.
    static let mostPending = 10_000
    /// Silence with calls in flight after which the connection counts as dead: longer than a save's fork stalls Redis.
    static let silence = TimeAmount.seconds(4)
    /// How often an idle connection is tried.
    static let pingEvery = TimeAmount.seconds(1)

    private let reader: RedisReplyReader
    private let publish: (@Sendable (RedisNews) -> Void)?
    private var pending = CircularBuffer<RedisCall>()
    private var heardAt = NIODeadline.now()
    private var flushIsDue = false
    private var ended: StoreError?
    private var keepalive: RepeatedTask?

    init?(publish: (@Sendable (RedisNews) -> Void)?) {
        guard let reader = RedisReplyReader() else { return nil }
        self.reader = reader
        self.publish = publish
    }

    func channelActive(context: ChannelHandlerContext) {
        heardAt = .now()
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        keepalive = context.eventLoop.scheduleRepeatedTask(initialDelay: Self.pingEvery, delay: Self.pingEvery) { _ in
            let (handler, context) = bound.value
            handler.checkLife(context: context)
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.connectionLost(reason: "closed by Redis"))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { finish(.connectionLost(reason: "closed")) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(.connectionLost(reason: "\(error)"))
        context.close(promise: nil)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let call = unwrapOutboundIn(data)
        if let ended {
            promise?.fail(ended)
            return
        }
        guard pending.count < Self.mostPending else {
            promise?.fail(StoreError.overloaded(limit: Self.mostPending))
            return
        }
        guard let buffer = formatCommand(call.words, allocator: context.channel.allocator) else {
            promise?.fail(StoreError.overloaded(limit: Self.mostPending))
            return
        }
        if pending.isEmpty { heardAt = .now() }
        if call.promise != nil { pending.append(call) }
        // Kept once taken: what happens from here on is the call's own outcome.
        promise?.succeed()
        context.write(wrapOutboundOut(buffer), promise: nil)
    }

    /// Many calls of one loop turn leave in one system call.
    func flush(context: ChannelHandlerContext) {
        guard !flushIsDue else { return }
        flushIsDue = true
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.execute {
            let (handler, context) = bound.value
            handler.flushIsDue = false
            context.flush()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        heardAt = .now()
        let buffer = unwrapInboundIn(data)
        do throws(StoreError) {
            try reader.receive(buffer.readableBytesSpan)
            while let reply = try reader.nextReply() { deliver(reply) }
        } catch {
            finish(error)
            context.close(promise: nil)
        }
    }

    private func deliver(_ reply: RedisValue) {
        if let publish, let parts = reply.array, parts.count == 3, let kind = parts[0].string {
            switch kind {
            case "message":
                if let channel = parts[1].string, let payload = parts[2].bytes {
                    publish(.message(channel: channel, payload: payload))
                }
                return
            case "subscribe":
                if let channel = parts[1].string { publish(.confirmed(channel: channel)) }
                return
            case "unsubscribe": return
            default: break
            }
        }
        pending.popFirst()?.succeed(reply)
    }

    private func checkLife(context: ChannelHandlerContext) {
        guard ended == nil else { return }
        if pending.isEmpty {
            let call = RedisCall(words: ["PING"], promise: context.eventLoop.makePromise())
            write(context: context, data: NIOAny(call), promise: nil)
            flush(context: context)
        } else if NIODeadline.now() - heardAt > Self.silence {
            finish(.connectionLost(reason: "no answer for \(Self.silence.nanoseconds / 1_000_000_000) s"))
            context.close(promise: nil)
        }
    }

    private func finish(_ error: StoreError) {
        guard ended == nil else { return }
        ended = error
        keepalive?.cancel()
        while let call = pending.popFirst() { call.fail(error) }
    }
}
