import Addresses
import Attachment
import Bus
import Logging
import Messages
import ServiceKit
import ServiceLifecycle
import Synchronization
import TURNServer

/// This server among the others: attached to a registry, which hands it out, drains it and tells it whom to let in.
struct Fleet: Sendable {
    let quota: any FleetQuota
    private let context: ServiceContext
    private let registries: [BusAddress]
    private let ready: Readiness.Condition

    /// Nil for a server that stands alone.
    init?(context: ServiceContext) throws {
        let addresses = context.configuration[TurnKeys.registry]
        guard !addresses.isEmpty else { return nil }
        self.context = context
        registries = try addresses.map { try BusAddress(parsing: $0) }
        ready = context.readiness.condition("registry", waitingFor: "not attached to a registry yet")
        quota = NoFleet()
    }

    /// Stays attached until a drain.
    func part(loops: TurnLoops, urls: [String], relays: [IPAddress], settings: TurnSettings) -> any Service {
        let draining = DrainFlag()
        let load = ProcessLoad()
        let (ready, logger) = (ready, context.logger)
        let attachment = NodeAttachment(
            node: node(urls: urls, cores: load.coreCount), registries: registries, logger: logger,
            heartbeat: {
                var heartbeat = Roost_Registry_V1_Heartbeat()
                heartbeat.load.cpu = load.cpu()
                heartbeat.load.members = UInt32(clamping: loops.allocationCount)
                heartbeat.draining = draining.isSet
                return heartbeat
            },
            command: { command in
                // Rooms are not for a turn server; draining is: the registry gives it to no more clients.
                guard case .setDraining(let value) = command else { return }
                logger.info("the registry sets draining", metadata: ["draining": "\(value)"])
                draining.set(value)
            },
            stateChanged: { state in
                switch state {
                case .attached: ready.ready()
                case .detached(let reason): ready.notReady(reason)
                }
            })
        return AttachmentPart(attachment: attachment)
    }

    private func node(urls: [String], cores: Int) -> Roost_Registry_V1_Node {
        var node = Roost_Registry_V1_Node()
        node.nodeID = context.id
        node.kind = .turn
        node.bootID = context.bootID
        node.region = context.region
        node.version = Turn.version
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
