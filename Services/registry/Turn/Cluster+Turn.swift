import Bus
import Logging
package import Messages
import Store
import TURN
import Time

/// What turn servers and their clients ask of a registry.
extension Cluster {
    /// What clients are told to ask again after, where nothing that they are given ends.
    private static let renewal = Interval.seconds(3_600)
    /// A user's name in a credential: USERNAME has at most 508 bytes (RFC 8489 §14.3), the expiry and more are in it.
    private static let longestUser = 256
    /// Allocations in one call: half a Redis pipeline's worth of work, some milliseconds.
    static let mostAllocations = 1_000

    /// STUN and TURN servers for a client: live, not draining, in its region first. TURN only with a secret.
    package func iceServers(_ request: Roost_Registry_V1_IceServersRequest) throws
        -> Roost_Registry_V1_IceServersResponse
    {
        guard request.user.utf8.count <= Self.longestUser else {
            throw BusStatus(.invalidArgument, "user must have at most \(Self.longestUser) bytes")
        }
        let now = MonotonicClock.now
        let entries = view.entries
        var random = SystemRandomNumberGenerator()
        let chosen = IceServerChoice.choose(
            from: entries.values.filter { $0.node.kind == .turn && !$0.node.iceUrls.isEmpty }.map {
                NodeShare(turn: $0, now: now)
            },
            region: request.region, using: &random)
        let lifetime = secrets.map { secrets in
            request.lifetimeS == 0 ? secrets.lifetime : min(secrets.lifetime, .seconds(Int64(request.lifetimeS)))
        }
        let credential = lifetime.flatMap { secrets?.credential(for: request.user, lasting: $0, now: .now) }
        var response = Roost_Registry_V1_IceServersResponse()
        for id in chosen {
            guard let node = entries[id]?.node else { continue }
            var server = Roost_Registry_V1_IceServer()
            server.urls = credential == nil ? node.iceUrls.filter { !$0.isTURN } : node.iceUrls
            if let credential, server.urls.contains(where: \.isTURN) {
                server.username = credential.username
                server.credential = credential.password
            }
            if !server.urls.isEmpty { response.servers.append(server) }
        }
        response.lifetimeS = UInt32(clamping: (lifetime ?? Self.renewal).milliseconds / 1_000)
        return response
    }

    /// Whether a user may have one more allocation.
    package func reserve(_ request: Roost_Registry_V1_ReserveAllocationRequest) async throws
        -> Roost_Registry_V1_ReserveAllocationResponse
    {
        let allocation = try checked([request.allocation])[0]
        let server = try server(request.nodeID, request.bootID)
        guard request.limit > 0 else { throw BusStatus(.invalidArgument, "limit must be at least 1") }
        let verdict = try await asking {
            try await allocations.reserve(allocation, on: server, limit: Int(request.limit))
        }
        var response = Roost_Registry_V1_ReserveAllocationResponse()
        response.granted = verdict.isGranted
        response.held = UInt32(clamping: verdict.held)
        return response
    }

    /// Allocations are over.
    package func release(_ request: Roost_Registry_V1_ReleaseAllocationsRequest) async throws {
        let (over, server) = (try checked(request.allocations), try server(request.nodeID, request.bootID))
        try await asking { try await allocations.release(over, on: server) }
    }

    /// Allocations stand.
    package func assert(_ request: Roost_Registry_V1_AssertAllocationsRequest) async throws {
        let (standing, server) = (try checked(request.allocations), try server(request.nodeID, request.bootID))
        guard try await asking({ try await allocations.assert(standing, on: server) }) else {
            throw BusStatus(.aborted, "\(request.nodeID) runs in another boot")
        }
    }

    private func server(_ node: String, _ boot: String) throws(BusStatus) -> AllocationStore.Server {
        try check(node, "node_id", limit: 64)
        try check(boot, "boot_id", limit: 64)
        return AllocationStore.Server(node: node, boot: boot)
    }

    private func checked(_ allocations: [Roost_Registry_V1_Allocation]) throws(BusStatus)
        -> [AllocationStore.Allocation]
    {
        guard allocations.count <= Self.mostAllocations else {
            throw BusStatus(.invalidArgument, "at most \(Self.mostAllocations) allocations at once")
        }
        for allocation in allocations { try check(allocation.user, "user", limit: 512) }
        return allocations.map { AllocationStore.Allocation(user: $0.user, id: $0.allocationID) }
    }
}

extension NodeShare {
    /// A turn server, whose work is allocations.
    fileprivate init(turn entry: ClusterView.Entry, now: Instant) {
        self.init(
            id: entry.node.nodeID, region: entry.node.region, isOpen: entry.isLive(now) && !entry.isDraining,
            cpu: entry.load.cpu, egress: Double(entry.load.egressBps),
            egressCapacity: Double(entry.node.capacity.egressBps), rooms: Int(entry.load.allocations),
            roomCapacity: Int(entry.node.capacity.allocations), cores: max(1, Int(entry.node.capacity.cores)),
            roomsPerCore: IceServerChoice.allocationsPerCore)
    }
}

extension String {
    /// Whether this ICE URL needs a credential (RFC 7065 §3.1: schemes have no case).
    fileprivate var isTURN: Bool {
        let scheme = prefix { $0 != ":" }.lowercased()
        return scheme == "turn" || scheme == "turns"
    }
}
