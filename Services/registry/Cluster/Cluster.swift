import Bus
package import Logging
import Messages
package import Store
import SwiftProtobuf
import Synchronization
import Time

/// One registry's share in the cluster: the nodes attached to it, placement in Redis, and what it remembers.
package final class Cluster: Sendable {
    let id: String
    let placement: PlacementStore
    let store: RedisStore
    let allocations: AllocationStore
    /// Nil: no credentials are given, so no TURN servers.
    let secrets: TurnSecrets?
    let view = ClusterView()
    let logger: Logger
    private let expectedNodes: [String]
    private let attachments = Mutex<[String: Attachment]>([:])
    private let streams = Mutex(UInt64(0))
    private let closings: AsyncStream<Attachment>
    private let closed: AsyncStream<Attachment>.Continuation
    private struct State {
        var isDraining = false
        /// Nil until Redis was asked once: to know a part of the cluster would be to take the rest off the list.
        var peers: PeerList?
        var outage: String? = "not connected yet"
        var saidFrozen = false
        var hasSettled = false
        var lastWatcher: UInt64 = 0
        var drainWatchers: [UInt64: AsyncStream<Never>.Continuation] = [:]
    }
    private let state = Mutex(State())

    /// How long a node whose stream ended may take to attach elsewhere.
    static let grace = Interval.milliseconds(500)
    /// How often Redis is asked for all nodes; while placement waits for nodes to report, it is asked more often.
    static let surveyEvery = Interval.milliseconds(500)
    static let surveyWhileSettling = Interval.milliseconds(100)
    /// Where registries tell each other and their watchers of changes, as a hint.
    static let roomsChannel = "roost:r:rooms"
    /// Where registries tell each other that a node came, went or drains, as a hint to ask for all nodes now.
    static let nodesChannel = "roost:r:nodes"
    /// Least time between two questions that such hints cause: a whole cluster that attaches makes one each.
    static let surveyGap = Interval.milliseconds(50)

    /// A registry of this id, with placement in this Redis, and what signs credentials for turn servers. `expectedNodes`: the
    /// sfu-nodes that an empty Redis must have heard of before anything is placed; with none given, and none known, it waits
    /// for a lease.
    package init(
        id: String, store: RedisStore, secrets: TurnSecrets? = nil, logger: Logger, expectedNodes: [String] = []
    ) {
        self.id = id
        self.store = store
        self.logger = logger
        self.secrets = secrets
        self.expectedNodes = expectedNodes
        placement = PlacementStore(store: store)
        allocations = AllocationStore(store: store)
        (closings, closed) = AsyncStream.makeStream()
    }

    /// Why Redis cannot be asked; nil: it answers.
    package var outage: String? { store.outage ?? state.withLock { $0.outage } }

    /// Why placement is frozen; nil: it is not.
    package var frozen: String? { view.holdUp.frozen }

    /// Why nothing is placed for a moment though Redis answers; nil: it is.
    package var settling: String? { view.holdUp.settling }

    /// How many nodes are attached here.
    package var attachedCount: Int { attachments.withLock { $0.count } }

    /// How many nodes there are, by kind and state, for metrics.
    package var census: [(labels: (kind: String, state: String), count: Int)] {
        let now = MonotonicClock.now
        return [Roost_Registry_V1_NodeKind.sfu, .turn].flatMap { kind in
            let entries = view.entries.values.filter { $0.node.kind == kind }
            let live = entries.filter { $0.isLive(now) }
            let name = kind == .sfu ? "sfu" : "turn"
            return [
                ((name, "live"), live.count { !$0.isDraining }), ((name, "draining"), live.count(where: \.isDraining)),
                ((name, "gone"), entries.count - live.count),
            ]
        }
    }

    /// Watches the cluster, and ends leases of nodes that went away, until cancelled.
    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.watch() }
            group.addTask { await self.followHints() }
            for await attachment in closings {
                group.addTask { await self.endLease(of: attachment) }
            }
            group.cancelAll()
        }
    }

    /// From now on the end of a stream is this registry's doing, and says nothing about its node.
    package func drain() {
        let open = state.withLock { state in
            state.isDraining = true
            defer { state.drainWatchers = [:] }
            return state.drainWatchers.values
        }
        for watcher in open { watcher.finish() }
    }

    /// Throws once this registry drains; returns when cancelled.
    func whenDraining() async throws {
        let (drained, end) = AsyncStream.makeStream(of: Never.self)
        let number: UInt64? = state.withLock { state in
            guard !state.isDraining else { return nil }
            state.lastWatcher += 1
            state.drainWatchers[state.lastWatcher] = end
            return state.lastWatcher
        }
        if let number {
            for await _ in drained {}
            state.withLock { _ = $0.drainWatchers.removeValue(forKey: number) }
            if Task.isCancelled { return }
        }
        throw BusStatus(.unavailable, "registry \(id) restarts: go to another one")
    }

    /// A node attaches through a new stream of this registry.
    func attach(_ hello: Roost_Registry_V1_Hello) -> Attachment {
        let number = streams.withLock { number in
            number += 1
            return number
        }
        // The clock tells two lives of a registry with the same id apart.
        let attachment = Attachment(
            cluster: self, stream: "\(id)/\(WallTime.now.milliseconds)/\(number)", node: hello.node)
        attachments.withLock { $0[attachment.stream] = attachment }
        return attachment
    }

    /// The stream ended.
    func detach(_ attachment: Attachment) {
        attachments.withLock { _ = $0.removeValue(forKey: attachment.stream) }
        guard !state.withLock({ $0.isDraining }) else { return }
        let isElsewhere = attachments.withLock { $0.values.contains { $0.node.nodeID == attachment.node.nodeID } }
        if !isElsewhere { view.closed(attachment.node.nodeID, boot: attachment.node.bootID) }
        closed.yield(attachment)
    }

    /// Asks Redis for all nodes.
    func survey() async throws {
        do {
            // Asked only while placement settles. A registry that never saw it settled knows too little to end it: the nodes that
            // came to it first are not all there are.
            let seen = state.withLock { $0.hasSettled } ? view.liveSFUs(now: MonotonicClock.now) : []
            let survey = try await placement.survey(known: seen + expectedNodes)
            view.update(survey, now: MonotonicClock.now)
            if survey.settling == nil { state.withLock { $0.hasSettled = true } }
            let wasAway = state.withLock { state in
                defer { state.outage = nil }
                return state.outage != nil
            }
            refreshAllowedPeers(first: true)
            if wasAway || survey.settling != nil {
                for attachment in attachments.withLock({ Array($0.values) }) { attachment.tellAgain() }
            }
            sayFrozen(survey.frozen)
        } catch {
            state.withLock { $0.outage = "\(error)" }
            view.holdLeases(now: MonotonicClock.now)
            throw error
        }
    }

    /// Tells all registries' watchers.
    func publish(_ placement: Roost_Registry_V1_Placement, released: Bool) async {
        var news = Roost_Registry_V1_WatchRoomsResponse()
        news.placement = placement
        news.released = released
        guard let payload: [UInt8] = try? news.serializedBytes() else { return }
        // A hint: nobody relies on it.
        _ = try? await store.send(["PUBLISH", .init(Self.roomsChannel), .init(payload)])
    }

    /// What turn servers let clients reach; nil: not known yet.
    var allowedPeers: Roost_Registry_V1_AllowedPeers? { state.withLock { $0.peers?.current } }

    /// Tells the turn servers attached here if the cluster's media and relay ports are others than before.
    func refreshAllowedPeers(first: Bool = false) {
        let now = MonotonicClock.now
        // Those in their grace, too.
        let live = view.entries.values.filter { $0.liveUntil > now }
            .flatMap { $0.node.mediaRanges + $0.node.relayRanges }
        let isNews = state.withLock { state in
            guard first || state.peers != nil else { return false }
            let isFirst = state.peers == nil
            var peers = state.peers ?? PeerList()
            let isChanged = peers.update(live: live, now: now)
            state.peers = peers
            return isFirst || isChanged
        }
        guard isNews else { return }
        for attachment in attachments.withLock({ Array($0.values) }) where attachment.node.kind == .turn {
            attachment.tellAgain()
        }
    }

    /// Has all registries ask for all nodes at once.
    func tellOfNodes() async {
        // A hint: each asks by itself, too.
        _ = try? await store.send(["PUBLISH", .init(Self.nodesChannel), .init(id)])
    }

    private func followHints() async {
        let (bell, ring) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        await withDiscardingTaskGroup { group in
            group.addTask { [store] in
                for await _ in store.subscribe(channels: [Self.nodesChannel]) { ring.yield() }
                ring.finish()
            }
            for await _ in bell {
                try? await survey()
                try? await Task.sleep(for: Self.surveyGap.duration)
            }
            group.cancelAll()
        }
    }

    private func watch() async {
        while !Task.isCancelled {
            try? await survey()
            let wait = view.holdUp.settling == nil ? Self.surveyEvery : Self.surveyWhileSettling
            try? await Task.sleep(for: wait.duration)
        }
        closed.finish()
    }

    private func endLease(of attachment: Attachment) async {
        do {
            guard try await placement.close(id: attachment.node.nodeID, stream: attachment.stream, isGraceOver: false)
            else {
                return
            }
            try await Task.sleep(for: Self.grace.duration)
            if try await placement.close(id: attachment.node.nodeID, stream: attachment.stream, isGraceOver: true) {
                logger.warning(
                    "a node is gone: its stream ended and it did not attach again",
                    metadata: ["node": "\(attachment.node.nodeID)", "boot": "\(attachment.node.bootID)"])
            }
            try await survey()
            await tellOfNodes()
        } catch {
            // Then its lease ends by itself.
            logger.debug("cannot end a lease", metadata: ["node": "\(attachment.node.nodeID)", "reason": "\(error)"])
        }
    }

    private func sayFrozen(_ reason: String?) {
        let isNews = state.withLock { state in
            defer { state.saidFrozen = reason != nil }
            return state.saidFrozen != (reason != nil)
        }
        guard isNews else { return }
        if let reason {
            logger.error(
                "placement is frozen: is the network between nodes and registries whole?",
                metadata: ["reason": "\(reason)"])
        } else {
            logger.notice("placement goes on")
        }
    }
}
