import Bus
import Logging
import Messages
import NIOCore
import NIOPosix
public import ServiceKit
import ServiceLifecycle
import Store
import Time

/// Configuration keys of signal.
public enum SignalKeys {
    static let registry: ConfigurationKey<[String]> = .busAddresses(
        "registry", "Bus addresses of the registries; the first that answers is used.", placeholder: "unix:PATH,…",
        default: ["unix:/run/roost/registry-1.sock"])
    static let redis: ConfigurationKey<String> = .text(
        "redis", "Where Redis is: unix:///PATH or redis://HOST:PORT/DB.", placeholder: "URL",
        default: "redis://127.0.0.1:6379/0")
    static let https: ConfigurationKey<HostPort> = .hostPort(
        "https-listen", "Address for pages and WebSockets over TLS.", default: HostPort(host: "0.0.0.0", port: 8443))
    static let http: ConfigurationKey<HostPort> = .hostPort(
        "http-listen", "Address without TLS; browsers allow cameras there on this host only.",
        default: HostPort(host: "127.0.0.1", port: 8080))
    static let certificate: ConfigurationKey<String?> = .optionalText(
        "certificate", "Certificate chain, PEM; a self-signed one is made in the run folder if absent.",
        placeholder: "PATH")
    static let privateKey: ConfigurationKey<String?> = .optionalText(
        "private-key", "Private key of the certificate, PEM.", placeholder: "PATH")
    static let webRoot: ConfigurationKey<String> = .text(
        "web-root", "Folder of the pages.", placeholder: "PATH", default: "Services/signal/Web")
    static let origins: ConfigurationKey<[String]> = .list(
        "allowed-origins", "Origins of other sites whose pages may connect.", placeholder: "ORIGIN,…")
    static let socketsPerAddress: ConfigurationKey<Int> = .number(
        "sockets-per-address",
        "WebSockets at most from one address (IPv6: from one /64); four times as many sign in in half a minute.",
        in: 1...100_000, default: 50)
    static let guestIceServers: ConfigurationKey<Int> = .number(
        "guest-ice-servers",
        "How often a minute one address may ask for ICE servers without signing in, as /diagnostics does; 0: never.",
        in: 0...10_000, default: 30)

    /// All of them.
    public static let all: [any AnyConfigurationKey] = [
        registry, redis, https, http, certificate, privateKey, webRoot, origins, socketsPerAddress,
        guestIceServers,
    ]
}

/// The signal server: pages, WebSocket sessions, presence, ringing.
public enum SignalService {
    /// Runs it until it is told to end, and ends the process.
    public static func run() async -> Never {
        await ServiceMain.run(
            kind: "signal", summary: "serves pages, signs people in, rings", keys: SignalKeys.all,
            check: SignalKeys.problems,
            body: { try await parts($0) })
    }

