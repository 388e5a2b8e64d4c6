import Bus
public import Logging
public import Messages
import Synchronization
import Time

/// One turn server's share in the users' quotas of the whole fleet: a registry counts what all servers hold of a user.
///
/// Where no registry answers in time, an allocation is granted: the server's own count, which it must keep besides, then
/// decides alone. `run()` says every 30 s what stands, so that a Redis that lost its counts has them again within that time.
public final class RegistryQuota: Sendable {
    /// How long an answer is waited for: clients send their request again after 500 ms (RFC 8489 §6.2.1).
    static let patience = Interval.milliseconds(300)
    /// How often what stands is said; the registry forgets what was not said for three times as long.
    static let assertEvery = Interval.seconds(30)
    /// How long releases are gathered, so that a thousand that end together are a call or two.
    static let gather = Interval.milliseconds(50)
    /// Allocations in one call, as the registry takes at most.
    static let batch = 1_000

    /// Releases that wait to be told, at most: what is beyond is forgotten after 90 s, as when no registry answers.
    static let mostReleased = 100_000

    private struct State {
        /// The allocations of each user that were granted and stand: numbers that this life of the server uses once.
        var held: [String: Set<UInt64>] = [:]
        var last: UInt64 = 0
        var released: [Roost_Registry_V1_Allocation] = []
        var isAway = false

    }

    private let registry: @Sendable () -> Roost_Registry_V1_RegistryClient?
    private let node: String
    private let boot: String
    private let limit: Int
    private let logger: Logger
    private let state = Mutex(State())
    private let bell: AsyncStream<Void>
    private let ring: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - node: this turn server's id, and `boot` its life's, as told to the registry.
    ///   - limit: how many allocations a user may have on all turn servers together, at least 1.
    ///   - registry: calls to the registry that the server is attached to; nil while there is none.
    public init(
        node: String, boot: String, limit: Int, logger: Logger,
        registry: @escaping @Sendable () -> Roost_Registry_V1_RegistryClient?
    ) {
        precondition(limit > 0, "a quota of no allocations is no quota")
        self.node = node
        self.boot = boot
        self.limit = limit
        self.logger = logger
        self.registry = registry
        (bell, ring) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Whether `user` may have one more. Takes at most 300 ms. A granted one counts until `release`.
    ///
    /// How many there can be is bounded by the server's own relay ports.
    public func reserve(user: String) async -> Bool {
        let allocation = state.withLock { state in
            state.last += 1
            return state.last
        }
        var request = Roost_Registry_V1_ReserveAllocationRequest()
        request.nodeID = node
        request.bootID = boot
        request.allocation = Self.wire(user, allocation)
        request.limit = UInt32(clamping: limit)
        do throws(BusStatus) {
            let response = try await client().reserveAllocation(request, options: CallOptions(timeout: Self.patience))
            say(away: nil)
            guard response.granted else { return false }
        } catch {
            // The assertion counts it for the others later.
            say(away: "\(error.code): \(error.message)")
        }
        state.withLock { _ = $0.held[user, default: []].insert(allocation) }
        return true
    }

    /// One of the user's allocations is over. Returns at once; a registry hears of it soon, or forgets it by itself.
    public func release(user: String) {
        let isNews = state.withLock { state in
            // Which one does not matter: they are told apart only to be counted.
            guard let allocation = state.held[user]?.popFirst() else { return false }
            if state.held[user]?.isEmpty ?? false { state.held[user] = nil }
            if state.released.count < Self.mostReleased { state.released.append(Self.wire(user, allocation)) }
            return true
        }
        if isNews { ring.yield() }
    }

    /// Tells registries what ends and what stands, until cancelled.
    public func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.assertEvery.duration)
                    if !Task.isCancelled { await self.assert() }
                }
            }
            for await _ in bell {
                try? await Task.sleep(for: Self.gather.duration)
                await tellReleased()
            }
            group.cancelAll()
        }
    }

    /// Says what stands. `run` does it every 30 s.
    package func assert() async {
        let standing = state.withLock { state in
            state.held.flatMap { user, allocations in allocations.map { Self.wire(user, $0) } }
        }
        for start in stride(from: 0, to: standing.count, by: Self.batch) {
            var request = Roost_Registry_V1_AssertAllocationsRequest()
            request.nodeID = node
            request.bootID = boot
            // What ended meanwhile would count again for 90 s.
            request.allocations = state.withLock { state in
                standing[start..<min(start + Self.batch, standing.count)].filter {
                    state.held[$0.user]?.contains($0.allocationID) ?? false
                }
            }
            do throws(BusStatus) {
                _ = try await client().assertAllocations(request)
                say(away: nil)
            } catch {
                return say(away: "\(error.code): \(error.message)")
            }
        }
    }

    private func tellReleased() async {
        while true {
            var request = Roost_Registry_V1_ReleaseAllocationsRequest()
            request.nodeID = node
            request.bootID = boot
            request.allocations = state.withLock { state in
                let some = Array(state.released.prefix(Self.batch))
                state.released.removeFirst(some.count)
                return some
            }
            guard !request.allocations.isEmpty else { return }
            do throws(BusStatus) {
                _ = try await client().releaseAllocations(request)
            } catch {
                say(away: "\(error.code): \(error.message)")
            }
        }
    }

    private func client() throws(BusStatus) -> Roost_Registry_V1_RegistryClient {
        guard let client = registry() else { throw BusStatus(.unavailable, "not attached to a registry") }
        return client
    }

    private func say(away reason: String?) {
        let isNews = state.withLock { state in
            defer { state.isAway = reason != nil }
            return state.isAway != (reason != nil)
        }
        guard isNews else { return }
        if let reason {
            logger.warning(
                "users' quotas hold on this server alone: no registry counts for all", metadata: ["reason": "\(reason)"]
            )
        } else {
            logger.notice("users' quotas hold over all turn servers again")
        }
    }

    private static func wire(_ user: String, _ allocation: UInt64) -> Roost_Registry_V1_Allocation {
        var wire = Roost_Registry_V1_Allocation()
        wire.user = user
        wire.allocationID = allocation
        return wire
    }
}
