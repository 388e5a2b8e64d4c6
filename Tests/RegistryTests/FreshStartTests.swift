import Bus
import Messages
import RedisServer
import Registry
import Testing
import Time

/// A Redis that knows nothing: nodes with rooms may be about to report, or there may be none.
@Suite struct FreshStartTests {
    private func withOne(
        expecting nodes: [String], _ body: (TestCluster, Cluster, TestClient) async throws -> Void
    ) async throws {
        let redis = try RedisServer()
        let cluster = try TestCluster()
        try cluster.start("A", redis: redis.socket, expectedNodes: nodes)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(cluster, try cluster.cluster("A"), TestClient(cluster.address("A"))))
        } catch {
            result = .failure(error)
        }
        await cluster.stop()
        try result.get()
    }

    @Test func `it says that nothing is placed until something can be`() async throws {
        try await withOne(expecting: []) { cluster, registry, client in
            let node = TestNode("sfu-1", to: cluster.address("A"))
            defer { _ = node }
            let saysSo = await within { registry.outage == nil && registry.settling != nil }
            #expect(saysSo)
            // Nobody knows which nodes there are: a lease it takes.
            let start = ContinuousClock.now
            #expect(await within { registry.settling == nil })
            let waited = ContinuousClock.now - start
            #expect(waited > .seconds(2) && waited < .seconds(4), "the first node to come is not all there are")

            let asked = ContinuousClock.now
            let placed = try await client.place("r")
            #expect(placed.created)
            #expect(ContinuousClock.now - asked < .seconds(1))
        }
    }

    @Test func `it places as soon as all expected nodes reported`() async throws {
        try await withOne(expecting: ["sfu-1", "sfu-2"]) { cluster, registry, client in
            let one = TestNode("sfu-1", to: cluster.address("A"))
            let isAttached = await within { registry.attachedCount == 1 && registry.outage == nil }
            #expect(isAttached)
            let settling = registry.settling
            #expect(settling != nil, "one of two is not all")
            let start = ContinuousClock.now
            let two = TestNode("sfu-2", to: cluster.address("A"), rooms: ["old": 200])
            defer { _ = (one, two) }
            #expect(await within { registry.settling == nil })
            let placed = try await client.place("r")
            #expect(placed.created && placed.placement.epoch > 200)
            #expect(ContinuousClock.now - start < .seconds(2), "a lease would be 3 s")
            let old = try await client.place("old").placement
            #expect(old.nodeID == "sfu-2" && old.epoch == 200)
        }
    }

    @Test func `an expected node that is not there is waited for no longer than a lease`() async throws {
        try await withOne(expecting: ["sfu-1", "sfu-9"]) { cluster, registry, client in
            let node = TestNode("sfu-1", to: cluster.address("A"))
            defer { _ = node }
            #expect(await within { registry.attachedCount == 1 })
            let start = ContinuousClock.now
            let placed = try await client.place("r").placement
            #expect(placed.nodeID == "sfu-1")
            #expect(ContinuousClock.now - start < .seconds(5))
        }
    }
}