    /// The instance and its life. An instance that came back answers for nobody until they resume.
    private static func busID(_ context: ServiceContext) throws -> String {
        let id = "\(context.id).\(context.bootID)"
        guard id.utf8.count <= 64, id.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw ServiceFailure(
                "signal: id '\(context.id)' has other than 1 to 47 printable ASCII characters. Set another --id.")
        }
        return id
    }

    /// Four times the sockets of an address at once, and as many again in each half minute that a session may be away: an office
    /// that comes back from lunch passes, and whoever says hello and drops leaves few sessions behind.
    private static func signIns(sockets: Int) -> SourceGate {
        SourceGate(
            burst: 4 * sockets, oneEach: Interval(nanoseconds: 30_000_000_000 / Int64(4 * sockets)),
            now: MonotonicClock.now)
    }

    private static func parts(_ context: ServiceContext) async throws -> [any Service] {
        let configuration = context.configuration
        let store = RedisStore(url: try RedisURL(parsing: configuration[SignalKeys.redis]), logger: context.logger)
        let registries = try configuration[SignalKeys.registry].map { try BusAddress(parsing: $0) }
        let registry = BusClient(
            addresses: registries, name: context.id, limits: .watchful, logger: context.logger)
        let metrics = SignalMetrics(registry: context.metrics)
        let (events, continuation) = AsyncStream.makeStream(of: SocketEvent.self)
        guard let address = context.busListen.first else { throw ServiceFailure("signal: bus-listen is empty.") }
        let pool = PeerPool(name: context.id, logger: context.logger)
        let door = Door(
            parts: DoorParts(
                id: try busID(context), region: context.region, presence: Presence(store: store, address: address),
                registry: Roost_Registry_V1_RegistryClient(caller: registry), pool: pool, jobs: Jobs(),
                metrics: metrics,
                logger: context.logger, sessionLimits: SessionLimits(),
                signIns: signIns(sockets: configuration[SignalKeys.socketsPerAddress])))
        var router = BusRouter()
        router.add(signalPeer: SignalPeer(door: door))
        let server = BusServer(
            addresses: try context.busListen.map { try BusAddress(parsing: $0) }, router: router, name: context.id,
            logger: context.logger)
        try server.bind()

        let certificates = try Certificates(
            certificate: configuration[SignalKeys.certificate], privateKey: configuration[SignalKeys.privateKey],
            runFolder: context.runFolder)
        context.reload.add("certificate") { try certificates.reload() }
        let site = try StaticSite(folder: configuration[SignalKeys.webRoot])
        let perAddress = configuration[SignalKeys.socketsPerAddress]
        let web = WebListener(
            parts: WebParts(
                site: site, allowedOrigins: configuration[SignalKeys.origins],
                guests: GuestServers(
                    registry: Roost_Registry_V1_RegistryClient(caller: registry), region: context.region,
                    perMinute: configuration[SignalKeys.guestIceServers]),
                limits: ConnectionLimits(), metrics: metrics,
                events: continuation, connections: AddressGate(limit: perAddress * 4, total: 20_000),
                sockets: AddressGate(limit: perAddress, total: 20_000)))
        let group = MultiThreadedEventLoopGroup.singleton
        let http = try await web.bind(
            configuration[SignalKeys.http], certificates: nil, group: group, key: SignalKeys.http.name)
        let https = try await web.bind(
            configuration[SignalKeys.https], certificates: certificates, group: group, key: SignalKeys.https.name)
        let watch = ReadinessWatch(
            store: store, registry: registry,
            redis: context.readiness.condition("redis", waitingFor: "the first connection"),
            registries: context.readiness.condition("registry", waitingFor: "the first connection"))
        return [
            Part { await store.run() },
            Part { try await registry.run() },
            Part { try await server.run() },
            Part { await watch.run() },
            DoorPart(door: door, events: events, news: store.subscribe(channels: [PresenceScripts.news]), pool: pool),
            ListenerPart(channels: [http, https]),
        ]
    }
}

/// Work that goes on until the service drains.
private struct Part: Service {
    let body: @Sendable () async throws -> Void

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await body() }
    }
}

private struct DoorPart: Service {
    let door: Door
    let events: AsyncStream<SocketEvent>
    let news: AsyncStream<RedisMessage>
    let pool: PeerPool

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await door.run(events: events, news: news)
        }
        await door.close()
        // What the sockets were told leaves with them.
        try? await Task.sleep(for: .milliseconds(300))
        pool.close()
    }
}

private struct ListenerPart: Service {
    let channels: [any Channel]

    func run() async throws {
        try? await gracefulShutdown()
        for channel in channels { try? await channel.close() }
    }
}

/// Says in `/readyz` what is missing.
private struct ReadinessWatch: Sendable {
    let store: RedisStore
    let registry: BusClient
    let redis: Readiness.Condition
    let registries: Readiness.Condition

    func run() async {
        while !Task.isCancelled {
            if let reason = store.outage {
                redis.notReady("Redis is away: \(reason). Sign-in waits for it.")
            } else {
                redis.ready()
            }
            if registry.isConnected {
                registries.ready()
            } else {
                registries.notReady("No registry answers: no call can be placed.")
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }
}
