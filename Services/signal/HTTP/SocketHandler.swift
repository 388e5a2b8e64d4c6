import Bus
import NIOCore
import NIOWebSocket
import ServiceKit
import Time

/// What the door tells a socket.
enum SocketCommand: Sendable {
    case text([UInt8])
    /// The answer to hello or resume: whether the client is in.
    case entered(Bool, [UInt8])
    /// An error, then the end.
    case cut(ErrorCode, String)
    case close(UInt16, [UInt8]?)
}

/// What a socket tells the door.
enum SocketEvent: Sendable {
    case opened(Socket)
    case action(UInt64, ConnectionMachine.Action)
    /// `leaving`: the page said good-bye (code 1000).
    case closed(UInt64, leaving: Bool)
}

/// A socket as the door holds it.
struct Socket: Sendable {
    let id: UInt64
    let channel: any Channel
    /// See `Source`.
    let source: String

    func send(_ command: SocketCommand) { channel.writeAndFlush(command, promise: nil) }
}

/// One WebSocket: frames in and out, the connection machine between. Runs on its event loop.
final class SocketHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundIn = SocketCommand
    typealias OutboundOut = WebSocketFrame

    /// The longest message: Chromium's offer of a member's own tracks, 8 places for sound and 49 for pictures, limited to Opus
    /// and VP8, has 104 KB as JSON with few candidates; a page on many networks, or with another codec, needs twice that. One
    /// with all codecs (305 KB) is the page's mistake. The decoder lets a little more pass so that the client hears why it is cut.
    static let messageLimit = 256 * 1024
    /// Bytes the peer has not taken: half of what a session may keep unacknowledged.
    private static let pendingLimit = 1 << 20
    /// About what an empty frame that waits takes.
    private static let frameCost = 128

    private let id: UInt64
    private let events: AsyncStream<SocketEvent>.Continuation
    private let metrics: SignalMetrics
    private var machine: ConnectionMachine
    private var timer: Scheduled<Void>?
    private var pendingBytes = 0
    private var isClosing = false
    private var leaving = false

    init(
        id: UInt64, events: AsyncStream<SocketEvent>.Continuation, limits: ConnectionLimits, metrics: SignalMetrics
    ) {
        self.id = id
        self.events = events
        self.metrics = metrics
        machine = ConnectionMachine(limits: limits, now: MonotonicClock.now)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let source = Source.of(context.channel.remoteAddress)
        events.yield(.opened(Socket(id: id, channel: context.channel, source: source)))
        schedule(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        events.yield(.closed(id, leaving: leaving))
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard !isClosing else {
            if frame.opcode == .connectionClose { context.close(promise: nil) }
            return
        }
        switch frame.opcode {
        case .text:
            let bytes = Array(frame.unmaskedData.readableBytesView)
            guard bytes.count <= Self.messageLimit else {
                return cut(.oversize, "A message has at most 64 KiB, an offer 256.", context)
            }
            act(machine.receive(bytes, now: MonotonicClock.now), context)
        case .binary: cut(.badJSON, "Messages are text.", context)
        case .ping:
            act(machine.heard(now: MonotonicClock.now), context)
            say(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData), context)
            context.flush()
        case .pong: act(machine.heard(isAnswer: true, now: MonotonicClock.now), context)
        case .connectionClose:
            var data = frame.unmaskedData
            let code = data.readInteger(as: UInt16.self)
            leaving = code == 1000
            end(code ?? 1000, context, answering: true)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if isClosing { return context.close(promise: nil) }
        switch error {
        case NIOWebSocketError.invalidFrameLength:
            cut(.oversize, "A message has at most 64 KiB, an offer 256.", context)
        case is NIOWebSocketFrameAggregator.Error:
            cut(.oversize, "A message has at most 64 KiB, an offer 256.", context)
        case is NIOWebSocketError: cut(.badJSON, "This is not the WebSocket protocol.", context)
        default: context.close(promise: nil)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isClosing else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .text(let bytes): text(bytes, context)
        case .entered(let success, let answer):
            machine.entered(success, now: MonotonicClock.now)
            text(answer, context)
        case .cut(let code, let message): cut(code, message, context)
        case .close(let code, let last):
            if let last { text(last, context) }
            end(code, context)
        }
        promise?.succeed()
    }

    private func act(_ action: ConnectionMachine.Action, _ context: ChannelHandlerContext) {
        switch action {
        case .pong(let id): text(Answers.pong(id), context)
        case .refuse(let id, let error):
            metrics.errors.increment([error.code.rawValue])
            text(Answers.error(id, error), context)
        case .cut(let code, let message): cut(code, message, context)
        case .ask:
            say(WebSocketFrame(fin: true, opcode: .ping, data: context.channel.allocator.buffer(capacity: 0)), context)
        case .nothing: break
        case .signIn, .resume, .ack, .request: events.yield(.action(self.id, action))
        }
        context.flush()
    }

    private func schedule(_ context: ChannelHandlerContext) {
        guard let due = machine.nextDeadline, !isClosing else { return }
        let wait = max(due.nanoseconds - MonotonicClock.now.nanoseconds, 0) + 1_000_000
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: .nanoseconds(wait)) {
            let (handler, context) = bound.value
            handler.act(handler.machine.timeout(now: MonotonicClock.now), context)
            handler.schedule(context)
        }
    }

    private func text(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        say(WebSocketFrame(fin: true, opcode: .text, data: context.channel.allocator.buffer(bytes: bytes)), context)
    }

    /// Says something to a peer that reads.
    private func say(_ frame: WebSocketFrame, _ context: ChannelHandlerContext) {
        guard !isClosing else { return }
        guard pendingBytes <= Self.pendingLimit else {
            return cut(.slowReader, "Messages are not being read.", context)
        }
        write(frame, context)
    }

    private func write(_ frame: WebSocketFrame, _ context: ChannelHandlerContext) {
        let size = frame.data.readableBytes + Self.frameCost
        pendingBytes += size
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.write(wrapOutboundOut(frame)).whenComplete { _ in bound.value.pendingBytes -= size }
    }

    private func cut(_ code: ErrorCode, _ message: String, _ context: ChannelHandlerContext) {
        guard !isClosing else { return }
        metrics.errors.increment([code.rawValue])
        let frame = Answers.error(nil, RequestError(code, message))
        write(WebSocketFrame(fin: true, opcode: .text, data: context.channel.allocator.buffer(bytes: frame)), context)
        end(1008, context)
    }

    /// Says good-bye. Then only the peer's own good-bye is read: closing at once, with its messages unread, would make the kernel
    /// drop what we said last. A peer that does not answer is dropped a little later.
    private func end(_ code: UInt16, _ context: ChannelHandlerContext, answering: Bool = false) {
        guard !isClosing else { return }
        isClosing = true
        timer?.cancel()
        var data = context.channel.allocator.buffer(capacity: 2)
        data.writeInteger(code)
        let channel = context.channel
        let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: data)
        context.writeAndFlush(wrapOutboundOut(frame)).whenComplete { _ in
            if answering { channel.close(promise: nil) }
        }
        channel.eventLoop.scheduleTask(in: .seconds(2)) { channel.close(promise: nil) }
    }
}
