import NIOCore
import NIOHTTP1
import NIOWebSocket

/// Answers requests for pages. Slow, large and unknown requests end here.
final class PageHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// A browser sends a request in one go; who needs longer (or keeps a connection idle for longer) is cut.
    private static let patience = TimeAmount.seconds(20)
    /// All header fields of a request; browsers send under 2 KiB without cookies, and we set none.
    private static let headerLimit = 16 * 1024

    private let site: StaticSite
    private let allowedOrigins: [String]
    private var head: HTTPRequestHead?
    private var timer: Scheduled<Void>?

    init(site: StaticSite, allowedOrigins: [String]) {
        self.site = site
        self.allowedOrigins = allowedOrigins
    }

    func handlerAdded(context: ChannelHandlerContext) { wait(context) }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            self.head = nil
            answer(head, context)
            wait(context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A refused upgrade goes on as a request, which is answered below.
        if error is NIOWebSocketUpgradeError { return }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    private func wait(_ context: ChannelHandlerContext) {
        timer?.cancel()
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
    }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let host = head.headers.first(name: "host")
        guard head.headers.reduce(0, { $0 + $1.name.utf8.count + $1.value.utf8.count }) <= Self.headerLimit else {
            return text(.requestHeaderFieldsTooLarge, "The header is too large.\n", head, context)
        }
        guard head.method == .GET || head.method == .HEAD else {
            return text(.methodNotAllowed, "Only GET and HEAD.\n", head, context, extra: [("Allow", "GET, HEAD")])
        }
        if head.uri.prefix(while: { $0 != "?" }) == "/ws" {
            let allowed = SecurityHeaders.allows(
                origin: head.headers.first(name: "origin"), host: host, alsoAllowed: allowedOrigins)
            guard allowed else { return text(.forbidden, "Another site's page may not connect here.\n", head, context) }
            return text(
                .upgradeRequired, "This is a WebSocket: subprotocol roost.1.\n", head, context,
                extra: [("Upgrade", "websocket")])
        }
        guard let file = site.file(at: head.uri) else {
            return text(.notFound, "There is nothing at this address. The people are at /.\n", head, context)
        }
        let fields = [("Content-Type", file.contentType), ("ETag", file.etag), ("Cache-Control", "no-cache")]
        let known = head.headers[canonicalForm: "if-none-match"].contains { $0 == file.etag || $0 == "*" }
        if known { return respond(.notModified, [], fields, head, context) }
        respond(.ok, file.bytes, fields, head, context)
    }

    private func text(
        _ status: HTTPResponseStatus, _ text: String, _ head: HTTPRequestHead, _ context: ChannelHandlerContext,
        extra: [(String, String)] = []
    ) {
        let fields = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")] + extra
        respond(status, Array(text.utf8), fields, head, context)
    }

    private func respond(
        _ status: HTTPResponseStatus, _ body: [UInt8], _ fields: [(String, String)], _ head: HTTPRequestHead,
        _ context: ChannelHandlerContext
    ) {
        var headers = HTTPHeaders(SecurityHeaders.headers(host: head.headers.first(name: "host")) + fields)
        headers.add(name: "Vary", value: "Accept-Encoding")
        if status != .notModified { headers.add(name: "Content-Length", value: String(body.count)) }
        let stay = head.isKeepAlive && status.code < 400
        if !stay { headers.add(name: "Connection", value: "close") }
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: status, headers: headers))),
            promise: nil)
        if head.method != .HEAD, !body.isEmpty {
            context.write(
                wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: body)))), promise: nil)
        }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            if !stay { channel.close(promise: nil) }
        }
    }
}
