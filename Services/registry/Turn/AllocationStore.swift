package import Store
import Time

/// Users' TURN allocations in Redis, counted over all turn servers; each call is one script.
package struct AllocationStore: Sendable {
    /// One life of a turn server.
    package struct Server: Hashable, Sendable {
        package var node: String
        package var boot: String

        /// The server `node`, started as `boot`.
        package init(node: String, boot: String) {
            self.node = node
            self.boot = boot
        }
    }
    /// One allocation on a server.
    package struct Allocation: Hashable, Sendable {
        package var user: String
        package var id: UInt64

        /// The allocation `id` of `user`.
        package init(user: String, id: UInt64) {
            self.user = user
            self.id = id
        }
    }
    /// What is said to a reservation.
    package struct Verdict: Hashable, Sendable {
        package var isGranted: Bool
        /// How many of the user's count now, with this one where it is granted.
        package var held: Int

        /// This verdict.
        package init(isGranted: Bool, held: Int) {
            self.isGranted = isGranted
            self.held = held
        }
    }

    private let store: RedisStore

    /// Counts in this Redis.
    package init(store: RedisStore) { self.store = store }

    /// Counts one more for its user unless `limit` count already. Repeated, it says the same and counts once.
    package func reserve(_ allocation: Allocation, on server: Server, limit: Int) async throws -> Verdict {
        let reply = try await run(
            AllocationScripts.reserve,
            [.init(server.node), .init(server.boot), .init(allocation.user), .init(allocation.id), .init(limit)])
        guard let parts = reply.array, parts.count == 2, let granted = parts[0].integer, let held = parts[1].integer
        else { throw PlacementStore.StrangeReply(script: "reserve") }
        return Verdict(isGranted: granted == 1, held: Int(held))
    }

    /// These stand, whatever the limit; false: a later boot of the server lives, and they do not count.
    package func assert(_ allocations: [Allocation], on server: Server) async throws -> Bool {
        try await run(AllocationScripts.assert, words(allocations, server)).integer == 1
    }

    /// These are over.
    package func release(_ allocations: [Allocation], on server: Server) async throws {
        _ = try await run(AllocationScripts.release, words(allocations, server))
    }

    private func words(_ allocations: [Allocation], _ server: Server) -> [RedisArgument] {
        [.init(server.node), .init(server.boot)] + allocations.flatMap { [.init($0.user), .init($0.id)] }
    }

    private func run(_ script: RedisScript, _ arguments: [RedisArgument]) async throws(StoreError) -> RedisValue {
        try await store.evaluate(script, keys: [], arguments: arguments, timeout: PlacementStore.patience)
    }
}
