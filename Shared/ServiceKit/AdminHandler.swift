import NIOCore
import NIOHTTP1
import Synchronization

/// Answers one connection's requests.
final class AdminHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let metrics: MetricsRegistry
    private let readiness: Readiness
    private var head: HTTPRequestHead?

    init(metrics: MetricsRegistry, readiness: Readiness) {
        self.metrics = metrics
        self.readiness = readiness
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        // Nothing here takes a body: it is read and forgotten.
        case .body: break
        case .end:
            guard let head else { return }
            self.head = nil
            respond(to: head, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func respond(to head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let answer = answer(to: head)
        var headers = HTTPHeaders([
            ("content-type", answer.type), ("content-length", String(answer.body.utf8.count)),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ])
        if answer.status == .methodNotAllowed { headers.add(name: "allow", value: "GET, HEAD") }
        if !head.isKeepAlive { headers.add(name: "connection", value: "close") }
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: answer.status, headers: headers))),
            promise: nil)
        if head.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        if !head.isKeepAlive {
            let channel = context.channel
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    private func answer(to head: HTTPRequestHead) -> (status: HTTPResponseStatus, type: String, body: String) {
        let text = "text/plain; charset=utf-8"
        guard head.method == .GET || head.method == .HEAD else {
            return (.methodNotAllowed, text, "only GET and HEAD\n")
        }
        switch head.uri.prefix(while: { $0 != "?" }) {
        case "/metrics": return (.ok, "text/plain; version=0.0.4; charset=utf-8", metrics.text())
        case "/healthz": return (.ok, text, "ok\n")
        case "/readyz": return (readiness.isReady ? .ok : .serviceUnavailable, "application/json", readiness.json)
        default: return (.notFound, text, "try /metrics, /healthz or /readyz\n")
        }
    }
}

/// Counts open connections against a limit.
final class ConnectionCount: Sendable {
    private let limit: Int
    private let open = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    func enter() -> Bool {
        if open.wrappingAdd(1, ordering: .relaxed).newValue <= limit { return true }
        leave()
        return false
    }

    func leave() { open.wrappingSubtract(1, ordering: .relaxed) }
}
