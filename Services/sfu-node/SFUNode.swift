import Addresses
import Attachment
import Bus
import Logging
import MediaInterface
import Messages
import SFUMedia
public import ServiceKit
public import ServiceLifecycle
import Time

/// The sfu-node: rooms, served on the bus, known to a registry.
public enum SFUNode {
    /// Runs the service until SIGTERM, and ends the process.
    public static func main() async -> Never {
        await ServiceMain.run(kind: "sfu-node", summary: "holds rooms", keys: SFUNodeKeys.all) { context in
            try parts(of: context)
        }
    }

    /// The parts of the service in the order in which they start. They drain in reverse: the registry and the readers
    /// hear that this node goes before anything is closed.
    public static func parts(of context: ServiceContext) throws -> [any Service] {
        var limits = RoomLimits()
        limits.rooms = context.configuration[SFUNodeKeys.maxRooms]
        limits.members = context.configuration[SFUNodeKeys.maxMembers]
        let notices = MediaNotices()
        let media = try MediaHost(places(context), notices: notices)
        let host = RoomHost(limits: limits, notices: notices) { Moment(instant: MonotonicClock.now, wall: .now) }
        RoomMetrics.register(host: host, in: context.metrics)
        MediaMetrics.register(media: media, in: context.metrics)
        context.logger.info(
            "media is taken", metadata: ["addresses": "\(media.endpoints.map { "\($0)" }.joined(separator: " "))"])

        let listen = try context.busListen.map { try BusAddress(parsing: $0) }
        var router = BusRouter()
        router.add(rooms: RoomsService(host: host, media: media, logger: context.logger))
        let server = BusServer(addresses: listen, router: router, name: context.id, logger: context.logger)

        let registry = context.readiness.condition("registry", waitingFor: "not attached to a registry yet")
        let load = ProcessLoad()
        let attachment = NodeAttachment(
            node: node(context, limits: limits, listen: listen, cores: load.coreCount),
            registries: try context.configuration[AttachmentKeys.registry].map { try BusAddress(parsing: $0) },
            logger: context.logger, heartbeat: { await heartbeat(of: host, cpu: load.cpu()) },
            command: { await obey($0, host: host, logger: context.logger) },
            stateChanged: { state in
                switch state {
                case .attached: registry.ready()
                case .detached(let reason): registry.notReady(reason)
                }
            })
        return [
            RoomsPart(host: host), MediaLoopsPart(media: media), MediaPart(host: host, media: media),
            BusPart(server: server), FreedMemoryPart(host: host),
            AttachmentPart(attachment: attachment),
            ReleasePart(host: host, attachment: attachment, node: context.id, logger: context.logger),
            DrainPart(host: host, attachment: attachment),
        ]
    }

    /// Where media is taken, and what clients are told.
    private static func places(_ context: ServiceContext) -> MediaHost.Places {
        MediaHost.Places(
            listen: context.configuration[SFUNodeKeys.mediaListen].compactMap { Endpoint($0) },
            announced: context.configuration[SFUNodeKeys.mediaAddress].compactMap { IPAddress($0) },
            workers: context.configuration[SFUNodeKeys.mediaWorkers])
    }

    private static func node(
        _ context: ServiceContext, limits: RoomLimits, listen: [BusAddress], cores: Int
    ) -> Roost_Registry_V1_Node {
        var node = Roost_Registry_V1_Node()
        node.nodeID = context.id
        node.kind = .sfu
        node.bootID = context.bootID
        node.busAddresses = listen.map { "\($0)" }
        node.region = context.region
        node.version = RoostVersion.text
        node.capacity.rooms = UInt32(clamping: limits.rooms)
        node.capacity.cores = UInt32(clamping: cores)
        return node
    }

    private static func heartbeat(of host: RoomHost, cpu: Double) async -> Roost_Registry_V1_Heartbeat {
        let held = await host.held
        var heartbeat = Roost_Registry_V1_Heartbeat()
        heartbeat.load.cpu = cpu
        heartbeat.load.rooms = UInt32(clamping: held.count)
        heartbeat.load.members = UInt32(clamping: held.reduce(0) { $0 + $1.members })
        heartbeat.rooms = held.map { room in
            var wire = Roost_Registry_V1_HeldRoom()
            wire.room = room.room.text
            wire.epoch = room.epoch
            wire.members = UInt32(clamping: room.members)
            return wire
        }
        heartbeat.draining = await host.isDraining
        return heartbeat
    }

    private static func obey(_ command: NodeAttachment.Command, host: RoomHost, logger: Logger) async {
        switch command {
        case .closeRoom(let room, let epoch):
            logger.info("the registry says a room lives elsewhere", metadata: ["room": "\(room)", "epoch": "\(epoch)"])
            guard let id = RoomID(room) else { return }
            await host.close(id, epoch: epoch)
        case .setDraining(let draining):
            logger.info("the registry sets draining", metadata: ["draining": "\(draining)"])
            await host.setDraining(draining)
        case .allowedPeers: break
        }
    }
}
