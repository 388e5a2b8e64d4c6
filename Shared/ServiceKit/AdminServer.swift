import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle

/// The operator's small HTTP server: `/metrics`, `/healthz` (this process alone) and `/readyz` (with reasons).
package final class AdminServer: Service {
    /// Prometheus, a balancer and some people: more than this is a mistake or an attack.
    static let connectionLimit = 64
    /// A client that says nothing for this long is cut, so that the limit is not held by the dead.
    static let idleTimeout: TimeAmount = .seconds(75)

    private let channel: any Channel
    /// Where it really listens, with the port that the system chose.
    package let address: HostPort

    /// Binds at once, so that an occupied address is found before anything else starts.
    package init(
        service: String, address: HostPort, metrics: MetricsRegistry, readiness: Readiness
    )
        async throws(ServiceFailure)
    {
        let connections = ConnectionCount(limit: Self.connectionLimit)
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                guard connections.enter() else { return channel.close() }
                channel.closeFuture.whenComplete { _ in connections.leave() }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandlers([
                        IdleStateHandler(readTimeout: Self.idleTimeout),
                        AdminHandler(metrics: metrics, readiness: readiness),
                    ])
                }
            }
        do {
            channel = try await bootstrap.bind(host: address.host, port: address.port).get()
        } catch {
            throw bindFailure(
                error, service: service, transport: "tcp", address: address, key: CommonKeys.adminListen.name)
        }
        self.address = HostPort(host: address.host, port: channel.localAddress?.port ?? address.port)
    }

    /// Serves until the graceful shutdown.
    package func run() async throws {
        try? await gracefulShutdown()
        try? await channel.close()
    }

    /// For a start that failed after the bind.
    package func close() async { try? await channel.close() }
}

/// Why an address cannot be listened on, and what to do, in the words of every service.
public func bindFailure(
    _ error: any Error, service: String, transport: String, address: HostPort, key: String
) -> ServiceFailure {
    let number = (error as? IOError)?.errnoCode ?? 0
    let what = "\(service): cannot bind \(transport) \(address): "
    let filter = "sport = :\(address.port)"
    return switch number {
    case EADDRINUSE:
        ServiceFailure(
            what + "address in use. Another process holds it "
                + "(ss -\(transport == "udp" ? "lunp" : "ltnp") '\(filter)'): stop it, or set --\(key) to a free port.")
    case EACCES:
        ServiceFailure(what + "permission denied. Ports below 1024 need privileges: set --\(key) to a higher one.")
    case EADDRNOTAVAIL:
        ServiceFailure(
            what + "this host has no such address. Set --\(key) to one of its own (ip address), or to 0.0.0.0.")
    default:
        ServiceFailure(what + "\(error). Check --\(key).")
    }
}
