public import Bus
public import Logging
public import Messages
import Synchronization
import Time

/// Keeps a node attached to one of the registries: says who it is, sends heartbeats, and passes commands on.
///
/// It holds a connection to each registry, so that the loss of one costs a stream on the next and no connection. `run()`
/// ends only when cancelled.
public final class NodeAttachment: Sendable {
    /// What a registry tells a node to do.
    public enum Command: Hashable, Sendable {
        /// The room lives elsewhere, in this epoch.
        case closeRoom(room: String, epoch: UInt64)
        /// Stop taking what is new, or take it again.
        case setDraining(Bool)
        /// The cluster's own media and relay ports, all of them: what a turn server lets clients reach even where it lies in a
        /// range that is refused. In no order; told to turn servers, at each attach and when it changes.
        case allowedPeers([NodePorts])
    }

    /// Whether the node is attached, and if not, why.
    public enum State: Hashable, Sendable {
        case attached(registry: String)
        case detached(reason: String)
    }

    private struct Shared {
        var state: State
        /// Rings for a heartbeat now.
        var bell: AsyncStream<Void>.Continuation?
        /// Over which registry the node is attached, or was.
        var registry = 0
        /// Where to attach next: that one reaches Redis, unlike the one that the node is at.
        var better: Int?
    }

    /// A registry that reaches Redis answers within milliseconds; who tarries is no better than the one the node is at.
    private static let lookFor = Interval.milliseconds(300)

    private let node: Roost_Registry_V1_Node
    private let addresses: [BusAddress]
    private let clients: [BusClient]
    private let logger: Logger
    private let heartbeat: @Sendable () async -> Roost_Registry_V1_Heartbeat
    private let command: @Sendable (Command) async -> Void
    private let stateChanged: @Sendable (State) -> Void
    private let shared: Mutex<Shared>

    /// - Parameters:
    ///   - node: who and where this node is; told once for each stream.
    ///   - registries: where registries are, at least one, in the order of trying.
    ///   - heartbeat: load, rooms, and whether it drains; called once a second and for each new stream.
    ///   - command: called for one command after the other, in the order they come.
    ///   - stateChanged: called with each new state; must be quick.
    public init(
        node: Roost_Registry_V1_Node, registries: [BusAddress], logger: Logger,
        heartbeat: @escaping @Sendable () async -> Roost_Registry_V1_Heartbeat,
        command: @escaping @Sendable (Command) async -> Void,
        stateChanged: @escaping @Sendable (State) -> Void = { _ in }
    ) {
        precondition(!registries.isEmpty, "a node needs the address of a registry")
        self.node = node
        addresses = registries
        clients = registries.map { BusClient(addresses: [$0], name: node.nodeID, limits: .watchful, logger: logger) }
        self.logger = logger
        self.heartbeat = heartbeat
        self.command = command
        self.stateChanged = stateChanged
        shared = Mutex(Shared(state: .detached(reason: "not attached to a registry yet")))
    }

    /// Whether the node is attached now.
    public var state: State { shared.withLock { $0.state } }

    /// Why the node is not ready as far as registries go; nil while it is attached.
    public var unreadiness: String? {
        if case .detached(let reason) = state { reason } else { nil }
    }

    /// Calls to the registry that the node is attached to, or was last.
    public var registry: Roost_Registry_V1_RegistryClient {
        Roost_Registry_V1_RegistryClient(caller: clients[shared.withLock { $0.registry }])
    }

    /// Sends a heartbeat now, because something changed that should not wait a second.
    public func beat() {
        shared.withLock { _ = $0.bell?.yield() }
    }

