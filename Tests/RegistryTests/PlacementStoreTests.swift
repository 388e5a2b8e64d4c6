import Logging
import RedisServer
import Registry
import Store
import Testing
import Time

/// A placement store on a Redis of its own; `settled` waits out the time in which nothing is placed.
func withPlacement(
    settled: Bool = true, _ body: (PlacementStore, RedisServer, RedisStore) async throws -> Void
) async throws {
    let redis = try RedisServer()
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let store = RedisStore(url: RedisURL(unixPath: redis.socket), logger: logger)
    try await withThrowingTaskGroup { group in
        group.addTask { await store.run() }
        _ = try await store.send(["PING"], timeout: .seconds(20))
        let placement = PlacementStore(store: store)
        if settled {
            _ = try await placement.survey(known: [])
            _ = try await store.send(["DEL", "roost:r:settling"])
        }
        try await body(placement, redis, store)
        group.cancelAll()
    }
}

/// A beat that takes or renews a lease, with all rooms told.
func live(_ placement: PlacementStore, _ id: String, boot: String = "1", rooms: [String: UInt64] = [:]) async throws {
    _ = try await placement.beat(
        .init(id: id, boot: boot, stream: "\(id)-\(boot)", info: Array(id.utf8), isHello: true))
    _ = try await placement.report(id: id, boot: boot, .init(held: rooms, isWhole: true))
}

extension PlacementStore.Place {
    var node: String? { if case .at(let node, _, _, _, _) = self { node } else { nil } }
    var epoch: UInt64 { if case .at(_, _, let epoch, _, _) = self { epoch } else { 0 } }
    var isNew: Bool { if case .at(_, _, _, _, let isNew) = self { isNew } else { false } }
}

@Suite struct PlacementStoreTests {
    @Test func `a room stays where it is for as long as its node lives`() async throws {
        try await withPlacement { placement, _, _ in
            try await live(placement, "a")
            try await live(placement, "b")

            let first = try await placement.place(room: "r", candidates: ["a", "b"])
            let second = try await placement.place(room: "r", candidates: ["b"])

            #expect(first.node == "a" && first.isNew)
            #expect(second.node == "a" && !second.isNew)
            #expect(second.epoch == first.epoch)
        }
    }

