/// What placement needs to know of a node.
package struct NodeShare: Hashable, Sendable {
    /// The node's id.
    package var id: String
    /// Where it stands.
    package var region: String
    /// Whether it may take new rooms: live and not draining.
    package var isOpen: Bool
    /// 0 to 1, of all cores.
    package var cpu: Double
    /// Bits a second that it sends.
    package var egress: Double
    /// Bits a second that it may send; 0: unknown.
    package var egressCapacity: Double
    /// Rooms that it holds, those just placed included.
    package var rooms: Int
    /// Rooms that it may hold; 0: no bound.
    package var roomCapacity: Int
    /// Processor cores.
    package var cores: Int
    /// Rooms that fill a core where `roomCapacity` says nothing.
    package var roomsPerCore: Int

    /// A node's share, empty and open unless said otherwise.
    package init(
        id: String, region: String = "", isOpen: Bool = true, cpu: Double = 0, egress: Double = 0,
        egressCapacity: Double = 0, rooms: Int = 0, roomCapacity: Int = 0, cores: Int = 1,
        roomsPerCore: Int = PlacementPolicy.roomsPerCore
    ) {
        self.id = id
        self.region = region
        self.isOpen = isOpen
        self.cpu = cpu
        self.egress = egress
        self.egressCapacity = egressCapacity
        self.rooms = rooms
        self.roomCapacity = roomCapacity
        self.cores = cores
        self.roomsPerCore = roomsPerCore
    }
}

/// Chooses the node of a new room. A pure function of loads and chance; rooms that have a node are never asked about here,
/// so that loads that jitter move nothing.
package enum PlacementPolicy {
    /// Nodes drawn by chance, of which the least loaded wins. All registries taking the one best node would pile onto it
    /// until its next heartbeat; two choices leave lows of 8% under even in the simulation, four keep within 5%.
    static let choices = 4
    /// What a room costs where nothing is measured yet: an eighth of a core's worth of small calls.
    package static let roomsPerCore = 100
    /// Above this a node has no headroom for its rooms to grow, so it is taken only if every other is above it, too.
    static let headroom = 0.8
    /// Above this a node is full: one more room would harm those it has.
    static let full = 0.95

    /// How full a node is: 0 empty, 1 full. CPU counts most, since it is what runs out first when forwarding.
    package static func load(of node: NodeShare) -> Double {
        let rooms =
            Double(node.rooms)
            / (node.roomCapacity > 0 ? Double(node.roomCapacity) : Double(node.cores * node.roomsPerCore))
        guard node.egressCapacity > 0 else { return 0.55 * node.cpu + 0.45 * rooms }
        return 0.4 * node.cpu + 0.3 * node.egress / node.egressCapacity + 0.3 * rooms
    }

    /// Whether a node must not get another room.
    package static func isFull(_ node: NodeShare) -> Bool {
        node.cpu >= full || (node.egressCapacity > 0 && node.egress >= full * node.egressCapacity)
            || (node.roomCapacity > 0 && node.rooms >= node.roomCapacity)
    }

    /// Up to `count` nodes for a new room, best first: in the region before elsewhere, with headroom before without.
    package static func choose(
        from nodes: some Collection<NodeShare>, region: String, excluding: Set<String> = [], count: Int = 1,
        using random: inout some RandomNumberGenerator
    ) -> [String] {
        var ranks: [[NodeShare]] = [[], [], [], []]
        for node in nodes where node.isOpen && !isFull(node) && !excluding.contains(node.id) {
            let isNear = region.isEmpty || node.region == region
            let isTight = max(load(of: node), node.cpu) > headroom
            ranks[(isTight ? 2 : 0) + (isNear ? 0 : 1)].append(node)
        }
        var chosen: [String] = []
        for var rank in ranks {
            while chosen.count < count, !rank.isEmpty {
                var best = Int.random(in: rank.indices, using: &random)
                for _ in 1..<choices {
                    let other = Int.random(in: rank.indices, using: &random)
                    if load(of: rank[other]) < load(of: rank[best]) { best = other }
                }
                chosen.append(rank[best].id)
                rank.swapAt(best, rank.count - 1)
                rank.removeLast()
            }
        }
        return chosen
    }
}
