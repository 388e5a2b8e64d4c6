import Addresses
import Attachment
import Bus
import Foundation
import Logging
import Messages
import RedisServer
import Registry
import Store
import Synchronization
import Testing
import Time

let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Registries beside one Redis, each on a Unix socket in a fresh folder.
final class TestCluster: Sendable {
    let folder: String
    private let tasks = Mutex<[String: [Task<Void, Never>]]>([:])
    private let clusters = Mutex<[String: Cluster]>([:])

    init() throws {
        folder = NSTemporaryDirectory() + "/rr-\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func address(_ id: String) -> BusAddress { .unix(path: "\(folder)/\(id).sock") }

    /// The inside of a registry.
    func cluster(_ id: String) throws -> Cluster { try #require(clusters.withLock { $0[id] }) }

    /// Starts a registry.
    func start(_ id: String, redis: String, secrets: TurnSecrets? = nil, expectedNodes: [String] = []) throws {
        let store = RedisStore(url: RedisURL(unixPath: redis), logger: silent)
        let cluster = Cluster(id: id, store: store, secrets: secrets, logger: silent, expectedNodes: expectedNodes)
        clusters.withLock { $0[id] = cluster }
        var router = BusRouter()
        router.add(registry: RegistryService(cluster: cluster))
        let server = BusServer(addresses: [address(id)], router: router, logger: silent)
        try server.bind()
        // In this order they are ended, too: a killed process tells Redis nothing.
        let parts = [
            Task { await store.run() }, Task { await cluster.run() }, Task { _ = try? await server.run() },
        ]
        tasks.withLock { $0[id] = parts }
    }

    /// Ends a registry without a word, as `kill -9` would.
    func kill(_ id: String) async {
        for task in tasks.withLock({ $0.removeValue(forKey: id) ?? [] }) {
            task.cancel()
            await task.value
        }
    }

    /// Ends all of them.
    func stop() async {
        for id in tasks.withLock({ Array($0.keys) }) { await kill(id) }
    }
}

/// Calls a registry.
final class TestClient: Sendable {
    private let client: BusClient
    private let task: Task<Void, Never>
    let registry: Roost_Registry_V1_RegistryClient

    init(_ address: BusAddress) {
        let client = BusClient(addresses: [address], logger: silent)
        self.client = client
        task = Task { _ = try? await client.run() }
        registry = Roost_Registry_V1_RegistryClient(caller: client)
    }

    deinit { task.cancel() }

    func place(_ room: String, dead: (node: String, boot: String) = ("", ""), region: String = "") async throws
        -> Roost_Registry_V1_PlaceRoomResponse
    {
        var request = Roost_Registry_V1_PlaceRoomRequest()
        request.room = room
        request.region = region
        request.notNodeID = dead.node
        request.notBootID = dead.boot
        return try await registry.placeRoom(request, options: CallOptions(timeout: .seconds(20)))
    }
}

/// A node attached to a registry, with the rooms that it is told to hold.
final class TestNode: Sendable {
    private struct State {
        var rooms: [String: UInt64]
        var told: [Roost_Registry_V1_AttachResponse.OneOf_Kind] = []
        var isOver = false
    }
    private let state: SharedState
    private let task: Task<Void, Never>

    /// Mutable state that outlives neither the node nor its task.
    private final class SharedState: Sendable {
        let value: Mutex<State>
        init(rooms: [String: UInt64]) { value = Mutex(State(rooms: rooms)) }

        var heldRooms: [Roost_Registry_V1_HeldRoom] {
            value.withLock { state in
                state.rooms.map { name, epoch in
                    var room = Roost_Registry_V1_HeldRoom()
                    room.room = name
                    room.epoch = epoch
                    return room
                }
            }
        }
    }

    init(
        _ id: String, boot: String = "1", kind: Roost_Registry_V1_NodeKind = .sfu, region: String = "",
        ice: [String] = [], media: [NodePorts] = [], relay: [NodePorts] = [], to address: BusAddress,
        rooms: [String: UInt64] = [:]
    ) {
        var node = Roost_Registry_V1_Node()
        node.nodeID = id
        node.bootID = boot
        node.kind = kind
        node.region = region
        node.iceUrls = ice
        node.mediaRanges = media.map(\.wire)
        node.relayRanges = relay.map(\.wire)
        node.busAddresses = ["unix:/nowhere/\(id)"]
        let state = SharedState(rooms: rooms)
        self.state = state
        task = Task { [node] in
            await Self.live(node, at: address, state)
            state.value.withLock { $0.isOver = true }
        }
    }

    deinit { task.cancel() }

    /// Ends its connection.
    func kill() async {
        task.cancel()
        await task.value
    }

    /// Whether its stream ended.
    var isOver: Bool { state.value.withLock { $0.isOver } }

    func hold(_ rooms: [String: UInt64]) { state.value.withLock { $0.rooms = rooms } }

    /// What the registry last said of the peers that are allowed; nil: nothing yet.
    var allowedPeers: [NodePorts]? {
        state.value.withLock { state in
            for kind in state.told.reversed() {
                if case .allowedPeers(let allowed) = kind {
                    return allowed.ranges.compactMap {
                        guard let address = IPAddress($0.address) else { return nil }
                        return NodePorts(address: address, ports: UInt16($0.firstPort)...UInt16($0.lastPort))
                    }
                }
            }
            return nil
        }
    }

    /// What the registry said, once it said something that `matches`; nil after 20 s.
    func waitTold(_ matches: (Roost_Registry_V1_AttachResponse.OneOf_Kind) -> Bool) async -> Bool {
        await within { self.state.value.withLock { $0.told.contains(where: matches) } }
    }

    private static func live(_ node: Roost_Registry_V1_Node, at address: BusAddress, _ state: SharedState) async {
        let client = BusClient(addresses: [address], logger: silent)
        await withTaskGroup { group in
            group.addTask { _ = try? await client.run() }
            group.addTask {
                guard let call = try? await Roost_Registry_V1_RegistryClient(caller: client).attach() else { return }
                await withTaskGroup { inner in
                    inner.addTask {
                        var request = Roost_Registry_V1_AttachRequest()
                        request.hello.node = node
                        request.hello.rooms = state.heldRooms
                        while (try? await call.requests.send(request)) != nil, !Task.isCancelled {
                            try? await Task.sleep(for: .milliseconds(200))
                            request.heartbeat.rooms = state.heldRooms
                        }
                    }
                    inner.addTask {
                        do {
                            for try await reply in call.replies {
                                if let kind = reply.kind { state.value.withLock { $0.told.append(kind) } }
                            }
                        } catch {}
                    }
                    await inner.next()
                    inner.cancelAll()
                }
            }
            await group.next()
            group.cancelAll()
        }
    }
}

/// Two registries `A` and `B` beside one Redis, and a client of each.
func withTwo(
    secrets: TurnSecrets? = nil,
    _ body: (TestCluster, RedisServer, _ a: TestClient, _ b: TestClient) async throws -> Void
) async throws {
    let redis = try RedisServer()
    let cluster = try TestCluster()
    try cluster.start("A", redis: redis.socket, secrets: secrets, expectedNodes: ["sfu-1"])
    try cluster.start("B", redis: redis.socket, secrets: secrets, expectedNodes: ["sfu-1"])
    let result: Result<Void, any Error>
    do {
        result = .success(
            try await body(cluster, redis, TestClient(cluster.address("A")), TestClient(cluster.address("B"))))
    } catch {
        result = .failure(error)
    }
    await cluster.stop()
    try result.get()
}

/// Whether this registry comes to know the node as live.
func isKnown(_ id: String, to client: TestClient) async -> Bool {
    await within {
        let nodes = try? await client.registry.listNodes(Roost_Registry_V1_ListNodesRequest()).nodes
        return nodes?.contains { $0.node.nodeID == id && $0.live } ?? false
    }
}

/// Whether it becomes true within 20 s: what is awaited is other threads' doing, and this machine may be busy.
func within(_ condition: () async -> Bool) async -> Bool {
    for _ in 0..<1_000 {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(20))
    }
    return false
}
