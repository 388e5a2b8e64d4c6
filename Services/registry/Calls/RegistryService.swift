package import Bus
import Logging
package import Messages
import Store
import SwiftProtobuf
import Time

/// The registry's calls on the bus; what they do is the cluster's.
package struct RegistryService: Roost_Registry_V1_RegistryService {
    /// Rooms of one node: as many as fit into a heartbeat of 4 MiB, the bus's largest frame, with some room.
    static let mostRooms = 20_000
    /// How often a node tells its state; two may be lost before the lease of 3 s ends.
    static let heartbeat = Interval.seconds(1)

    private let cluster: Cluster

    /// The calls of this cluster.
    package init(cluster: Cluster) { self.cluster = cluster }

    /// A node's life.
    package func attach(
        _ requests: BusReplies<Roost_Registry_V1_AttachRequest>, replies: BusWriter<Roost_Registry_V1_AttachResponse>,
        context: CallContext
    ) async throws {
        var iterator = requests.makeAsyncIterator()
        guard case .hello(let hello)? = try await iterator.next()?.kind else {
            throw BusStatus(.invalidArgument, "the first message of Attach must be hello")
        }
        try check(hello.node)
        let attachment = cluster.attach(hello)
        defer { cluster.detach(attachment) }
        cluster.logger.info(
            "a node attached",
            metadata: ["node": "\(hello.node.nodeID)", "boot": "\(hello.node.bootID)", "rooms": "\(hello.rooms.count)"])
        var first = Roost_Registry_V1_Heartbeat()
        first.rooms = hello.rooms
        first.draining = hello.draining
        attachment.receive(first)
        cluster.refreshAllowedPeers()
        // Before Redis is asked: a node must be able to attach while Redis is away.
        try await replies.send(attached)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await attachment.run { try await replies.send($0) } }
            group.addTask { try await Self.read(requests, into: attachment) }
            group.addTask { [cluster] in try await cluster.whenDraining() }
            defer {
                attachment.finish()
                group.cancelAll()
            }
            // The first to end ends the stream: the node went, it attached anew elsewhere, or this registry restarts.
            try await group.next()
        }
    }

    private static func read(
        _ requests: BusReplies<Roost_Registry_V1_AttachRequest>, into attachment: Attachment
    ) async throws {
        for try await request in requests {
            guard case .heartbeat(let heartbeat) = request.kind else { continue }
            guard heartbeat.rooms.count <= mostRooms else {
                throw BusStatus(.resourceExhausted, "a node may hold \(mostRooms) rooms")
            }
            attachment.receive(heartbeat)
        }
    }

    /// The node of a room.
    package func placeRoom(
        _ request: Roost_Registry_V1_PlaceRoomRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_PlaceRoomResponse {
        try await cluster.place(request, until: context.deadline)
    }

    /// Forgets a room that ended.
    package func releaseRoom(
        _ request: Roost_Registry_V1_ReleaseRoomRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_ReleaseRoomResponse {
        try await cluster.release(request)
    }

    /// All nodes.
    package func listNodes(
        _ request: Roost_Registry_V1_ListNodesRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_ListNodesResponse {
        await cluster.nodes(request)
    }

    /// Changes of placement from now on, as hints.
    package func watchRooms(
        _ request: Roost_Registry_V1_WatchRoomsRequest, replies: BusWriter<Roost_Registry_V1_WatchRoomsResponse>,
        context: CallContext
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [cluster] in
                for await news in cluster.store.subscribe(channels: [Cluster.roomsChannel]) {
                    guard case .message(_, let payload) = news,
                        let change = try? Roost_Registry_V1_WatchRoomsResponse(serializedBytes: payload)
                    else { continue }
                    try await replies.send(change)
                }
            }
            group.addTask { [cluster] in try await cluster.whenDraining() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// STUN and TURN servers for one client.
    package func iceServers(
        _ request: Roost_Registry_V1_IceServersRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_IceServersResponse {
        try cluster.iceServers(request)
    }

    /// Takes a node out of placement, or back in.
    package func drainNode(
        _ request: Roost_Registry_V1_DrainNodeRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_DrainNodeResponse {
        try await cluster.drain(request)
        return Roost_Registry_V1_DrainNodeResponse()
    }

    /// Whether a user may have one more allocation.
    package func reserveAllocation(
        _ request: Roost_Registry_V1_ReserveAllocationRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_ReserveAllocationResponse {
        try await cluster.reserve(request)
    }

    /// Allocations are over.
    package func releaseAllocations(
        _ request: Roost_Registry_V1_ReleaseAllocationsRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_ReleaseAllocationsResponse {
        try await cluster.release(request)
        return Roost_Registry_V1_ReleaseAllocationsResponse()
    }

    /// Allocations stand.
    package func assertAllocations(
        _ request: Roost_Registry_V1_AssertAllocationsRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_AssertAllocationsResponse {
        try await cluster.assert(request)
        return Roost_Registry_V1_AssertAllocationsResponse()
    }

    private var attached: Roost_Registry_V1_AttachResponse {
        var response = Roost_Registry_V1_AttachResponse()
        response.attached.registryID = cluster.id
        response.attached.heartbeatMs = UInt32(Self.heartbeat.milliseconds)
        response.attached.leaseMs = UInt32(ClusterView.lease.milliseconds)
        return response
    }

    private func check(_ node: Roost_Registry_V1_Node) throws(BusStatus) {
        try cluster.check(node.nodeID, "node_id", limit: 64)
        try cluster.check(node.bootID, "boot_id", limit: 64)
        guard node.kind == .sfu || node.kind == .turn else {
            throw BusStatus(.invalidArgument, "kind must be SFU or TURN")
        }
        guard node.busAddresses.count <= 8, node.iceUrls.count <= 16 else {
            throw BusStatus(.invalidArgument, "at most 8 bus_addresses and 16 ice_urls")
        }
        let ranges = node.relayRanges + node.mediaRanges
        guard ranges.count <= PeerList.mostOfANode, ranges.allSatisfy(\.isExact) else {
            throw BusStatus(
                .invalidArgument,
                "at most \(PeerList.mostOfANode) relay_ranges and media_ranges, each an address and its ports"
            )
        }
    }
}
