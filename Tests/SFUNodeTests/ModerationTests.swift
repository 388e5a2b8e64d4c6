import SFUNode
import Testing
import Time

/// Hosts, what they may do, and what late comers find.
struct ModerationTests {
    private func room() throws -> World {
        var world = World()
        for name in ["ann", "bob", "cy"] { try world.join(name, kind: .room) }
        _ = world.hear()
        return world
    }

    private func host(_ world: World) -> [String] {
        world.state()?.members.filter { $0.role == .host }.map(\.name) ?? []
    }

    @Test func `who makes a room is its host, who makes a call is not`() throws {
        #expect(host(try room()) == ["ann"])
        var call = World()
        try call.join("ann")
        try call.join("bob")
        #expect(host(call) == [])
    }

    @Test func `a listener does not become a host by being the first`() throws {
        var world = World()
        try world.join("ann", kind: .room, role: .listener)
        try world.join("bob", kind: .room)
        #expect(host(world) == ["bob"])
    }

    @Test func `the host's place goes to who is there the longest and present`() throws {
        var world = try room()
        try world.update("bob", away: true)
        _ = world.hear()
        world.leave("ann")
        #expect(world.hear() == ["left ann hungUp", "updated cy"])
        #expect(host(world) == ["cy"])
        try world.join("ann", kind: .room)
        #expect(host(world) == ["cy"])
        world.leave("cy")
        #expect(host(world) == ["ann"], "who is away takes it only where nobody is there")
    }

    @Test func `a host that is away keeps its place until it has left for good`() throws {
        var world = try room()
        try world.update("ann", away: true)
        world.pass(.seconds(20))
        #expect(host(world) == ["ann"])
        world.pass(.seconds(10))
        #expect(host(world) == ["bob"])
    }

    @Test func `a host makes somebody a listener, whose media ends, and a speaker again`() throws {
        var world = try room()
        try world.update("bob", media: MediaState(audio: true))
        _ = world.hear()
        let listen = Moderation.role(id("m-bob"), listener: true)
        try world.moderate(listen, by: "ann")
        try world.moderate(listen, by: "ann")
        #expect(world.hear() == ["updated bob"])
        let bob = world.state()?.members.first { $0.name == "bob" }
        #expect(bob?.role == .listener && bob?.media == MediaState())
        // A signal that has not heard of it comes back with what it knew.
        try world.join("bob", kind: .room, media: MediaState(audio: true))
        #expect(world.state()?.members.first { $0.name == "bob" } == bob)
        world.leave("bob")
        try world.join("bob", kind: .room, media: MediaState(audio: true))
        #expect(world.state()?.members.first { $0.name == "bob" }?.role == .listener, "by going out one does not rise")
        world.leave("ann")
        #expect(host(world) == ["cy"], "a listener is no host")
        try world.moderate(.role(id("m-bob"), listener: false), by: "cy")
        try world.update("bob", media: MediaState(audio: true))
        #expect(world.state()?.members.first { $0.name == "bob" }?.role == .speaker)
        #expect(refusal { () throws(RoomRefusal) in try world.moderate(listen, by: "bob") }?.reason == "forbidden")
        for (who, reason) in [("cy", "invalid"), ("nobody", "no-such-member")] {
            let wrong = Moderation.role(id("m-\(who)"), listener: true)
            #expect(refusal { () throws(RoomRefusal) in try world.moderate(wrong, by: "cy") }?.reason == reason)
        }
        try world.moderate(listen, by: "cy")
        world.leave("cy")
        world.leave("bob")
        try world.join("bob", kind: .room)
        #expect(host(world) == ["bob"], "nobody is there who could let it speak")
    }

