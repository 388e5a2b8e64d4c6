import Messages
import SwiftProtobuf
import Synchronization
import Time

/// What this registry last knew of the cluster, in memory: what placement chooses from, and what is answered while Redis
/// is away. Redis decides; this only remembers.
final class ClusterView: Sendable {
    /// One node.
    struct Entry: Sendable {
        var node: Roost_Registry_V1_Node
        var load: Roost_Registry_V1_Load
        var isDraining: Bool
        /// Until when it counts as live unless something newer is heard.
        var liveUntil: Instant
        /// Its stream ended, the grace runs.
        var isClosed = false

        func isLive(_ now: Instant) -> Bool { liveUntil > now && !isClosed }
    }
    private struct State {
        var entries: [String: Entry] = [:]
        var settling: String?
        var frozen: String?
        var rooms: [String: Roost_Registry_V1_Placement] = [:]
        var roomOrder: [String] = []
    }

    /// A lease in Redis, and here.
    static let lease = Interval.seconds(3)
    /// Placements remembered for outages: as many as the largest cluster has rooms, some 30 MB.
    static let mostRooms = 100_000

    private let state = Mutex(State())

    /// Why placement waits or is frozen.
    var holdUp: (settling: String?, frozen: String?) { state.withLock { ($0.settling, $0.frozen) } }

    /// All nodes, by id.
    var entries: [String: Entry] { state.withLock { $0.entries } }

    /// Live sfu-nodes that do not drain: whom a Redis that lost its data must hear from first.
    func liveSFUs(now: Instant) -> [String] {
        state.withLock { state in
            state.entries.filter { $0.value.node.kind == .sfu && !$0.value.isDraining && $0.value.isLive(now) }.map(
                \.key)
        }
    }

    /// Takes what Redis knows. A load that was heard here directly and later is lost for at most half a second.
    func update(_ survey: PlacementStore.Survey, now: Instant) {
        state.withLock { state in
            state.settling = survey.settling
            state.frozen = survey.frozen
            var entries: [String: Entry] = [:]
            for known in survey.nodes {
                guard let node = try? Roost_Registry_V1_Node(serializedBytes: known.info),
                    let load = try? Roost_Registry_V1_Load(serializedBytes: known.load)
                else { continue }
                entries[known.id] = Entry(
                    node: node, load: load, isDraining: known.isDraining,
                    // While leases cannot be believed, a node stays as live as it was.
                    liveUntil: known.leaseLeft.map { now + $0 }
                        ?? (survey.settling == nil ? .zero : state.entries[known.id]?.liveUntil ?? .zero),
                    isClosed: known.isClosed)
            }
            // Redis forgot them, but they may still be there: a node that is attached here says so each second.
            for (id, entry) in state.entries where entries[id] == nil && entry.isLive(now) { entries[id] = entry }
            state.entries = entries
        }
    }

    /// Redis does not answer: who was live stays so, since nobody can say otherwise.
    func holdLeases(now: Instant) {
        state.withLock { state in
            for id in state.entries.keys where state.entries[id]?.isLive(now) == true {
                state.entries[id]?.liveUntil = now + Self.lease
            }
        }
    }

    /// A node attached here said something.
    func heard(_ node: Roost_Registry_V1_Node, _ load: Roost_Registry_V1_Load, isDraining: Bool, now: Instant) {
        state.withLock { state in
            let isAsked = state.entries[node.nodeID].map { $0.node.bootID == node.bootID && $0.isDraining } ?? false
            state.entries[node.nodeID] = Entry(
                node: node, load: load, isDraining: isDraining || isAsked, liveUntil: now + Self.lease)
        }
    }

    /// The stream of a node attached here ended.
    func closed(_ id: String, boot: String) {
        state.withLock { state in
            if state.entries[id]?.node.bootID == boot { state.entries[id]?.isClosed = true }
        }
    }

    /// A room was placed there, which its load does not show yet.
    func placed(on id: String) { state.withLock { $0.entries[id]?.load.rooms += 1 } }

    /// Nodes as the policy wants them.
    func shares(now: Instant) -> [NodeShare] {
        state.withLock { state in
            state.entries.values.filter { $0.node.kind == .sfu }.map { entry in
                NodeShare(
                    id: entry.node.nodeID, region: entry.node.region, isOpen: entry.isLive(now) && !entry.isDraining,
                    cpu: entry.load.cpu, egress: Double(entry.load.egressBps),
                    egressCapacity: Double(entry.node.capacity.egressBps), rooms: Int(entry.load.rooms),
                    roomCapacity: Int(entry.node.capacity.rooms), cores: max(1, Int(entry.node.capacity.cores)))
            }
        }
    }

    /// Remembers where a room is.
    func remember(_ placement: Roost_Registry_V1_Placement) {
        state.withLock { state in
            if state.rooms.updateValue(placement, forKey: placement.room) == nil {
                state.roomOrder.append(placement.room)
            }
            guard state.roomOrder.count > Self.mostRooms else { return }
            // A tenth at once, the oldest, so that the cost is spread over many calls.
            for room in state.roomOrder.prefix(Self.mostRooms / 10) { state.rooms[room] = nil }
            state.roomOrder.removeFirst(Self.mostRooms / 10)
        }
    }

    /// The room is gone from this node; it may be on another by now.
    func forget(_ room: String, node: String) {
        state.withLock { state in
            guard state.rooms[room]?.nodeID == node else { return }
            state.rooms[room] = nil
            // Names of rooms that are gone stay in the order until they outnumber those that are not.
            if state.roomOrder.count > 2 * state.rooms.count + 1_000 {
                state.roomOrder = state.roomOrder.filter { state.rooms[$0] != nil }
            }
        }
    }

    /// Where a room was, if its node lives in the same boot as far as is known here.
    func remembered(_ room: String, now: Instant) -> Roost_Registry_V1_Placement? {
        state.withLock { state in
            guard let placement = state.rooms[room], let entry = state.entries[placement.nodeID], entry.isLive(now),
                entry.node.bootID == placement.bootID
            else { return nil }
            return placement
        }
    }
}
