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
    private let attached = AttachmentPlace()
    /// Nil without a quota of users.
    private let counts: RegistryQuota?

    /// Nil for a server that stands alone.
    init?(context: ServiceContext) throws {
        let addresses = context.configuration[TurnKeys.registry]
        guard !addresses.isEmpty else { return nil }
        self.context = context
        registries = try addresses.map { try BusAddress(parsing: $0) }
        ready = context.readiness.condition("registry", waitingFor: "not attached to a registry yet")
        let limit = context.configuration[TurnKeys.userQuota]
        counts =
            limit == 0
            ? nil
            : RegistryQuota(node: context.id, boot: context.bootID, limit: limit, logger: context.logger) {
                [attached] in attached.attachment?.registry
            }
        if let counts { quota = counts } else { quota = NoFleet() }
    }

    /// Stays attached until the last allocation ended, for a registry forgets the relay addresses of a server that left, and
    /// then nobody may reach them; and says as the first thing of a drain that it takes no more clients.
    func parts(
        loops: TurnLoops, urls: [String], settings: TurnSettings
    ) -> (attachment: any Service, leaving: any Service) {
        let draining = DrainFlag()
        let load = ProcessLoad()
        let (ready, logger) = (ready, context.logger)
        let attachment = NodeAttachment(
            node: node(urls: urls, settings: settings, cores: load.coreCount), registries: registries, logger: logger,
            heartbeat: {
                var heartbeat = Roost_Registry_V1_Heartbeat()
                heartbeat.load.cpu = load.cpu()
                heartbeat.load.allocations = UInt32(clamping: loops.allocationCount)
                heartbeat.draining = draining.isSet
                return heartbeat
            },
            command: { command in
                switch command {
                // The registry gives it to no more clients.
                case .setDraining(let value):
                    logger.info("the registry sets draining", metadata: ["draining": "\(value)"])
                    draining.set(value)
                case .allowedPeers(let ports):
                    logger.debug("the registry says whom to let in", metadata: ["ranges": "\(ports.count)"])
                    await loops.update(allowedPeers: ports.map { PeerRange(address: $0.address, ports: $0.ports) })
                // Rooms are not for a turn server.
                case .closeRoom: break
                }
            },
            stateChanged: { state in
                switch state {
                case .attached: ready.ready()
                case .detached(let reason): ready.notReady(reason)
                }
            })
        attached.set(attachment)
        return (
            AttachmentPart(attachment: attachment, counts: counts), LeavingPart(attachment: attachment, flag: draining)
        )
    }

    private func node(urls: [String], settings: TurnSettings, cores: Int) -> Roost_Registry_V1_Node {
        var node = Roost_Registry_V1_Node()
        node.nodeID = context.id
        node.kind = .turn
        node.bootID = context.bootID
        node.region = context.region
        node.version = RoostVersion.text
        node.capacity.cores = UInt32(clamping: cores)
        node.capacity.allocations = UInt32(clamping: context.configuration[TurnKeys.totalQuota])
        node.iceUrls = urls
        node.relayRanges = settings.relayRanges.map { NodePorts(address: $0.address, ports: $0.ports).wire }
        return node
    }
}

extension RegistryQuota: FleetQuota {}

/// Whether the server is leaving the list that clients get.
private final class DrainFlag: Sendable {
    /// An operator's wish, which comes and goes.
    private let asked = Atomic<Bool>(false)
    /// The process ends: no wish brings it back.
    private let isLeaving = Atomic<Bool>(false)
    var isSet: Bool { asked.load(ordering: .relaxed) || isLeaving.load(ordering: .relaxed) }
    func set(_ value: Bool) { asked.store(value, ordering: .relaxed) }
    func leave() { isLeaving.store(true, ordering: .relaxed) }
}

/// At a drain, says so at once.
private struct LeavingPart: Service {
    let attachment: NodeAttachment
    let flag: DrainFlag

    func run() async throws {
        try await gracefulShutdown()
        flag.leave()
        attachment.beat()
    }
}

/// Stays attached to a registry until its turn comes in a drain; its stream's end takes the server off all lists.
private struct AttachmentPart: Service {
    let attachment: NodeAttachment
    let counts: RegistryQuota?

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await attachment.run() }
                    group.addTask { await counts?.run() }
                    try await group.waitForAll()
                }
            } catch is CancellationError {
                // That is how it ends.
            }
        }
    }
}

/// Where the attachment will be: quotas are asked for from a moment on that comes before it is made.
private final class AttachmentPlace: Sendable {
    private let place = Mutex<NodeAttachment?>(nil)
    var attachment: NodeAttachment? { place.withLock { $0 } }
    func set(_ attachment: NodeAttachment) { place.withLock { $0 = attachment } }
}