    @Test func `many callers at once get one node`() async throws {
        try await withPlacement { placement, _, _ in
            for id in ["a", "b", "c"] { try await live(placement, id) }
            let places = try await withThrowingTaskGroup(of: PlacementStore.Place.self) { group in
                for number in 0..<60 {
                    group.addTask { try await placement.place(room: "r", candidates: [["a", "b", "c"][number % 3]]) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(places.map(\.node)).count == 1)
            #expect(Set(places.map(\.epoch)).count == 1)
            #expect(places.filter(\.isNew).count == 1)
        }
    }

    @Test func `a node reported dead keeps its rooms while its stream stands, and loses them once it closed`()
        async throws
    {
        try await withPlacement { placement, _, _ in
            try await live(placement, "a")
            try await live(placement, "b")
            let first = try await placement.place(room: "r", candidates: ["a"])

            let stays = try await placement.place(room: "r", deadNode: "a", deadBoot: "1", candidates: ["b"])
            #expect(stays.node == "a")

            _ = try await placement.close(id: "a", stream: "a-1", isGraceOver: false)
            #expect(try await placement.place(room: "r", candidates: ["b"]).node == "a")
            let moved = try await placement.place(room: "r", deadNode: "a", deadBoot: "1", candidates: ["a", "b"])
            #expect(moved.node == "b" && moved.epoch > first.epoch)
        }
    }

    @Test func `a stream that closed and did not come back within the grace ends the lease`() async throws {
        try await withPlacement { placement, _, _ in
            try await live(placement, "a")
            try await live(placement, "b")
            _ = try await placement.place(room: "r", candidates: ["a"])
            #expect(try await placement.close(id: "a", stream: "a-1", isGraceOver: false))

            // Through another registry.
            _ = try await placement.beat(.init(id: "a", boot: "1", stream: "elsewhere", isHello: true))
            #expect(try await placement.close(id: "a", stream: "a-1", isGraceOver: true) == false)
            #expect(try await placement.place(room: "r", deadNode: "a", deadBoot: "1", candidates: ["b"]).node == "a")

            _ = try await placement.close(id: "a", stream: "elsewhere", isGraceOver: false)
            #expect(try await placement.close(id: "a", stream: "elsewhere", isGraceOver: true))
            #expect(try await placement.place(room: "r", candidates: ["b"]).node == "b")
        }
    }

    @Test func `a node that restarted does not hold what its last life held`() async throws {
        try await withPlacement { placement, _, _ in
            try await live(placement, "a")
            let first = try await placement.place(room: "r", candidates: ["a"])
            try await live(placement, "a", boot: "2")

            let second = try await placement.place(room: "r", deadNode: "a", deadBoot: "1", candidates: ["a"])

            #expect(second.node == "a" && second.isNew && second.epoch > first.epoch)
            #expect(try await placement.beat(.init(id: "a", boot: "1", stream: "a-1")) == .replaced)
        }
    }

    @Test func `the newer epoch wins, and the other node is told to close`() async throws {
        try await withPlacement { placement, _, _ in
            try await live(placement, "a", rooms: ["r": 100])
            try await live(placement, "b")

            let newer = try await placement.report(id: "b", boot: "1", .init(held: ["r": 200]))
            let older = try await placement.report(id: "a", boot: "1", .init(held: ["r": 100]))

            #expect(newer == [])
            #expect(older == [.init(room: "r", epoch: 200)])
            #expect(try await placement.place(room: "r", candidates: ["a"]).node == "b")
        }
    }

    @Test func `an epoch never goes back, whatever was reported`() async throws {
        try await withPlacement { placement, _, _ in
            let high = PlacementStore.highestEpoch - 10
            try await live(placement, "a", rooms: ["r": high])
            #expect(try await placement.release(room: "r", node: "a", epoch: high))
            let again = try await placement.place(room: "r", candidates: ["a"])
            #expect(again.epoch == high + 1)
        }
    }

    @Test func `only the owner in its epoch releases a room`() async throws {
        try await withPlacement { placement, _, _ in
            try await live(placement, "a")
            let place = try await placement.place(room: "r", candidates: ["a"])
            #expect(try await placement.release(room: "r", node: "b", epoch: place.epoch) == false)
            #expect(try await placement.release(room: "r", node: "a", epoch: place.epoch - 1) == false)
            #expect(try await placement.release(room: "r", node: "a", epoch: place.epoch))
        }
    }

    @Test func `draining nodes are not chosen, and are told`() async throws {
        try await withPlacement { placement, _, _ in
            try await live(placement, "a")
            #expect(try await placement.drain(id: "nobody", true) == false)
            #expect(try await placement.drain(id: "a", true))
            #expect(try await placement.place(room: "r", candidates: ["a"]) == .noNode)
            guard case .leased(_, true, true) = try await placement.beat(.init(id: "a", boot: "1", stream: "a-1"))
            else {
                Issue.record("the node was not told")
                return
            }
            #expect(try await placement.survey(known: []).nodes.map(\.isDraining) == [true])
        }
    }

    @Test func `after Redis came back empty nothing is placed until known nodes have reported`() async throws {
        try await withPlacement { placement, redis, store in
            try await live(placement, "a")
            try await live(placement, "b")
            let before = try await placement.place(room: "r", candidates: ["a"])
            redis.kill()
            try redis.start()
            _ = try await store.send(["PING"], timeout: .seconds(20))

            guard case .settling = try await placement.place(room: "r", candidates: ["b"]) else {
                Issue.record("placed at once")
                return
            }
            try await live(placement, "b")
            #expect(try await placement.survey(known: ["a", "b"]).settling != nil)
            try await live(placement, "a", rooms: ["r": before.epoch])
            #expect(try await placement.survey(known: ["a", "b"]).settling == nil)

            let after = try await placement.place(room: "r", candidates: ["b"])
            #expect(after.node == "a" && after.epoch == before.epoch && !after.isNew)
            #expect(try await placement.place(room: "s", candidates: ["b"]).epoch > before.epoch)
        }
    }

    @Test func `leases that ended while Redis hung have not lapsed`() async throws {
        try await withPlacement { placement, redis, store in
            try await live(placement, "a")
            try await live(placement, "b")
            _ = try await placement.survey(known: [])
            _ = try await placement.place(room: "r", candidates: ["a"])
            redis.freeze()
            try await Task.sleep(for: .milliseconds(3_300))
            redis.thaw()
            _ = try await store.send(["PING"], timeout: .seconds(20))
            try await live(placement, "b")

            guard case .settling = try await placement.place(room: "r", candidates: ["b"]) else {
                Issue.record("moved at once")
                return
            }
            try await live(placement, "a")
            #expect(try await placement.survey(known: []).settling == nil)
            #expect(try await placement.place(room: "r", candidates: ["b"]).node == "a")
        }
    }

    @Test(arguments: [(2, 1, false), (3, 2, false), (6, 3, true), (12, 3, false), (4, 4, true)])
    func `placement freezes when over a third of at least three go together`(
        nodes: Int, dead: Int, freezes: Bool
    ) async throws {
        try await withPlacement { placement, _, _ in
            for number in 0..<nodes { try await live(placement, "n\(number)") }
            _ = try await placement.survey(known: [])
            for number in 0..<dead {
                _ = try await placement.close(id: "n\(number)", stream: "n\(number)-1", isGraceOver: false)
                _ = try await placement.close(id: "n\(number)", stream: "n\(number)-1", isGraceOver: true)
            }
            let survey = try await placement.survey(known: [])
            #expect((survey.frozen != nil) == freezes, "\(survey.frozen ?? "not frozen")")
            guard freezes else { return }

            guard case .frozen(let why) = try await placement.place(room: "r", candidates: ["n\(nodes - 1)"]) else {
                Issue.record("placed while frozen")
                return
            }
            #expect(why == "\(dead) of \(nodes) sfu-nodes went away together")
            for number in 0..<dead { try await live(placement, "n\(number)") }
            #expect(try await placement.survey(known: []).frozen == nil)
        }
    }
}