    @Test func `only a host moderates`() throws {
        var world = try room()
        #expect(refusal { () throws(RoomRefusal) in try world.moderate(.lock, by: "bob") }?.reason == "forbidden")
        #expect(
            refusal { () throws(RoomRefusal) in try world.moderate(.remove(id("m-cy")), by: "bob") }?.reason
                == "forbidden")
        #expect(refusal { () throws(RoomRefusal) in try world.moderate(.lock, by: "eve") } == .noSuchMember)
        #expect(
            refusal { () throws(RoomRefusal) in try world.moderate(.mute(id("m-eve")), by: "ann") } == .noSuchMember)
        #expect(world.hear() == [])
    }

    @Test func `who is removed does not come back while the room lives, by no session`() throws {
        var world = try room()
        try world.moderate(.remove(id("m-bob")), by: "ann")
        try world.moderate(.remove(id("m-bob")), by: "ann")
        #expect(world.hear() == ["left bob removed"])
        #expect(refusal { () throws(RoomRefusal) in try world.join("bob", kind: .room) } == .removed)
        var other = member("bob")
        other.id = id("m-bob-2")
        #expect(
            refusal { () throws(RoomRefusal) in
                try world.table.join(
                    RoomTable.Join(room: id("c-1"), epoch: 7, member: other, kind: .room), now: world.now)
            } == .removed)
        #expect(refusal { () throws(RoomRefusal) in try world.send("1", from: "bob") } == .noSuchMember)
        #expect(
            refusal { () throws(RoomRefusal) in try world.moderate(.remove(id("m-ann")), by: "ann") }?.reason
                == "invalid")
    }

    @Test func `a removed person's other sessions leave too`() throws {
        var world = try room()
        var other = member("bob")
        other.id = id("m-bob-2")
        _ = try world.table.join(
            RoomTable.Join(room: id("c-1"), epoch: 7, member: other, kind: .room), now: world.now)
        _ = world.hear()
        try world.moderate(.remove(id("m-bob")), by: "ann")
        #expect(world.hear() == ["left bob removed", "left bob removed"])
    }

    @Test func `into a locked room comes back who was there, and nobody else`() throws {
        var world = try room()
        world.leave("bob")
        try world.moderate(.lock, by: "ann")
        try world.moderate(.lock, by: "ann")
        #expect(world.hear() == ["left bob hungUp", "locked ann"])
        #expect(world.state()?.isLocked == true)
        #expect(refusal { () throws(RoomRefusal) in try world.join("dan", kind: .room) } == .locked)
        var again = member("bob")
        again.id = id("m-bob-2")
        _ = try world.table.join(
            RoomTable.Join(room: id("c-1"), epoch: 7, member: again, kind: .room), now: world.now)
        try world.moderate(.unlock, by: "ann")
        try world.join("dan", kind: .room)
        #expect(world.hear() == ["joined bob", "unlocked ann", "joined dan"])
    }

    @Test func `a host, and in a call anybody, changes the way of the media while the room goes on`() throws {
        var world = try room()
        #expect(
            refusal { () throws(RoomRefusal) in try world.moderate(.topology(.sfu), by: "bob") }?.reason == "forbidden")
        try world.moderate(.topology(.sfu), by: "ann")
        try world.moderate(.topology(.sfu), by: "ann")
        #expect(world.hear() == ["sfu ann"])
        #expect(world.state()?.topology == .sfu)
        var next = World()
        try next.join("ann", epoch: 8, kind: .room, reassert: world.state())
        #expect(next.state()?.topology == .sfu)
        // Another signal knew more.
        var more = try #require(world.state())
        more.seq += 1
        more.topology = .mesh
        try next.join("bob", epoch: 8, kind: .room, reassert: more)
        #expect(next.state()?.topology == .mesh)

        var call = World()
        try call.join("ann")
        try call.join("bob")
        _ = call.hear()
        try call.moderate(.topology(.sfu), by: "bob")
        #expect(call.hear() == ["sfu bob"])
        #expect(refusal { () throws(RoomRefusal) in try call.moderate(.lock, by: "bob") }?.reason == "forbidden")
        #expect(
            refusal { () throws(RoomRefusal) in try call.moderate(.topology(.mesh), by: "eve") } == .noSuchMember)
    }

    @Test func `a mesh is made of no more members than it holds`() throws {
        var world = World()
        for number in 0..<7 { try world.join("p\(number)", kind: .room) }
        _ = world.hear()
        #expect(
            refusal { () throws(RoomRefusal) in try world.moderate(.topology(.mesh), by: "p0") } == .meshFull(limit: 6))
        world.leave("p6")
        try world.moderate(.topology(.mesh), by: "p0")
        #expect(world.hear() == ["left p6 hungUp", "mesh p0"])
        #expect(refusal { () throws(RoomRefusal) in try world.join("p6", kind: .room) } == .meshFull(limit: 6))
    }

    @Test func `lock, removals and chat outlive the node`() throws {
        var world = try room()
        try world.send("1", from: "bob", body: [0x31])
        try world.moderate(.remove(id("m-cy")), by: "ann")
        try world.moderate(.lock, by: "ann")
        let last = world.state()
        var next = World()
        try next.join("ann", epoch: 8, kind: .room, reassert: last)
        #expect(next.state()?.isLocked == true)
        #expect(next.state()?.chat.map(\.body) == [[0x31]])
        #expect(host(next) == ["ann"])
        #expect(refusal { () throws(RoomRefusal) in try next.join("cy", epoch: 8, kind: .room) } == .removed)
        try next.join("bob", epoch: 8, kind: .room)
    }

    @Test func `late comers to a room find what was said to all, not what was said to one, nor other messages`() throws
    {
        var world = try room()
        try world.send("1", from: "ann", body: Array("\"hi\"".utf8))
        try world.send("2", from: "ann", to: "bob", body: Array("\"psst\"".utf8))
        try world.send("3", from: "ann", type: "hand")
        world.leave("ann")
        let state = try world.join("dan", kind: .room)
        #expect(state.chat.map(\.name) == ["ann"])
        #expect(state.chat.map { String(decoding: $0.body, as: UTF8.self) } == ["\"hi\""])
        #expect(state.chat.map(\.seq) == [4])
        var call = World()
        try call.join("ann")
        try call.send("1", from: "ann")
        #expect(call.state()?.chat == [])
    }

    @Test func `what is kept of the chat is bounded in lines and bytes`() throws {
        var world = World { limits in
            limits.chatLines = 3
            limits.chatBytes = 1_000
            limits.burst = 1_000
        }
        try world.join("ann", kind: .room)
        for number in 1...10 { try world.send("\(number)", from: "ann", body: [UInt8(number)]) }
        #expect(world.state()?.chat.map(\.body) == [[8], [9], [10]])
        try world.send("11", from: "ann", body: Array(repeating: 0x20, count: 700))
        #expect(world.state()?.chat.map(\.body.count) == [1, 700])
        try world.send("12", from: "ann", body: Array(repeating: 0x20, count: 2_000))
        #expect(world.state()?.chat == [])
    }
}
