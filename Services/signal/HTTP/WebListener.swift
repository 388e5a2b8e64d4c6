import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import ServiceKit
import Synchronization

/// What each connection is given.
struct WebParts: Sendable {
    let site: StaticSite
    let allowedOrigins: [String]
    let guests: GuestServers
    let limits: ConnectionLimits
    let metrics: SignalMetrics
    let events: AsyncStream<SocketEvent>.Continuation
    /// All connections of a source: a browser opens six for pages beside its sockets.
    let connections: AddressGate
    /// Its WebSockets.
    let sockets: AddressGate
}

/// Listens for browsers: pages, and the upgrade at `/ws`.
struct WebListener: Sendable {
    private static let nextID = Atomic<UInt64>(1)

    let parts: WebParts

    /// Binds. `certificates` is asked at each connection; nil: plain HTTP.
    func bind(_ address: HostPort, certificates: Certificates?, group: any EventLoopGroup, key: String) async throws
        -> any Channel
    {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 512)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.configure(channel, certificates) }
            }
        do {
            return try await bootstrap.bind(host: address.host, port: address.port).get()
        } catch {
            throw bindFailure(error, service: "signal", transport: "tcp", address: address, key: key)
        }
    }

    private func configure(_ channel: any Channel, _ certificates: Certificates?) throws {
        let source = Source.of(channel.remoteAddress)
        guard parts.connections.enter(source) else {
            parts.metrics.errors.increment([ErrorCode.tooManySockets.rawValue])
            throw ChannelError.operationUnsupported
        }
        channel.closeFuture.whenComplete { [connections = parts.connections] _ in connections.leave(source) }
        let pipeline = channel.pipeline.syncOperations
        if let certificates { try pipeline.addHandler(NIOSSLServerHandler(context: certificates.current)) }
        let page = PageHandler(site: parts.site, allowedOrigins: parts.allowedOrigins, guests: parts.guests)
        let leaving = NIOLoopBound(page, eventLoop: channel.eventLoop)
        let parts = parts
        let upgrader = NIOWebSocketServerUpgrader(
            maxFrameSize: SocketHandler.messageLimit + 64 * 1024, automaticErrorHandling: false,
            shouldUpgrade: { channel, head in channel.eventLoop.makeSucceededFuture(Self.upgradeHeaders(head, parts)) },
            upgradePipelineHandler: { channel, _ in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    pipeline.removeHandler(leaving.value, promise: nil)
                    try Self.open(channel, source, parts)
                }
            })
        try pipeline.configureHTTPServerPipeline(
            withServerUpgrade: (upgraders: [upgrader], completionHandler: { _ in }))
        try pipeline.addHandler(page)
    }

    private static func upgradeHeaders(_ head: HTTPRequestHead, _ parts: WebParts) -> HTTPHeaders? {
        guard head.method == .GET, head.uri.prefix(while: { $0 != "?" }) == "/ws",
            head.headers[canonicalForm: "sec-websocket-protocol"].contains("roost.1"),
            SecurityHeaders.allows(
                origin: head.headers.first(name: "origin"), host: head.headers.first(name: "host"),
                alsoAllowed: parts.allowedOrigins)
        else { return nil }
        return ["Sec-WebSocket-Protocol": "roost.1"]
    }

    private static func open(_ channel: any Channel, _ source: String, _ parts: WebParts) throws {
        let pipeline = channel.pipeline.syncOperations
        let id = nextID.wrappingAdd(1, ordering: .relaxed).oldValue
        try pipeline.addHandler(
            NIOWebSocketFrameAggregator(
                minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 64,
                maxAccumulatedFrameSize: SocketHandler.messageLimit + 1))
        let handler = SocketHandler(id: id, events: parts.events, limits: parts.limits, metrics: parts.metrics)
        try pipeline.addHandler(handler)
        guard parts.sockets.enter(source) else {
            channel.writeAndFlush(
                SocketCommand.cut(.tooManySockets, "Too many connections from this address. Close some tabs."),
                promise: nil)
            return
        }
        channel.closeFuture.whenComplete { [sockets = parts.sockets] _ in sockets.leave(source) }
    }
}