    /// Attaches, and again whenever the stream ends, until cancelled.
    public func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in clients {
                group.addTask { try await client.run() }
            }
            group.addTask { try await self.keepAttached() }
            // All of them go on until cancelled; one that fails takes the others along.
            while try await group.next() != nil, !Task.isCancelled {}
            group.cancelAll()
        }
    }

    private func keepAttached() async throws {
        var cycle = AttachmentCycle(registries: clients.count)
        var random = SystemRandomNumberGenerator()
        while !Task.isCancelled {
            let attempt = cycle.attempt(using: &random)
            if attempt.pause > .milliseconds(0) {
                try await Task.sleep(for: .nanoseconds(attempt.pause.nanoseconds))
            }
            let reason: String
            do {
                try await attach(to: attempt.registry, patience: attempt.patience)
                reason = "the registry closed the stream"
            } catch {
                reason = (error as? BusStatus).map { "\($0.code): \($0.message)" } ?? "\(error)"
            }
            if Task.isCancelled { return }
            let wasAttached = unreadiness == nil
            let lost = State.detached(
                reason: "not attached to a registry: \(addresses[attempt.registry]): \(reason). Is one running there?")
            shared.withLock { $0.state = lost }
            stateChanged(lost)
            if wasAttached {
                cycle.attached()
                if let better = shared.withLock({ $0.better.take() }) { cycle.goTo(better) }
                logger.warning(
                    "lost the registry",
                    metadata: ["registry": "\(addresses[attempt.registry])", "reason": "\(reason)"])
            } else {
                logger.debug(
                    "cannot attach to a registry",
                    metadata: ["registry": "\(addresses[attempt.registry])", "reason": "\(reason)"])
            }
        }
    }

    /// One stream, from hello to its end.
    private func attach(to index: Int, patience: Interval) async throws {
        let beats = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let answers = AsyncStream<Interval>.makeStream(bufferingPolicy: .bufferingNewest(1))
        defer { shared.withLock { $0.bell = nil } }

        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                // Returns at the answer; whoever waits for none any more has thrown.
                for await interval in answers.stream {
                    while !Task.isCancelled {
                        try await Task.sleep(for: .nanoseconds(interval.nanoseconds))
                        beats.continuation.yield()
                    }
                }
                return true
            }
            group.addTask {
                try await Task.sleep(for: .nanoseconds(patience.nanoseconds))
                guard case .attached = self.state else {
                    throw BusStatus(
                        code: .deadlineExceeded, message: "no answer within \(patience.nanoseconds / 1_000_000) ms")
                }
                return false
            }
            group.addTask {
                let client = Roost_Registry_V1_RegistryClient(caller: self.clients[index])
                let call = try await client.attach()
                try await call.requests.send(self.hello())
                try await withThrowingTaskGroup(of: Void.self) { inner in
                    inner.addTask {
                        for await _ in beats.stream {
                            var request = Roost_Registry_V1_AttachRequest()
                            request.heartbeat = await self.heartbeat()
                            try await call.requests.send(request)
                        }
                    }
                    inner.addTask {
                        for try await reply in call.replies {
                            if case .storeAway = reply.kind {
                                try await self.lookElsewhere(from: index)
                            } else {
                                await self.take(
                                    reply, from: index, answers: answers.continuation, beats: beats.continuation)
                            }
                        }
                    }
                    defer { inner.cancelAll() }
                    try await inner.next()
                }
                return true
            }
            defer { group.cancelAll() }
            while let isOver = try await group.next(), !isOver {}
        }
    }

    /// Ends the stream if another registry reaches Redis; where none does, the node stays: Redis is away, not this registry.
    private func lookElsewhere(from index: Int) async throws(BusStatus) {
        let options = CallOptions(timeout: Self.lookFor)
        let better = await withTaskGroup(of: Int?.self) { group -> Int? in
            for (other, client) in clients.enumerated() where other != index {
                group.addTask {
                    let registry = Roost_Registry_V1_RegistryClient(caller: client)
                    let answer = try? await registry.listNodes(Roost_Registry_V1_ListNodesRequest(), options: options)
                    return answer.map { !$0.storeAway } ?? false ? other : nil
                }
            }
            defer { group.cancelAll() }
            for await other in group where other != nil { return other }
            return nil
        }
        guard let better else { return }
        shared.withLock { $0.better = better }
        throw BusStatus(.unavailable, "that registry lost Redis, \(addresses[better]) has it")
    }

    private func hello() async -> Roost_Registry_V1_AttachRequest {
        let beat = await heartbeat()
        var request = Roost_Registry_V1_AttachRequest()
        request.hello.node = node
        request.hello.rooms = beat.rooms
        request.hello.draining = beat.draining
        return request
    }

    private func take(
        _ reply: Roost_Registry_V1_AttachResponse, from index: Int, answers: AsyncStream<Interval>.Continuation,
        beats: AsyncStream<Void>.Continuation
    ) async {
        switch reply.kind {
        case .attached(let attached):
            let state = State.attached(registry: attached.registryID)
            shared.withLock {
                $0.state = state
                $0.registry = index
                $0.bell = beats
            }
            stateChanged(state)
            // At most ten a second, whatever a registry asks; a second where it asks for nothing.
            answers.yield(.milliseconds(attached.heartbeatMs == 0 ? 1_000 : max(100, Int64(attached.heartbeatMs))))
            // The first tells the load, which hello does not.
            beats.yield()
            logger.info("attached to a registry", metadata: ["registry": "\(attached.registryID)"])
        case .closeRoom(let close): await command(.closeRoom(room: close.room, epoch: close.epoch))
        case .setDraining(let set):
            await command(.setDraining(set.draining))
            // Confirmed at once: at the next regular beat a drain that was taken back meanwhile would come again.
            beats.yield()
        case .storeAway: break
        case .allowedPeers(let allowed):
            await command(.allowedPeers(allowed.ranges.compactMap { NodePorts($0) }))
        case nil: logger.debug("a newer registry said something unknown")
        }
    }
}
