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
    private let guests: GuestServers
    private var head: HTTPRequestHead?
    private var timer: Scheduled<Void>?

    init(site: StaticSite, allowedOrigins: [String], guests: GuestServers) {
        self.site = site
        self.allowedOrigins = allowedOrigins
        self.guests = guests
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
        if head.uri.prefix(while: { $0 != "?" }) == "/ice-servers" { return iceServers(head, context) }
        guard let file = site.file(at: head.uri) else { return nothing(head, context) }
        var fields = [("Content-Type", file.contentType), ("ETag", file.etag), ("Cache-Control", "no-cache")]
        let known = head.headers[canonicalForm: "if-none-match"].contains { $0 == file.etag || $0 == "*" }
        if known { return respond(.notModified, [], fields, head, context) }
        guard let gzip = file.gzip, Gzip.isAccepted(by: head.headers[canonicalForm: "accept-encoding"]) else {
            return respond(.ok, file.bytes, fields, head, context)
        }
        fields.append(("Content-Encoding", "gzip"))
        respond(.ok, gzip, fields, head, context)
    }

    /// In words, and to a browser that asks for a page as one.
    private func nothing(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let accepted = head.headers[canonicalForm: "accept"]
        guard let page = site.missing, accepted.contains(where: { $0.hasPrefix("text/html") }) else {
            return text(.notFound, "There is nothing at this address. The people are at /.\n", head, context)
        }
        respond(
            .notFound, page.bytes, [("Content-Type", page.contentType), ("Cache-Control", "no-store")], head, context)
    }

    /// A page asks for its own visitor; another site's page would spend the credentials of people who only look at it.
    private func iceServers(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let origin = head.headers.first(name: "origin")
        let allowed = SecurityHeaders.allows(
            origin: origin, host: head.headers.first(name: "host"), alsoAllowed: allowedOrigins)
        let site = head.headers.first(name: "sec-fetch-site")
        guard allowed, origin != nil || site == nil || site == "same-origin" || site == "none" else {
            return text(.forbidden, "Another site's page may not ask for servers.\n", head, context)
        }
        guard head.method == .GET else { return text(.methodNotAllowed, "Only GET.\n", head, context) }
        let (guests, address, loop) = (guests, context.channel.remoteAddress, context.eventLoop)
        let bound = NIOLoopBound((self, context), eventLoop: loop)
        let answer = loop.makePromise(of: GuestServers.Answer.self)
        answer.completeWithTask { await guests.ask(from: address) }
        answer.futureResult.whenSuccess { answer in
            let (handler, context) = bound.value
            // The peer may have left, or the connection have become a WebSocket: neither wants this any more.
            guard context.channel.isActive else { return }
            handler.tell(answer, origin, head, context)
        }
    }

    private func tell(
        _ answer: GuestServers.Answer, _ origin: String?, _ head: HTTPRequestHead, _ context: ChannelHandlerContext
    ) {
        switch answer {
        case .servers(let bytes):
            var fields = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
            if let origin { fields.append(("Access-Control-Allow-Origin", origin)) }
            respond(.ok, bytes, fields, head, context)
        case .off: text(.forbidden, "Servers are given to people who are signed in only.\n", head, context)
        case .tooOften:
            text(
                .tooManyRequests, "Servers were asked for too often from this address.\n", head, context,
                extra: [("Retry-After", "60")])
        case .unavailable: text(.serviceUnavailable, "No registry answers; try again in a moment.\n", head, context)
        }
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
        var written = context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: status, headers: headers))))
        if head.method != .HEAD, !body.isEmpty {
            written = context.write(wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: body)))))
        }
        context.flush()
        // The answer ends, and the connection's next request begins, once it has left: whoever asks and asks and reads
        // nothing holds one answer here, and is then not read either. In a turn of its own: requests that came together
        // would be answered each on the stack of the one before.
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        written.whenSuccess {
            bound.value.1.eventLoop.execute {
                let (handler, context) = bound.value
                let channel = context.channel
                context.writeAndFlush(handler.wrapOutboundOut(.end(nil))).whenComplete { _ in
                    if !stay { channel.close(promise: nil) }
                }
            }
        }
    }
}
