import RedisServer
import Registry
import Store
import Testing
import Time

/// Users' allocations counted over turn servers, in a real Redis.
@Suite struct AllocationStoreTests {
    private typealias Server = AllocationStore.Server
    private typealias Allocation = AllocationStore.Allocation
    private typealias Verdict = AllocationStore.Verdict

    private let one = Server(node: "turn-1", boot: "1")
    private let two = Server(node: "turn-2", boot: "1")

    /// A store in which both servers live.
    private func withStore(
        _ body: (AllocationStore, PlacementStore, RedisServer, RedisStore) async throws -> Void
    ) async throws {
        try await withPlacement { placement, redis, store in
            for server in [one, two] { try await live(placement, server.node, boot: server.boot) }
            try await body(AllocationStore(store: store), placement, redis, store)
        }
    }

    private func fill(_ allocations: AllocationStore, on server: Server, _ ids: ClosedRange<UInt64>) async throws {
        for id in ids {
            let verdict = try await allocations.reserve(Allocation(user: "ann", id: id), on: server, limit: 3)
            #expect(verdict.isGranted)
        }
    }

    @Test func `three on one server, and the fourth on another is refused`() async throws {
        try await withStore { allocations, _, _, _ in
            try await fill(allocations, on: one, 1...3)

            let fourth = try await allocations.reserve(Allocation(user: "ann", id: 1), on: two, limit: 3)
            let other = try await allocations.reserve(Allocation(user: "bob", id: 2), on: two, limit: 3)

            #expect(fourth == Verdict(isGranted: false, held: 3))
            #expect(other == Verdict(isGranted: true, held: 1))
        }
    }

    @Test func `the same reservation counts once, however often it is made`() async throws {
        try await withStore { allocations, _, _, _ in
            try await fill(allocations, on: one, 1...3)
            let again = try await allocations.reserve(Allocation(user: "ann", id: 2), on: one, limit: 3)
            #expect(again == Verdict(isGranted: true, held: 3))
        }
    }

    @Test func `a released allocation makes room, and only its own`() async throws {
        try await withStore { allocations, _, _, _ in
            try await fill(allocations, on: one, 1...3)
            // Another server's of the same number, another user's, and one that never was.
            try await allocations.release([Allocation(user: "ann", id: 1)], on: two)
            try await allocations.release([Allocation(user: "bob", id: 1), Allocation(user: "ann", id: 9)], on: one)
            let full = try await allocations.reserve(Allocation(user: "ann", id: 4), on: two, limit: 3)
            try await allocations.release([Allocation(user: "ann", id: 1)], on: one)
            let free = try await allocations.reserve(Allocation(user: "ann", id: 4), on: two, limit: 3)
            #expect(full == Verdict(isGranted: false, held: 3))
            #expect(free == Verdict(isGranted: true, held: 3))
        }
    }

    @Test func `what a dead server held stops counting with its lease`() async throws {
        try await withStore { allocations, placement, _, _ in
            try await fill(allocations, on: one, 1...3)
            _ = try await placement.close(id: "turn-1", stream: "turn-1-1", isGraceOver: false)
            let inGrace = try await allocations.reserve(Allocation(user: "ann", id: 1), on: two, limit: 3)
            _ = try await placement.close(id: "turn-1", stream: "turn-1-1", isGraceOver: true)
            let after = try await allocations.reserve(Allocation(user: "ann", id: 1), on: two, limit: 3)
            #expect(inGrace == Verdict(isGranted: false, held: 3))
            #expect(after == Verdict(isGranted: true, held: 1))
        }
    }

    @Test func `what a server held in an earlier life does not count`() async throws {
        try await withStore { allocations, placement, _, _ in
            try await fill(allocations, on: one, 1...3)
            try await live(placement, "turn-1", boot: "2")
            let fresh = try await allocations.reserve(
                Allocation(user: "ann", id: 1), on: Server(node: "turn-1", boot: "2"), limit: 3)
            #expect(fresh == Verdict(isGranted: true, held: 1))
            #expect(try await allocations.assert([Allocation(user: "ann", id: 1)], on: one) == false)
        }
    }

    @Test func `in a Redis that lost all, what servers say again counts again`() async throws {
        try await withStore { allocations, placement, redis, store in
            try await fill(allocations, on: one, 1...3)
            redis.kill()
            try redis.start()
            _ = try await store.send(["PING"], timeout: .seconds(20))

            let standing = (1...3).map { Allocation(user: "ann", id: UInt64($0)) }
            #expect(try await allocations.assert(standing, on: one))
            // Nobody's lease stands yet: that is Redis' doing, not theirs.
            let early = try await allocations.reserve(Allocation(user: "ann", id: 1), on: two, limit: 3)
            for server in [one, two] { try await live(placement, server.node, boot: server.boot) }
            let late = try await allocations.reserve(Allocation(user: "ann", id: 1), on: two, limit: 3)

            #expect(early == Verdict(isGranted: false, held: 3))
            #expect(late == Verdict(isGranted: false, held: 3))
        }
    }

    @Test func `what is not asserted is forgotten, in Redis as in the count`() async throws {
        try await withStore { allocations, _, _, store in
            try await fill(allocations, on: one, 1...2)
            let left = try await store.send(["PTTL", "roost:r:user:ann"]).integer ?? 0
            #expect((80_000...90_000).contains(left))
            // As if 90 s had passed for the first.
            _ = try await store.send(["ZADD", "roost:r:user:ann", "1", "1 1 turn-1"])
            let third = try await allocations.reserve(Allocation(user: "ann", id: 3), on: one, limit: 2)
            #expect(third == Verdict(isGranted: true, held: 2))
        }
    }

    @Test func `many servers at once grant no more than the limit`() async throws {
        try await withStore { allocations, _, _, _ in
            let granted = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<60 {
                    group.addTask {
                        try await allocations.reserve(
                            Allocation(user: "ann", id: UInt64(number)), on: number % 2 == 0 ? one : two, limit: 7
                        ).isGranted
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(granted == 7)
        }
    }
}
