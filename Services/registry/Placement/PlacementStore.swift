package import Store
package import Time

/// Placement in Redis, typed: each call is one script, so each is all or nothing.
package struct PlacementStore: Sendable {
    /// What a node says of itself.
    package struct Beat: Sendable {
        package var id: String
        /// As in `NodeKind`: 1 sfu-node, 2 turn.
        package var kind: Int
        package var boot: String
        /// Names the Attach stream, unique in the cluster.
        package var stream: String
        /// The `Node` message.
        package var info: [UInt8]
        /// The `Load` message.
        package var load: [UInt8]
        package var isDraining: Bool
        /// Whether the stream begins with this: the newest stream of a node wins.
        package var isHello: Bool

        package init(
            id: String, kind: Int = 1, boot: String, stream: String, info: [UInt8] = [], load: [UInt8] = [],
            isDraining: Bool = false, isHello: Bool = false
        ) {
            self.id = id
            self.kind = kind
            self.boot = boot
            self.stream = stream
            self.info = info
            self.load = load
            self.isDraining = isDraining
            self.isHello = isHello
        }
    }
    /// What Redis says to a beat.
    package enum Pulse: Hashable, Sendable {
        /// The lease stands. `knowsRooms`: it holds a whole report made in this `era` of Redis.
        case leased(era: String, knowsRooms: Bool, wantsDraining: Bool?)
        /// The node attached anew, through another stream.
        case replaced
    }
    /// A room that another node owns, in this epoch.
    package struct Foreign: Hashable, Sendable {
        package var room: String
        package var epoch: UInt64

        /// This room, in this epoch.
        package init(room: String, epoch: UInt64) {
            self.room = room
            self.epoch = epoch
        }
    }
    /// Where a room is, or why it is nowhere.
    package enum Place: Hashable, Sendable {
        case at(node: String, boot: String, epoch: UInt64, info: [UInt8], isNew: Bool)
        /// After an outage of Redis; soon over.
        case settling(String)
        case frozen(String)
        /// No candidate is live.
        case noNode
    }
    /// A node as Redis knows it.
    package struct Known: Hashable, Sendable {
        package var id: String
        package var info: [UInt8]
        package var load: [UInt8]
        package var isDraining: Bool
        /// Nil: no lease.
        package var leaseLeft: Interval?
        /// Its stream ended, the grace runs.
        package var isClosed: Bool
    }
    /// All nodes.
    package struct Survey: Hashable, Sendable {
        /// Why nothing is placed for now.
        package var settling: String?
        package var frozen: String?
        package var nodes: [Known]
    }
    /// Redis gave a reply that these scripts do not give.
    package struct StrangeReply: Error {
        package var script: String
    }

    /// How long a script may take. Beyond it the heartbeat after the next would be late for the lease of 3 s.
    static let patience = Interval.seconds(1)
    /// A heartbeat's is shorter: it is said again a second later, and if this registry lost Redis, its node must hear of it while
    /// its lease still stands.
    static let beatPatience = Interval.milliseconds(600)
    /// Epochs are exact in Lua up to 2^53; the clock in µs reaches that in the year 2255.
    package static let highestEpoch = UInt64(1) << 53

    private let store: RedisStore

    /// Placement in this Redis.
    package init(store: RedisStore) { self.store = store }

    /// Renews, or takes, a node's lease.
    package func beat(_ beat: Beat) async throws -> Pulse {
        let reply = try await run(
            PlacementScripts.beat,
            [
                .init(beat.id), .init(beat.kind), .init(beat.boot), .init(beat.stream), .init(beat.info),
                .init(beat.load),
                beat.isDraining ? 1 : 0, beat.isHello ? 1 : 0,
            ], within: Self.beatPatience
        ).array
        switch (reply?.first?.string, reply?.count) {
        case ("replaced", _): return .replaced
        case ("ok", 4):
            let era = reply?[1].string ?? ""
            let wants = reply?[3].string ?? ""
            return .leased(
                era: era, knowsRooms: era == reply?[2].string, wantsDraining: wants.isEmpty ? nil : wants == "1")
        default: throw StrangeReply(script: "beat")
        }
    }

    /// Records what a node holds and what it holds no more; nil: the lease is not its own any more.
    package func report(id: String, boot: String, _ changes: RoomReport.Changes) async throws -> [Foreign]? {
        let held = changes.held.filter { $0.value < Self.highestEpoch }
        var words: [RedisArgument] = [.init(id), .init(boot), changes.isWhole ? 1 : 0, .init(held.count)]
        for (room, epoch) in held { words += [.init(room), .init(epoch)] }
        for (room, epoch) in changes.gone { words += [.init(room), .init(epoch)] }
        guard let reply = try await run(PlacementScripts.report, words).array, let first = reply.first?.string else {
            throw StrangeReply(script: "report")
        }
        if first == "replaced" { return nil }
        return stride(from: 1, to: reply.count - 1, by: 2).compactMap { index in
            guard let room = reply[index].string, let epoch = reply[index + 1].string.flatMap({ UInt64($0) }) else {
                return nil
            }
            return Foreign(room: room, epoch: epoch)
        }
    }

    /// A node's stream ended; with the grace over its lease ends, unless another stream has it. Gives whether it was its.
    package func close(id: String, stream: String, isGraceOver: Bool) async throws -> Bool {
        try await run(PlacementScripts.close, [.init(id), .init(stream), isGraceOver ? 1 : 0]).integer == 1
    }

    /// The node of a room, chosen from `candidates` if it has no live one.
    package func place(
        room: String, deadNode: String = "", deadBoot: String = "", candidates: [String]
    ) async throws -> Place {
        let words: [RedisArgument] = [.init(room), .init(deadNode), .init(deadBoot)] + candidates.map { .init($0) }
        let reply = try await run(PlacementScripts.place, words).array ?? []
        switch (reply.first?.string, reply.count) {
        case ("none", _): return .noNode
        case ("settling", 2): return .settling(reply[1].string ?? "")
        case ("frozen", 2): return .frozen(reply[1].string ?? "")
        case ("kept", 5), ("placed", 5):
            guard let node = reply[1].string, let boot = reply[2].string,
                let epoch = reply[3].string.flatMap({ UInt64($0) })
            else { break }
            return .at(
                node: node, boot: boot, epoch: epoch, info: reply[4].bytes ?? [], isNew: reply[0].string == "placed")
        default: break
        }
        throw StrangeReply(script: "place")
    }

    /// Forgets a room if node and epoch are still these.
    package func release(room: String, node: String, epoch: UInt64) async throws -> Bool {
        try await run(PlacementScripts.release, [.init(room), .init(node), .init(epoch)]).integer == 1
    }

    /// Asks a node to drain or to go on; false: no such node.
    package func drain(id: String, _ draining: Bool) async throws -> Bool {
        try await run(PlacementScripts.drain, [.init(id), draining ? 1 : 0]).integer == 1
    }

    /// All nodes; `known`: the sfu-nodes that the caller last knew live, for a Redis that lost its data.
    package func survey(known: [String]) async throws -> Survey {
        guard let reply = try await run(PlacementScripts.survey, known.map { .init($0) }).array, reply.count >= 2 else {
            throw StrangeReply(script: "survey")
        }
        let nodes = reply.dropFirst(2).compactMap { entry -> Known? in
            guard let parts = entry.array, parts.count == 6, let id = parts[0].string else { return nil }
            let left = parts[4].integer ?? -1
            return Known(
                id: id, info: parts[1].bytes ?? [], load: parts[2].bytes ?? [], isDraining: parts[3].integer == 1,
                leaseLeft: left > 0 ? .milliseconds(left) : nil, isClosed: parts[5].string == "1")
        }
        func reason(_ value: RedisValue) -> String? { value.string.flatMap { $0.isEmpty ? nil : $0 } }
        return Survey(settling: reason(reply[0]), frozen: reason(reply[1]), nodes: nodes)
    }

    private func run(
        _ script: RedisScript, _ arguments: [RedisArgument], within patience: Interval = Self.patience
    ) async throws(StoreError) -> RedisValue {
        try await store.evaluate(script, keys: [], arguments: arguments, timeout: patience)
    }
}
