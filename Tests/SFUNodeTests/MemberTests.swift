import SFUNode
import Testing
import Time

/// Members: joining, being away, what they may do.
struct MemberTests {
    @Test func `a repeated join says nothing and gives the same state`() throws {
        var world = World()
        let first = try world.join("ann", media: MediaState(audio: true))
        world.pass(.seconds(1))
        #expect(try world.join("ann", media: MediaState(audio: true)) == first)
        #expect(world.hear() == ["joined ann"])
    }

    @Test func `members stand in the order of joining, with the time they joined`() throws {
        var world = World()
        let start = world.now.wall.milliseconds
        for name in ["zoe", "ann", "max"] {
            try world.join(name)
            world.pass(.seconds(1))
        }
        try world.join("ann")
        #expect(world.state()?.members.map(\.name) == ["zoe", "ann", "max"])
        #expect(world.state()?.members.map { $0.joined.milliseconds - start } == [0, 1_000, 2_000])
    }

    @Test func `an end of the last stream hides for 3 s, then shows, then the member has left`() throws {
        var world = World()
        try world.join("ann", signal: "signal-1")
        try world.join("bob", signal: "signal-2")
        try world.read(signal: "signal-1")  // two of one signal's by now
        _ = world.hear()

        world.unread(signal: "signal-1")
        world.pass(.seconds(60))
        #expect(world.hear() == [])
        world.unread(signal: "signal-1")
        world.pass(.milliseconds(2_999))
        #expect(world.hear() == [])
        world.pass(.milliseconds(1))
        #expect(world.hear() == ["updated ann away"])
        world.pass(.seconds(25))
        #expect(world.hear() == ["left ann gone", "ended hungUp ann"])
    }

    @Test func `a signal that reads again has its members back, but for those it called away`() throws {
        var world = World()
        for name in ["ann", "bob", "cy"] { try world.join(name, kind: .room) }
        try world.update("cy", away: true)
        for _ in 0..<3 { world.unread() }
        world.pass(.seconds(10))
        _ = world.hear()
        try world.read(signal: "signal-1")
        #expect(world.hear() == ["updated ann", "updated bob"])
        world.pass(.seconds(30))
        #expect(world.hear() == ["left cy gone"])
    }

    @Test func `a watching reader keeps nobody there`() throws {
        var world = World()
        try world.join("ann", kind: .room)
        try world.read(signal: nil)
        world.unread()
        world.pass(.seconds(3))
        #expect(world.hear() == ["joined ann", "updated ann away"])
    }

    @Test func `a member whose signal never reads is away, and has left`() throws {
        var world = World()
        try world.join("ann", kind: .room, reads: false)
        // With the second that a dead socket may take to be noticed, within 30 s.
        world.pass(.seconds(29))
        #expect(world.hear() == ["joined ann", "updated ann away", "left ann gone"])
    }

    @Test func `a resume at another signal within 3 s shows no absence`() throws {
        var world = World()
        try world.join("ann", kind: .room)
        world.unread()
        world.pass(.seconds(2))
        try world.join("ann", kind: .room, signal: "signal-2")
        world.pass(.seconds(100))
        #expect(world.hear() == ["joined ann", "updated ann"])
        #expect(world.state()?.members.map(\.signal) == [id("signal-2")])
    }

    @Test func `away and back are told at once, and once`() throws {
        var world = World()
        try world.join("ann", kind: .room)
        try world.update("ann", away: true)
        try world.update("ann", away: true)
        try world.update("ann")
        try world.update("ann")
        #expect(world.hear() == ["joined ann", "updated ann away", "updated ann"])
    }

    @Test func `a listener sends no media and cannot rise by coming back`() throws {
        var world = World()
        try world.join("ann", kind: .room, role: .host)
        #expect(
            refusal { () throws(RoomRefusal) in
                try world.join("lee", role: .listener, media: MediaState(audio: true))
            }?.reason == "forbidden")
        try world.join("lee", role: .listener)
        try world.join("lee", role: .host)
        #expect(
            refusal { () throws(RoomRefusal) in
                try world.update("lee", media: MediaState(video: true))
            }?.reason == "forbidden")
        #expect(world.hear() == ["joined ann", "joined lee"])
        #expect(world.state()?.members.map(\.role) == [.host, .listener])
    }

    @Test func `a member id is one person's`() throws {
        var world = World()
        try world.join("ann")
        var thief = member("bob")
        thief.id = id("m-ann")
        let join = RoomTable.Join(room: id("c-1"), epoch: 7, member: thief, kind: .call)
        #expect(refusal { () throws(RoomRefusal) in try world.table.join(join, now: world.now) }?.reason == "forbidden")
        #expect(world.state()?.members.map(\.name) == ["ann"])
    }

    @Test func `who left may leave again, and whoever never was too`() throws {
        var world = World()
        for name in ["ann", "bob", "cy"] { try world.join(name) }
        world.leave("cy")
        world.leave("cy")
        world.leave("nobody")
        world.leave("ann", room: "nowhere")
        #expect(world.hear() == ["joined ann", "joined bob", "joined cy", "left cy hungUp"])
    }

    @Test func `a full room and a full node refuse`() throws {
        var world = World {
            $0.rooms = 1
            $0.members = 2
        }
        try world.join("ann")
        try world.join("bob")
        #expect(refusal { () throws(RoomRefusal) in try world.join("cy") } == .membersFull(limit: 2))
        #expect(refusal { () throws(RoomRefusal) in try world.join("cy", room: "c-2") } == .roomsFull(limit: 1))
        #expect(try world.join("bob").members.count == 2)
    }

    @Test func `the seventh is not let into a mesh, and into other rooms is`() throws {
        for topology in [Topology.mesh, .auto, .sfu] {
            var room = Room(
                id: try #require(RoomID("r")), epoch: 1, kind: .room, topology: topology, limits: RoomLimits(),
                now: World().now)
            for number in 1...7 {
                let member = RoomMember(
                    id: try #require(MemberID("m\(number)")), person: try #require(PersonID("p\(number)")),
                    name: "\(number)", role: .speaker, media: MediaState(), signal: try #require(SignalID("s")),
                    joined: WallTime(milliseconds: 0))
                let refused = refusal { () throws(RoomRefusal) in
                    _ = try room.join(member, media: nil, now: World().now)
                }
                #expect(refused == (topology == .mesh && number == 7 ? .meshFull(limit: 6) : nil))
                // Who is in comes back all the same.
                if number == 6 { _ = try room.join(member, media: nil, now: World().now) }
            }
        }
    }

    @Test func `a draining node makes no room, and serves those it has`() throws {
        var world = World()
        try world.join("ann")
        world.table.isDraining = true
        #expect(refusal { () throws(RoomRefusal) in try world.join("cy", room: "c-2") } == .draining)
        try world.join("bob")
        #expect(world.hear() == ["joined ann", "joined bob"])
    }
}
