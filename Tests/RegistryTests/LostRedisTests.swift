import Attachment
import Bus
import Foundation
import Messages
import RedisServer
import Registry
import Store
import Synchronization
import Testing
import Time

/// One registry loses its way to Redis, the other one has it.
@Suite struct LostRedisTests {
    /// A node that keeps itself attached, as an sfu-node does.
    private final class Node: Sendable {
        let attachment: NodeAttachment
        private let task: Task<Void, any Error>

        init(_ addresses: [BusAddress], rooms: [String: UInt64]) {
            var node = Roost_Registry_V1_Node()
            node.nodeID = "sfu-1"
            node.bootID = "1"
            node.kind = .sfu
            node.busAddresses = ["unix:/nowhere/sfu-1"]
            let seen = Seen()
            let attachment = NodeAttachment(
                node: node, registries: addresses, logger: silent,
                heartbeat: {
                    var beat = Roost_Registry_V1_Heartbeat()
                    beat.rooms = rooms.map { name, epoch in
                        var room = Roost_Registry_V1_HeldRoom()
                        room.room = name
                        room.epoch = epoch
                        return room
                    }
                    return beat
                }, command: { _ in },
                stateChanged: { state in
                    if case .attached(let registry) = state { seen.registries.withLock { $0.append(registry) } }
                })
            self.attachment = attachment
            self.seen = seen
            task = Task { try await attachment.run() }
        }

        private final class Seen: Sendable { let registries = Mutex<[String]>([]) }
        private let seen: Seen

        /// Where it was attached, in order.
        var attached: [String] { seen.registries.withLock { $0 } }

        func stop() async {
            task.cancel()
            _ = await task.result
        }
    }

    /// Registry `A` has a link to Redis that can be cut, registry `B` another; a node with a room is attached to `A`.
    private func withCut(
        _ body: (_ redis: RedisServer, _ cut: () async throws -> Void, Node, _ b: TestClient) async throws -> Void
    ) async throws {
        let redis = try RedisServer()
        let cluster = try TestCluster()
        let link = "\(cluster.folder)/link.sock"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: redis.socket)
        try cluster.start("A", redis: link, expectedNodes: ["sfu-1"])
        try cluster.start("B", redis: redis.socket, expectedNodes: ["sfu-1"])
        let node = Node([cluster.address("A"), cluster.address("B")], rooms: ["r": 7])
        let b = TestClient(cluster.address("B"))
        let result: Result<Void, any Error>
        do {
            #expect(await within { (try? await b.place("r").placement.epoch) == 7 })
            // B looks at Redis twice a second; from here on it knows the node.
            #expect(await within { (try? await isLive(b)) ?? false })
            try #require(node.attached == ["A"])
            let cut = {
                try FileManager.default.removeItem(atPath: link)
                // B comes back at once, A finds nothing any more.
                let killer = RedisStore(url: RedisURL(unixPath: redis.socket), logger: silent)
                let running = Task { await killer.run() }
                _ = try await killer.send(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
                running.cancel()
                await running.value
            }
            result = .success(try await body(redis, cut, node, b))
        } catch {
            result = .failure(error)
        }
        await node.stop()
        await cluster.stop()
        try result.get()
    }

    private func isLive(_ client: TestClient) async throws -> Bool {
        let nodes = try await client.registry.listNodes(Roost_Registry_V1_ListNodesRequest()).nodes
        return nodes.contains { $0.node.nodeID == "sfu-1" && $0.live }
    }

    @Test func `its nodes go to the other before their leases lapse, and their rooms stay`() async throws {
        try await withCut { redis, cut, node, b in
            try await cut()
            let start = ContinuousClock.now
            // For longer than a lease: at no moment does the other take the node for dead.
            var lapses: [String] = []
            while ContinuousClock.now - start < .seconds(5) {
                if try await !isLive(b) {
                    lapses.append("after \(ContinuousClock.now - start), attached to \(node.attached)")
                }
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(lapses == [])
            #expect(node.attached == ["A", "B"])
            #expect(node.attachment.unreadiness == nil)
            let placed = try await b.place("r").placement
            #expect(placed.nodeID == "sfu-1" && placed.epoch == 7)
        }
    }

    @Test func `where Redis is away for all, nodes stay where they are`() async throws {
        try await withCut { redis, _, node, b in
            redis.kill()
            try await Task.sleep(for: .seconds(4))
            #expect(node.attached == ["A"])
            try redis.start()
            #expect(await within { (try? await b.place("r").placement.epoch) == 7 })
        }
    }
}
