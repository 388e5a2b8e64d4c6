import Addresses
import Attachment
import Bus
import Foundation
import Logging
import Messages
import PacketIO
public import ServiceKit
public import ServiceLifecycle
import TURNServer
import Time

/// The turn server: STUN and TURN over UDP, TCP and TLS; known to a registry, which hands it out to clients.
public enum Turn {
    /// Runs the service until SIGTERM, and ends the process.
    public static func main() async -> Never {
        await ServiceMain.run(
            kind: "turn", summary: "relays media: STUN and TURN", keys: TurnKeys.all, check: problems
        ) { context in
            try await parts(of: context)
        }
    }

    /// The parts of the service in the order in which they start; the sockets are bound before. A drain goes the other way: the
    /// registry hears of it first, then the allocations end, then the attachment does.
    public static func parts(of context: ServiceContext) async throws -> [any Service] {
        let configuration = context.configuration
        let relays = try relayAddresses(configuration)
        try check(relays)
        let settings = try TurnSettings(
            configuration, relayAddresses: relays, services: try services(of: context, relays),
            logger: context.logger)
        let tls = try certificate(configuration)
        let pool = RelayPool(addresses: relays, ports: configuration[TurnKeys.relayPorts])
        let fleet = try Fleet(context: context)
        let loops: TurnLoops
        do {
            loops = try TurnLoops(
                places(configuration, tls), workers: configuration[TurnKeys.workers],
                pace: .microseconds(Int64(configuration[TurnKeys.pace])), pool: pool, configuration: settings.current,
                quota: fleet?.quota ?? NoFleet())
        } catch {
            throw ServiceFailure("turn: \(error) The addresses are those of --listen, --tcp-listen and --tls-listen.")
        }
        TurnMetrics.register(loops: loops, pool: pool, in: context.metrics)
        let reread = context.reread
        context.reload.add("settings, users and secrets") {
            try settings.reload(try reread())
            await loops.update(settings)
        }
        if let tls { context.reload.add("certificate") { try tls.reload() } }

        var advertisement = Advertisement()
        (advertisement.udp, advertisement.tcp, advertisement.tls) = (loops.udp, loops.tcp, loops.tls)
        // Static users are for who configures them in a client; the registry gives out time-limited ones.
        advertisement.hasCredentials = configuration[TurnKeys.secretFile] != nil
        advertisement.external = settings.current.externalAddresses
        let urls = advertisement.urls(advertised: configuration[TurnKeys.advertise], host: hostAddresses())
        context.logger.info(
            "serving",
            metadata: [
                "udp": "\(list(loops.udp))", "tcp": "\(list(loops.tcp))", "tls": "\(list(loops.tls))",
                "relays": "\(relays.map(\.description).joined(separator: ","))",
                "ice_urls": "\(urls.joined(separator: ","))",
            ])
        if !settings.hasCredentials {
            context.logger.warning(
                "no credentials, so only STUN is answered", metadata: ["do": "set --secret-file or --users-file"])
        }
        // Ends last, so that the ends of allocations at a drain are told too.
        let events = EventsPart(log: AllocationLog(logger: context.logger), events: loops.events)
        let serving = LoopsPart(
            loops: loops, settings: settings, timeout: configuration[CommonKeys.drainTimeout], logger: context.logger)
        guard let fleet else { return [events, serving] }
        let (attachment, leaving) = fleet.parts(loops: loops, urls: urls, settings: settings)
        return [events, attachment, serving, leaving]
    }

    /// What is wrong with values that are each well formed: files that cannot be used. Not addresses: an interface may come up later,
    /// and a supervisor tries a bad configuration only once.
    private static func problems(_ configuration: ServiceConfiguration) -> [String] {
        do {
            _ = try certificate(configuration)
            if let path = configuration[TurnKeys.secretFile] { _ = try CredentialFiles.secrets(at: path) }
            if let path = configuration[TurnKeys.usersFile] {
                _ = try CredentialFiles.users(at: path, realm: configuration[TurnKeys.realm])
            }
            return []
        } catch {
            return ["\(error)"]
        }
    }

    private static func list(_ endpoints: [Endpoint]) -> String {
        endpoints.map(\.description).joined(separator: ",")
    }

