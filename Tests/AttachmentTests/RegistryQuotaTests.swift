import Attachment
import Bus
import Logging
import Messages
import Testing

/// Users' quotas over all turn servers, with a fake registry over a real bus.
@Suite(.timeLimit(.minutes(1)))
struct RegistryQuotaTests {
    private let folder: SocketFolder
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws { folder = try SocketFolder() }

    private func withQuota(
        _ registry: FakeRegistry, _ body: (RegistryQuota) async throws -> Void
    ) async throws {
        var router = BusRouter()
        router.add(registry: registry)
        let server = BusServer(addresses: [folder.address(registry.name)], router: router, logger: logger)
        let client = BusClient(addresses: [folder.address(registry.name)], logger: logger)
        let quota = RegistryQuota(node: "turn-1", boot: "b1", limit: 3, logger: logger) {
            Roost_Registry_V1_RegistryClient(caller: client)
        }
        try server.bind()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { try await client.run() }
            group.addTask { await quota.run() }
            while !client.isConnected { try await Task.sleep(for: .milliseconds(5)) }
            try await body(quota)
            group.cancelAll()
        }
    }

    private func ids(_ allocations: [Roost_Registry_V1_Allocation]) -> Set<UInt64> {
        Set(allocations.map(\.allocationID))
    }

    @Test func `the registry's word counts, and what it refused is not asserted`() async throws {
        let registry = FakeRegistry("one")
        try await withQuota(registry) { quota in
            registry.answer { request in
                #expect(request.nodeID == "turn-1" && request.bootID == "b1" && request.limit == 3)
                return request.allocation.user == "ann"
            }
            #expect(await quota.reserve(user: "ann"))
            #expect(await quota.reserve(user: "bob") == false)
            await quota.assert()
            var asserted = registry.asserted.makeAsyncIterator()
            let said = try #require(await asserted.next())
            #expect(ids(said.allocations) == [1] && said.allocations.first?.user == "ann")
        }
    }

    @Test func `without an answer it is granted, and asserted once there is a registry`() async throws {
        let registry = FakeRegistry("one")
        try await withQuota(registry) { quota in
            registry.answer { _ in
                try await Task.sleep(for: .seconds(20))
                return false
            }
            let start = ContinuousClock.now
            #expect(await quota.reserve(user: "ann"))
            #expect(ContinuousClock.now - start < .seconds(10))
            registry.answer { _ in throw BusStatus(.unavailable, "no Redis") }
            #expect(await quota.reserve(user: "ann"))
            await quota.assert()
            var asserted = registry.asserted.makeAsyncIterator()
            let said = try #require(await asserted.next())
            #expect(ids(said.allocations) == [1, 2])
        }
    }

    @Test func `what ended is released, once, and asserted no more`() async throws {
        let registry = FakeRegistry("one")
        try await withQuota(registry) { quota in
            registry.answer { _ in true }
            for _ in 1...3 { #expect(await quota.reserve(user: "ann")) }
            quota.release(user: "ann")
            quota.release(user: "bob")
            quota.release(user: "ann")
            var released = registry.released.makeAsyncIterator()
            var over: Set<UInt64> = []
            while over.count < 2, let said = await released.next() { over.formUnion(ids(said.allocations)) }
            await quota.assert()
            var asserted = registry.asserted.makeAsyncIterator()
            let said = try #require(await asserted.next())
            #expect(said.allocations.count == 1 && ids(said.allocations).union(over) == [1, 2, 3])
        }
    }

    @Test func `many are asserted in parts that a registry takes`() async throws {
        let registry = FakeRegistry("one")
        try await withQuota(registry) { quota in
            registry.answer { _ in true }
            await withTaskGroup { group in
                for number in UInt64(1)...2_500 {
                    group.addTask { _ = await quota.reserve(user: "user \(number)") }
                }
            }
            await quota.assert()
            var asserted = registry.asserted.makeAsyncIterator()
            var all: Set<UInt64> = []
            while all.count < 2_500, let said = await asserted.next() {
                #expect(said.allocations.count <= 1_000)
                all.formUnion(ids(said.allocations))
            }
            #expect(all.count == 2_500)
        }
    }
}
