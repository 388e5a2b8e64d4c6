import Registry
import Testing

/// A seeded generator, so that a bad run replays (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// A cluster in which rooms cost CPU and egress, and the loads that registries see jitter and are a second old.
struct SimulatedCluster {
    /// What a room costs: a two-hundredth of a node's CPU and egress, so that 100 rooms are half a node.
    static let cost = 0.005
    var nodes: [NodeShare]
    var homes: [String] = []
    var random: Seeded

    init(nodes count: Int, regions: [String], seed: UInt64) {
        nodes = (0..<count).map {
            NodeShare(
                id: "sfu-\($0)", region: regions[$0 % regions.count], egressCapacity: 1e9, roomCapacity: 200, cores: 2)
        }
        random = Seeded(state: seed)
    }

    /// Every node tells its load, off by up to a twentieth.
    mutating func beat() {
        for index in nodes.indices {
            let true_ = Double(nodes[index].rooms) * Self.cost
            nodes[index].cpu = true_ * Double.random(in: 0.95...1.05, using: &random)
            nodes[index].egress = true_ * 1e9 * Double.random(in: 0.95...1.05, using: &random)
        }
    }

    mutating func place(_ rooms: Int, region: String = "") {
        let byID = Dictionary(uniqueKeysWithValues: nodes.enumerated().map { ($1.id, $0) })
        for number in 0..<rooms {
            if number.isMultiple(of: 2_000) { beat() }
            guard let id = PlacementPolicy.choose(from: nodes, region: region, using: &random).first,
                let index = byID[id]
            else { continue }
            nodes[index].rooms += 1
            homes.append(id)
        }
    }
}

@Suite struct PlacementPolicyTests {
    @Test func `100,000 rooms on 1,000 nodes are within 10% of even, though loads jitter`() {
        var cluster = SimulatedCluster(nodes: 1_000, regions: ["a", "b", "c", "d"], seed: 1)

        cluster.place(100_000)

        let rooms = cluster.nodes.map(\.rooms)
        #expect(cluster.homes.count == 100_000)
        #expect(rooms.max() ?? 0 <= 110, "most: \(rooms.max() ?? 0)")
        #expect(rooms.min() ?? 0 >= 90, "least: \(rooms.min() ?? 0)")
    }

    @Test func `regions are respected as long as they have room`() {
        var cluster = SimulatedCluster(nodes: 100, regions: ["a", "b", "c", "d"], seed: 2)

        cluster.place(1_000, region: "a")
        #expect(cluster.nodes.allSatisfy { $0.region == "a" || $0.rooms == 0 })

        // Region a holds 25 nodes of 200 rooms, so some must go elsewhere, and no node takes more than it may hold.
        cluster.place(5_000, region: "a")
        #expect(cluster.homes.count == 6_000)
        #expect(cluster.nodes.contains { $0.region != "a" && $0.rooms > 0 })
        #expect(cluster.nodes.allSatisfy { $0.rooms <= 200 })
    }

    @Test func `full, draining and excluded nodes are never chosen`() {
        var random = Seeded(state: 3)
        let nodes = [
            NodeShare(id: "rooms", rooms: 10, roomCapacity: 10), NodeShare(id: "cpu", cpu: 0.97),
            NodeShare(id: "egress", egress: 960, egressCapacity: 1_000), NodeShare(id: "draining", isOpen: false),
            NodeShare(id: "dead"), NodeShare(id: "good", cpu: 0.9),
        ]
        for _ in 0..<1_000 {
            let chosen = PlacementPolicy.choose(from: nodes, region: "", excluding: ["dead"], count: 6, using: &random)
            #expect(chosen == ["good"])
        }
    }

    @Test func `a node without headroom is the last choice, also before another region`() {
        var random = Seeded(state: 4)
        let nodes = [
            NodeShare(id: "tight", region: "a", cpu: 0.85), NodeShare(id: "far", region: "b", cpu: 0.5),
            NodeShare(id: "farTight", region: "b", cpu: 0.85),
        ]
        let chosen = PlacementPolicy.choose(from: nodes, region: "a", count: 3, using: &random)

        #expect(chosen == ["far", "tight", "farTight"])
    }

    @Test func `a node that joins gets new rooms without a rush, and no room moves`() throws {
        var cluster = SimulatedCluster(nodes: 100, regions: ["a"], seed: 5)
        cluster.place(5_000)
        let before = cluster.homes

        cluster.nodes.append(
            NodeShare(id: "new", region: "a", egressCapacity: 1e9, roomCapacity: 200, cores: 2))
        cluster.place(1_000)

        #expect(Array(cluster.homes.prefix(before.count)) == before)
        let new = try #require(cluster.nodes.last)
        // Its even share of the new ones is 10; it takes four times that, being drawn among four, and not all of them.
        #expect((20...60).contains(new.rooms), "\(new.rooms)")
    }

    @Test func `two nodes share evenly`() {
        var cluster = SimulatedCluster(nodes: 2, regions: ["a"], seed: 6)
        cluster.place(100)
        #expect(cluster.nodes.allSatisfy { (45...55).contains($0.rooms) })
    }
}
