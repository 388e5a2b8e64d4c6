import Bus
import Messages
import RedisServer
import Registry
import Testing
import Time

@Suite struct ClusterTests {
    @Test func `a node attached to one registry is given out by the other, and both agree`() async throws {
        try await withTwo { cluster, _, a, b in
            let node = TestNode("sfu-1", to: cluster.address("A"))
            defer { _ = node }
            #expect(await isKnown("sfu-1", to: b))

            let first = try await b.place("r")
            let second = try await a.place("r")

            #expect(first.created && !second.created)
            #expect(first.placement == second.placement)
            #expect(first.placement.nodeID == "sfu-1" && first.placement.bootID == "1")
            #expect(first.placement.busAddresses == ["unix:/nowhere/sfu-1"])
        }
    }

    @Test func `a dead node's room moves as soon as a caller reports it, with a higher epoch`() async throws {
        try await withTwo { cluster, _, a, b in
            let one = TestNode("sfu-1", to: cluster.address("A"))
            #expect(await isKnown("sfu-1", to: a))
            let first = try await b.place("r").placement
            let two = TestNode("sfu-2", to: cluster.address("B"))
            defer { _ = two }
            #expect(await isKnown("sfu-2", to: b))
            let stays = try await b.place("r", dead: ("sfu-1", "1")).placement
            #expect(stays == first)

            await one.kill()
            let clock = ContinuousClock()
            let start = clock.now
            // The registry may hear of the end after the caller does.
            let isMoved = await within {
                guard let moved = try? await b.place("r", dead: ("sfu-1", "1")).placement else { return false }
                return moved.nodeID == "sfu-2" && moved.epoch > first.epoch
            }
            #expect(isMoved)
            #expect(clock.now - start < .seconds(3))
        }
    }

    @Test func `a registry dies, its node attaches to the other, and its rooms stay`() async throws {
        try await withTwo { cluster, _, a, b in
            let node = TestNode("sfu-1", to: cluster.address("A"))
            #expect(await isKnown("sfu-1", to: b))
            let first = try await a.place("r").placement

            await cluster.kill("A")
            let isOver = await within { node.isOver }
            #expect(isOver)
            let again = TestNode("sfu-1", to: cluster.address("B"), rooms: ["r": first.epoch])
            defer { _ = again }

            let isKept = await within { (try? await b.place("r").placement) == first }
            #expect(isKept)
        }
    }

