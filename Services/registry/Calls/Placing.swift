import Bus
import Logging
package import Messages
import Store
import SwiftProtobuf
package import Time

extension Cluster {
    /// Longest wait for a Redis or a node that is on its way back: under the 5 s that callers wait by default.
    private static let patience = Interval.milliseconds(4_000)
    /// How often a placement that has to wait is tried again.
    private static let retryEvery = Interval.milliseconds(60)
    /// Candidates offered to the script: if the first just went away, the next is taken in the same call.
    private static let candidates = 3

    /// The node of a room. Waits for what is soon over (an outage of Redis, nodes that still report), and then says what is amiss.
    package func place(
        _ request: Roost_Registry_V1_PlaceRoomRequest, until deadline: Instant?
    ) async throws -> Roost_Registry_V1_PlaceRoomResponse {
        try check(request.room, "room", limit: 128)
        let start = MonotonicClock.now
        // A reply must still travel.
        let end = min(start + Self.patience, deadline.map { $0 - .milliseconds(200) } ?? .distantFuture)
        var random = SystemRandomNumberGenerator()
        while true {
            let now = MonotonicClock.now
            if !store.isConnected, let known = remembered(request, now: now) { return known }
            let nodes = PlacementPolicy.choose(
                from: view.shares(now: now), region: request.region, count: Self.candidates, using: &random)
            let reason: BusStatus
            do {
                switch try await placement.place(
                    room: request.room, deadNode: request.notNodeID, deadBoot: request.notBootID, candidates: nodes)
                {
                case .at(let node, let boot, let epoch, let info, let isNew):
                    return try await answer(request.room, node, boot, epoch, info, isNew)
                case .frozen(let why):
                    throw BusStatus(.unavailable, "placement is frozen: \(why). Rooms that have a live node go on.")
                case .settling(let why): reason = BusStatus(.unavailable, "nothing is placed yet: \(why)")
                case .noNode:
                    reason = noNode(now: now)
                    try? await survey()
                }
            } catch let error as StoreError {
                if let known = remembered(request, now: MonotonicClock.now) { return known }
                reason = BusStatus(.unavailable, "the room cannot be placed: \(error)")
            }
            guard MonotonicClock.now + Self.retryEvery < end else { throw reason }
            try await Task.sleep(for: Self.retryEvery.duration)
        }
    }

    /// Forgets a room that ended.
    package func release(_ request: Roost_Registry_V1_ReleaseRoomRequest) async throws
        -> Roost_Registry_V1_ReleaseRoomResponse
    {
        try check(request.room, "room", limit: 128)
        let isReleased = try await asking {
            try await placement.release(room: request.room, node: request.nodeID, epoch: request.epoch)
        }
        if isReleased {
            view.forget(request.room, node: request.nodeID)
            var gone = Roost_Registry_V1_Placement()
            gone.room = request.room
            gone.nodeID = request.nodeID
            gone.epoch = request.epoch
            await publish(gone, released: true)
        }
        var response = Roost_Registry_V1_ReleaseRoomResponse()
        response.released = isReleased
        return response
    }

    /// Takes a node out of placement, or back in; the registry that it is attached to tells it within a heartbeat.
    package func drain(_ request: Roost_Registry_V1_DrainNodeRequest) async throws {
        try check(request.nodeID, "node_id", limit: 64)
        guard try await asking({ try await placement.drain(id: request.nodeID, request.draining) }) else {
            throw BusStatus(.notFound, "no node \(request.nodeID) has been attached within the last hour")
        }
        try? await survey()
        await tellOfNodes()
    }

    /// All nodes of a kind, or of any.
    package func nodes(_ request: Roost_Registry_V1_ListNodesRequest) async -> Roost_Registry_V1_ListNodesResponse {
        // Fresh where Redis answers, else what was last known.
        if store.isConnected { try? await survey() }
        let now = MonotonicClock.now
        var response = Roost_Registry_V1_ListNodesResponse()
        response.placementFrozen = view.holdUp.frozen != nil
        response.storeAway = outage != nil
        for (_, entry) in view.entries.sorted(by: { $0.key < $1.key })
        where request.kind == .unspecified || request.kind == entry.node.kind {
            var state = Roost_Registry_V1_NodeState()
            state.node = entry.node
            state.load = entry.load
            state.draining = entry.isDraining
            state.live = entry.isLive(now)
            state.leaseLeftMs = UInt64(max(0, (entry.liveUntil - now).milliseconds))
            response.nodes.append(state)
        }
        return response
    }

    /// Refuses names that are empty or too long for a key.
    func check(_ text: String, _ field: String, limit: Int) throws(BusStatus) {
        guard !text.isEmpty, text.utf8.count <= limit else {
            throw BusStatus(.invalidArgument, "\(field) must have 1 to \(limit) bytes")
        }
    }

    func asking<Value>(_ ask: () async throws -> Value) async throws -> Value {
        do { return try await ask() } catch let error as StoreError { throw BusStatus(.unavailable, error.description) }
    }

    private func answer(
        _ room: String, _ node: String, _ boot: String, _ epoch: UInt64, _ info: [UInt8], _ isNew: Bool
    ) async throws -> Roost_Registry_V1_PlaceRoomResponse {
        var response = Roost_Registry_V1_PlaceRoomResponse()
        response.created = isNew
        response.placement.room = room
        response.placement.nodeID = node
        response.placement.bootID = boot
        response.placement.epoch = epoch
        response.placement.busAddresses = try Roost_Registry_V1_Node(serializedBytes: info).busAddresses
        view.remember(response.placement)
        logger.debug(
            "a room has its place", metadata: ["room": "\(room)", "node": "\(node)", "new": "\(isNew)"])
        if isNew {
            view.placed(on: node)
            await publish(response.placement, released: false)
        }
        return response
    }

    /// An answer from memory, unless the caller saw that node dead.
    private func remembered(
        _ request: Roost_Registry_V1_PlaceRoomRequest, now: Instant
    ) -> Roost_Registry_V1_PlaceRoomResponse? {
        guard let placement = view.remembered(request.room, now: now),
            placement.nodeID != request.notNodeID || placement.bootID != request.notBootID
        else { return nil }
        var response = Roost_Registry_V1_PlaceRoomResponse()
        response.placement = placement
        return response
    }

    private func noNode(now: Instant) -> BusStatus {
        let live = view.entries.values.filter { $0.node.kind == .sfu && $0.isLive(now) }
        return live.isEmpty
            ? BusStatus(.unavailable, "no sfu-node is attached to a registry: start one")
            : BusStatus(.resourceExhausted, "every sfu-node is full or draining: \(live.count) are live. Start another")
    }
}