    private static func places(_ configuration: ServiceConfiguration, _ tls: TLSContext?) -> TurnLoops.Places {
        let tcp = configuration[TurnKeys.tcpListen].compactMap { Endpoint($0) }
        // Without a certificate nothing is promised on the ports of TLS.
        let secure = tls == nil ? [] : configuration[TurnKeys.tlsListen].compactMap { Endpoint($0) }
        var limits = StreamLimits()
        limits.streams = max(1, configuration[TurnKeys.maxConnections] / configuration[TurnKeys.workers])
        limits.streamsPerSource = configuration[TurnKeys.connectionsPerAddress]
        limits.hasStrangers = true
        return TurnLoops.Places(
            udp: configuration[TurnKeys.listen].compactMap { Endpoint($0) },
            streams: tcp.map { ($0, false) } + secure.filter { !tcp.contains($0) }.map { ($0, true) },
            tls: tls, limits: limits)
    }

    private static func certificate(_ configuration: ServiceConfiguration) throws -> TLSContext? {
        switch (configuration[TurnKeys.certificate], configuration[TurnKeys.privateKey]) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return try TLSContext(certificateFile: certificate, keyFile: key)
        default:
            throw ServiceFailure("turn: --certificate and --private-key belong together; set both, or none for no TLS.")
        }
    }

    /// The configured addresses; else those that are listened at; else the host's first of each family, or loopback.
    private static func relayAddresses(_ configuration: ServiceConfiguration) throws -> [IPAddress] {
        let configured = configuration[TurnKeys.relayAddress].compactMap { IPAddress($0) }
        if !configured.isEmpty { return configured }
        let listen = [TurnKeys.listen, TurnKeys.tcpListen, TurnKeys.tlsListen]
            .flatMap { configuration[$0] }.compactMap { Endpoint($0)?.address }
        let concrete = listen.filter { !$0.isUnspecified }
        if !concrete.isEmpty { return concrete }
        let host = hostAddresses().filter { !$0.isLinkLocal }
        let v4 = host.first { $0.family == .v4 } ?? IPAddress(v4: 0x7f00_0001)
        return [v4] + host.filter { $0.family == .v6 }.prefix(1)
    }

    /// A relay address that cannot be bound is found at the start, not by the first client.
    private static func check(_ relays: [IPAddress]) throws(ServiceFailure) {
        for relay in relays {
            do throws(PacketIOError) {
                _ = try UDPSocket(binding: Endpoint(address: relay, port: 0), options: .relay)
            } catch {
                throw ServiceFailure(
                    "turn: cannot relay from \(relay): \(error.reason). Set --relay-address to one of this host's addresses "
                        + "(`ip address` shows them); what clients are told instead, behind a 1:1 NAT, is --external-ip."
                )
            }
        }
    }

    /// The cluster's own addresses: this server's admin address, and those of `--service-address`.
    private static func services(of context: ServiceContext, _ relays: [IPAddress]) throws -> [PeerRange] {
        let host = hostAddresses() + relays
        var places = context.configuration[TurnKeys.serviceAddress].compactMap { try? HostPort(parsing: $0) }
        // Where port 0 was asked for, the real one is there.
        let admin = try? String(contentsOfFile: context.runFolder.file("\(context.id).admin"), encoding: .utf8)
        let adminPlace = admin.flatMap { text in
            try? HostPort(parsing: String(text.filter { !$0.isWhitespace }))
        }
        places.append(adminPlace ?? context.configuration[CommonKeys.adminListen])
        return try places.flatMap { try ServiceAddresses.ranges(of: $0, host: host) }
    }
}

/// Serves until a drain, then until the allocations are gone.
private struct LoopsPart: Service {
    let loops: TurnLoops
    let settings: TurnSettings
    /// When it is over at the latest: by then the lifecycle cuts all parts, the log's among them.
    let timeout: Duration
    let logger: Logger

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await loops.run() }
            group.addTask {
                try await gracefulShutdown()
                await drain()
            }
            // A loop that fails ends the service; so does the end of the drain.
            try await group.next()
            group.cancelAll()
        }
    }

    private func drain() async {
        let end = ContinuousClock.now + timeout - min(timeout / 5, .seconds(1))
        settings.refuseAllocations()
        await loops.update(settings)
        // The workers' number may be a quarter of a second old, of which a client may have come.
        try? await Task.sleep(for: min(.milliseconds(300), timeout / 2))
        let left = loops.allocationCount
        if left > settings.drainFloor {
            logger.info("waiting for allocations to end", metadata: ["allocations": "\(left)"])
        }
        while loops.allocationCount > settings.drainFloor, ContinuousClock.now < end {
            guard (try? await Task.sleep(for: .milliseconds(100))) != nil else { break }
        }
        await loops.endAll()
    }
}

/// Writes the log lines of allocations.
private struct EventsPart: Service {
    let log: AllocationLog
    let events: AsyncStream<TURNEvent>

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await event in events { log.write(event) }
        }
    }
}