    @Test func `Redis dies and comes back empty: placed rooms are answered throughout, and heal`() async throws {
        try await withTwo { cluster, redis, a, _ in
            let one = TestNode("sfu-1", to: cluster.address("A"))
            let two = TestNode("sfu-2", to: cluster.address("B"))
            #expect(await isKnown("sfu-1", to: a))
            #expect(await isKnown("sfu-2", to: a))
            let first = try await a.place("r").placement
            (first.nodeID == "sfu-1" ? one : two).hold(["r": first.epoch])
            try await Task.sleep(for: .milliseconds(600))

            redis.kill()
            let during = try await a.place("r").placement
            #expect(during == first)
            await #expect(throws: BusStatus.self) {
                var request = Roost_Registry_V1_PlaceRoomRequest()
                request.room = "new"
                _ = try await a.registry.placeRoom(request, options: CallOptions(timeout: .seconds(1)))
            }
            try redis.start()
            let clock = ContinuousClock()
            let start = clock.now

            let new = try await a.place("other")
            #expect(new.created && new.placement.epoch > first.epoch)
            #expect(clock.now - start < .seconds(5))
            let healed = try await a.place("r").placement
            #expect(healed == first)
        }
    }

    @Test func `who holds a room in an older epoch is told to close it`() async throws {
        try await withTwo { cluster, _, a, b in
            let newer = TestNode("sfu-1", to: cluster.address("A"), rooms: ["r": 200])
            #expect(await isKnown("sfu-1", to: b))
            let isReported = await within { (try? await b.place("r").placement.epoch) == 200 }
            #expect(isReported)
            let older = TestNode("sfu-2", to: cluster.address("B"), rooms: ["r": 100])

            var close = Roost_Registry_V1_CloseRoom()
            close.room = "r"
            close.epoch = 200
            let isTold = await older.waitTold { [close] in $0 == .closeRoom(close) }
            #expect(isTold)
            let owner = try await a.place("r").placement.nodeID
            #expect(owner == "sfu-1")
            _ = newer
        }
    }

    @Test func `a drain asked of one registry reaches the node at the other`() async throws {
        try await withTwo { cluster, _, a, b in
            let node = TestNode("sfu-1", to: cluster.address("A"))
            #expect(await isKnown("sfu-1", to: b))
            var request = Roost_Registry_V1_DrainNodeRequest()
            request.nodeID = "sfu-1"
            request.draining = true
            _ = try await b.registry.drainNode(request)

            var told = Roost_Registry_V1_SetDraining()
            told.draining = true
            let isTold = await node.waitTold { [told] in $0 == .setDraining(told) }
            #expect(isTold)
            do {
                var place = Roost_Registry_V1_PlaceRoomRequest()
                place.room = "r"
                _ = try await a.registry.placeRoom(place, options: CallOptions(timeout: .seconds(2)))
                Issue.record("placed on a draining node")
            } catch let error as BusStatus {
                #expect(error.code == .resourceExhausted || error.code == .deadlineExceeded, "\(error)")
            }
        }
    }

    @Test func `clients get live turn nodes, their region first`() async throws {
        try await withTwo { cluster, _, a, b in
            let far = TestNode(
                "turn-1", kind: .turn, region: "x", ice: ["stun:192.0.2.1:3478"], to: cluster.address("A"))
            let near = TestNode(
                "turn-2", kind: .turn, region: "y", ice: ["stun:192.0.2.2:3478"], to: cluster.address("B"))
            #expect(await isKnown("turn-1", to: b))
            #expect(await isKnown("turn-2", to: b))
            var request = Roost_Registry_V1_IceServersRequest()
            request.region = "y"
            let both = try await b.registry.iceServers(request).servers.map(\.urls)
            #expect(both == [["stun:192.0.2.2:3478"], ["stun:192.0.2.1:3478"]])

            await near.kill()
            let isGone = await within {
                let left = try? await a.registry.iceServers(request).servers.map(\.urls)
                return left == [["stun:192.0.2.1:3478"]]
            }
            #expect(isGone)
            _ = far
        }
    }

    @Test func `watchers of one registry hear what the other placed and released`() async throws {
        try await withTwo { cluster, _, a, b in
            let node = TestNode("sfu-1", to: cluster.address("A"))
            defer { _ = node }
            #expect(await isKnown("sfu-1", to: b))
            let changes = try await b.registry.watchRooms(Roost_Registry_V1_WatchRoomsRequest())
            // The subscription may stand a moment later than the call: news are hints.
            try await Task.sleep(for: .milliseconds(500))
            let placed = try await a.place("r").placement
            var release = Roost_Registry_V1_ReleaseRoomRequest()
            release.room = "r"
            release.nodeID = placed.nodeID
            release.epoch = placed.epoch
            let isReleased = try await a.registry.releaseRoom(release).released
            #expect(isReleased)

            var heard: [Bool] = []
            for try await change in changes {
                #expect(change.placement.room == "r" && change.placement.epoch == placed.epoch)
                heard.append(change.released)
                if heard.count == 2 { break }
            }
            #expect(heard == [false, true])
        }
    }

    @Test func `wrong requests are refused`() async throws {
        try await withTwo { _, _, a, _ in
            do {
                _ = try await a.place("")
                Issue.record("placed a room without a name")
            } catch let error as BusStatus {
                #expect(error.code == .invalidArgument)
            }
            var drain = Roost_Registry_V1_DrainNodeRequest()
            drain.nodeID = "nobody"
            do {
                _ = try await a.registry.drainNode(drain)
                Issue.record("drained nobody")
            } catch let error as BusStatus {
                #expect(error.code == .notFound, "\(error)")
            }
        }
    }
}
