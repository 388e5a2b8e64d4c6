import Addresses
import Attachment
import Bus
import Logging
import Messages
import PacketIO
public import ServiceKit
public import ServiceLifecycle
import Synchronization

/// The turn server: STUN over UDP, known to a registry, which hands it out to clients.
public enum Turn {
    /// What it says of itself to the registry.
    static let version = "0.1"

    /// Runs the service until SIGTERM, and ends the process.
    public static func main() async -> Never {
        await ServiceMain.run(kind: "turn", summary: "answers STUN", keys: TurnKeys.all) { context in
            try parts(of: context)
        }
    }

    /// The parts of the service in the order in which they start: sockets are bound before any registry hears of them, and
    /// at a drain the registry hears first.
    public static func parts(of context: ServiceContext) throws -> [any Service] {
        let configuration = context.configuration
        let loops: StunLoops
        do {
            loops = try StunLoops(
                listen: configuration[TurnKeys.listen].compactMap { Endpoint($0) },
                workers: configuration[TurnKeys.workers], rate: configuration[TurnKeys.rate])
        } catch {
            guard case .cannotBind = error else { throw error }
            throw ServiceFailure("\(error) The addresses are those of --listen (ROOST_LISTEN).")
        }
        TurnMetrics.register(loops: loops, in: context.metrics)
        let urls = Advertisement.urls(
            advertised: configuration[TurnKeys.advertise], bound: loops.endpoints, host: hostAddresses())
        context.logger.info(
            "answering stun",
            metadata: [
                "listen": "\(loops.endpoints.map(\.description).joined(separator: ","))",
                "ice_urls": "\(urls.joined(separator: ","))",
            ])

        let registry = context.readiness.condition("registry", waitingFor: "not attached to a registry yet")
        let draining = DrainFlag()
        let load = ProcessLoad()
        let attachment = NodeAttachment(
            node: node(context, urls: urls, cores: load.coreCount),
            registries: try configuration[AttachmentKeys.registry].map { try BusAddress(parsing: $0) },
            logger: context.logger,
            heartbeat: {
                var heartbeat = Roost_Registry_V1_Heartbeat()
                heartbeat.load.cpu = load.cpu()
                heartbeat.draining = draining.isSet
                return heartbeat
            },
            command: { command in
                // Rooms are not for a turn server; draining is: the registry gives it to no more clients.
                guard case .setDraining(let value) = command else { return }
                context.logger.info("the registry sets draining", metadata: ["draining": "\(value)"])
                draining.set(value)
            },
            stateChanged: { state in
                switch state {
                case .attached: registry.ready()
                case .detached(let reason): registry.notReady(reason)
                }
            })
        return [LoopsPart(loops: loops), AttachmentPart(attachment: attachment)]
    }

    private static func node(_ context: ServiceContext, urls: [String], cores: Int) -> Roost_Registry_V1_Node {
        var node = Roost_Registry_V1_Node()
        node.nodeID = context.id
        node.kind = .turn
        node.bootID = context.bootID
        node.region = context.region
        node.version = version
        node.capacity.cores = UInt32(clamping: cores)
        node.iceUrls = urls
        return node
    }
}

/// Whether the server is leaving the list that clients get.
private final class DrainFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set(_ value: Bool) { flag.store(value, ordering: .relaxed) }
}

/// Answers until a drain. STUN leaves nothing open: whoever asks again is answered by another server.
private struct LoopsPart: Service {
    let loops: StunLoops
    func run() async throws {
        try await cancelWhenGracefulShutdown { try await loops.run() }
    }
}

/// Stays attached to a registry until a drain; its stream's end takes the server off the list.
private struct AttachmentPart: Service {
    let attachment: NodeAttachment
    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await attachment.run()
            } catch is CancellationError {
                // That is how it ends.
            }
        }
    }
}
