import Bus
import Logging
import Messages
import Store
import SwiftProtobuf
import Synchronization
import Time

/// One node's Attach stream: what it said last, and what Redis was told of it.
///
/// `receive` and `tellAgain` may come from anywhere; `run` alone talks to Redis, one thing after the other.
final class Attachment: Sendable {
    /// How long Redis may not be told of a node before the node hears of it. With a heartbeat each second that fails after 600 ms it is
    /// so after 1.6 s; of the lease of 3 s that leaves asking the other registries (300 ms) and a new stream.
    private static let silence = Interval.milliseconds(1_200)

    /// Names the stream in Redis, unique in the cluster.
    let stream: String
    let node: Roost_Registry_V1_Node
    private unowned let cluster: Cluster
    private let info: [UInt8]
    private let latest = Mutex<Roost_Registry_V1_Heartbeat?>(nil)
    private let bell: AsyncStream<Void>
    private let ring: AsyncStream<Void>.Continuation

    init(cluster: Cluster, stream: String, node: Roost_Registry_V1_Node) {
        self.cluster = cluster
        self.stream = stream
        self.node = node
        info = (try? node.serializedBytes()) ?? []
        // Only the latest matters: a heartbeat says all there is.
        (bell, ring) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// The node said this; hello counts as a heartbeat without a load.
    func receive(_ heartbeat: Roost_Registry_V1_Heartbeat) {
        latest.withLock { latest in
            let load = latest?.load
            latest = heartbeat
            if !heartbeat.hasLoad, let load { latest?.load = load }
        }
        cluster.view.heard(node, heartbeat.load, isDraining: heartbeat.draining, now: MonotonicClock.now)
        for room in heartbeat.rooms { cluster.view.remember(placement(of: room.room, epoch: room.epoch)) }
        ring.yield()
    }

    /// Redis may have lost what it was told.
    func tellAgain() { ring.yield() }

    /// No more will be said.
    func finish() { ring.finish() }

    /// Tells Redis whatever is said until `finish`, and gives the node's commands to `send`. Throws if the node attached anew.
    func run(send: (Roost_Registry_V1_AttachResponse) async throws -> Void) async throws {
        var told = Told()
        var reached = MonotonicClock.now
        for await _ in bell {
            guard let heartbeat = latest.withLock({ $0 }) else { continue }
            await forgetRoomsGone(heartbeat, &told)
            // Before Redis is asked: what is known here is good enough.
            try await tellAllowedPeers(&told, send: send)
            do {
                try await tell(heartbeat, &told, send: send)
                reached = MonotonicClock.now
            } catch let error as StoreError {
                // The next heartbeat tells it; the node's rooms are remembered here meanwhile.
                cluster.logger.debug(
                    "a heartbeat did not reach Redis", metadata: ["node": "\(node.nodeID)", "reason": "\(error)"])
                // Other registries may have it still. Whether they have, the node asks: were all without, it would only wander.
                guard MonotonicClock.now - reached >= Self.silence else { continue }
                var away = Roost_Registry_V1_AttachResponse()
                away.storeAway = Roost_Registry_V1_StoreAway()
                try await send(away)
            }
        }
    }

    private struct Told {
        var report = RoomReport()
        var isHello = true
        var isDraining = false
        var held: [String: UInt64] = [:]
        var allowedPeers: Roost_Registry_V1_AllowedPeers?
        /// What the node was asked and has not done.
        var asked: Bool?
    }

    private func tellAllowedPeers(
        _ told: inout Told, send: (Roost_Registry_V1_AttachResponse) async throws -> Void
    ) async throws {
        guard node.kind == .turn, let allowed = cluster.allowedPeers, allowed != told.allowedPeers else { return }
        var response = Roost_Registry_V1_AttachResponse()
        response.allowedPeers = allowed
        try await send(response)
        told.allowedPeers = allowed
    }

    private func tell(
        _ heartbeat: Roost_Registry_V1_Heartbeat, _ told: inout Told,
        send: (Roost_Registry_V1_AttachResponse) async throws -> Void
    ) async throws {
        let load: [UInt8] = try heartbeat.load.serializedBytes()
        let pulse = try await cluster.placement.beat(
            .init(
                id: node.nodeID, kind: node.kind.rawValue, boot: node.bootID, stream: stream, info: info, load: load,
                isDraining: heartbeat.draining, isHello: told.isHello))
        guard case .leased(let era, let knowsRooms, let wantsDraining) = pulse else { throw replaced }
        // Others hear at once of who came, or leaves the lists.
        if told.isHello || told.isDraining != heartbeat.draining { await cluster.tellOfNodes() }
        told.isHello = false
        told.isDraining = heartbeat.draining
        if !knowsRooms { told.report.startAnew() }
        let changes = told.report.changes(told.held, era: era)
        var foreign: [PlacementStore.Foreign] = []
        if changes.isNews {
            guard let rooms = try await cluster.placement.report(id: node.nodeID, boot: node.bootID, changes) else {
                throw replaced
            }
            foreign = rooms
        }
        told.report.accepted(changes, told.held, era: era)
        told.report.refused(foreign.map(\.room))
        for room in foreign { try await send(.closing(room)) }
        // Once each: a node that ends goes on draining whatever it is asked, and answers each command with a heartbeat.
        let ask = wantsDraining == heartbeat.draining ? nil : wantsDraining
        if let ask, ask != told.asked { try await send(.draining(ask)) }
        told.asked = ask
    }

    private func forgetRoomsGone(_ heartbeat: Roost_Registry_V1_Heartbeat, _ told: inout Told) async {
        let rooms = Dictionary(heartbeat.rooms.map { ($0.room, $0.epoch) }) { max($0, $1) }
        let gone = told.held.filter { rooms[$0.key] == nil }
        told.held = rooms
        for (room, epoch) in gone {
            cluster.view.forget(room, node: node.nodeID)
            await cluster.publish(placement(of: room, epoch: epoch), released: true)
        }
    }

    private var replaced: BusStatus { BusStatus(.aborted, "\(node.nodeID) attached anew through another stream") }

    private func placement(of room: String, epoch: UInt64) -> Roost_Registry_V1_Placement {
        var placement = Roost_Registry_V1_Placement()
        placement.room = room
        placement.nodeID = node.nodeID
        placement.bootID = node.bootID
        placement.epoch = epoch
        placement.busAddresses = node.busAddresses
        return placement
    }
}

extension Roost_Registry_V1_AttachResponse {
    fileprivate static func closing(_ room: PlacementStore.Foreign) -> Self {
        var response = Self()
        response.closeRoom.room = room.room
        response.closeRoom.epoch = room.epoch
        return response
    }

    fileprivate static func draining(_ draining: Bool) -> Self {
        var response = Self()
        response.setDraining.draining = draining
        return response
    }
}
