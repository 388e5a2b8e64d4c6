import SFUNode
import Testing
import Time

/// Rooms that move between nodes: epochs, re-assertion, what late signals get.
struct MoveTests {
    /// The state of a call of two on a node that then dies, and how it went on by one more event.
    private func lastWords() throws(RoomRefusal) -> (before: RoomState, after: RoomState) {
        var world = World()
        try world.join("ann", signal: "signal-1", media: MediaState(audio: true))
        try world.join("bob", signal: "signal-2", media: MediaState(audio: true))
        guard let before = world.state() else { throw .noSuchRoom }
        try world.update("bob", media: MediaState(audio: true, video: true))
        guard let after = world.state() else { throw .noSuchRoom }
        return (before, after)
    }

    @Test func `an older epoch is refused, the same joins, a newer one replaces`() throws {
        var world = World()
        try world.join("ann", epoch: 7)
        #expect(refusal { () throws(RoomRefusal) in try world.join("bob", epoch: 6) } == .staleEpoch(known: 7))
        #expect(refusal { () throws(RoomRefusal) in try world.read(epoch: 6) } == .staleEpoch(known: 7))
        try world.join("bob", epoch: 7)
        try world.join("bob", epoch: 8)
        #expect(world.hear() == ["joined ann", "joined bob", "ended moved", "joined bob"])
        #expect(world.state()?.epoch == 8)
        #expect(world.table.held == [RoomTable.Held(room: id("c-1"), epoch: 8, members: 1)])
    }

    @Test func `an ended life does not come back, the next one does`() throws {
        var world = World()
        try world.join("ann", epoch: 7)
        world.leave("ann")
        #expect(refusal { () throws(RoomRefusal) in try world.join("bob", epoch: 7) } == .staleEpoch(known: 7))
        #expect(refusal { () throws(RoomRefusal) in try world.join("bob", epoch: 8, mustExist: true) } == .noSuchRoom)
        try world.join("bob", epoch: 8)
        #expect(world.state()?.members.map(\.name) == ["bob"])
    }

    @Test func `the registry closes a room that lives elsewhere, and no newer one`() throws {
        var world = World()
        try world.join("ann", epoch: 7)
        world.table.close(id("c-1"), epoch: 6, now: world.now)
        #expect(world.hear() == ["joined ann"])
        world.table.close(id("c-1"), epoch: 9, now: world.now)
        #expect(world.hear() == ["ended moved"])
        #expect(refusal { () throws(RoomRefusal) in try world.join("ann", epoch: 9) } == .staleEpoch(known: 9))
        try world.join("ann", epoch: 10)
    }

    @Test func `epochs of ended rooms are forgotten in time`() throws {
        var world = World()
        try world.join("ann", epoch: 7)
        world.leave("ann")
        world.pass(.seconds(60))
        try world.join("bob", epoch: 7)
        #expect(world.state()?.epoch == 7)
    }

    @Test func `a call moves and nobody sees it`() throws {
        let (_, last) = try lastWords()
        var world = World()
        try world.join("ann", epoch: 8, signal: "signal-1", reassert: last, mustExist: true)
        world.pass(.seconds(1))
        try world.join("bob", epoch: 8, signal: "signal-2", reassert: last)
        #expect(try world.read(signal: "signal-2", after: last.seq, epoch: 8).missed == .events([]))
        world.pass(.seconds(100))
        #expect(world.hear() == [])
        var expected = last
        expected.epoch = 8
        #expect(world.state() == expected)
        #expect(try world.send("1", from: "bob") == last.seq + 1)
    }

    @Test func `who does not come back after a move is away, then gone`() throws {
        let (_, last) = try lastWords()
        var world = World()
        try world.join("ann", epoch: 8, reassert: last)
        world.pass(.milliseconds(2_999))
        #expect(world.hear() == [])
        world.pass(.seconds(1))
        #expect(world.hear() == ["updated bob away"])
        world.pass(.seconds(7))
        #expect(world.hear() == ["left bob gone", "ended hungUp bob"])
    }

    @Test func `a stream alone does not bring back a re-asserted member`() throws {
        let (_, last) = try lastWords()
        var world = World()
        try world.join("ann", epoch: 8, reassert: last)
        try world.read(signal: "signal-2")
        world.pass(.seconds(10))
        #expect(world.hear() == ["updated bob away", "left bob gone", "ended hungUp bob"])
    }

    @Test func `a ring goes on over a move, for what is left of its time`() throws {
        var old = World()
        try old.join("ann")
        try old.invite("bob", by: "ann")
        let last = try #require(old.state())
        var world = World()
        world.pass(.seconds(20))
        try world.join("ann", epoch: 8, reassert: last)
        world.pass(.milliseconds(9_999))
        #expect(world.hear() == [])
        world.pass(.milliseconds(1))
        #expect(world.hear() == ["noAnswer bob", "ended notAnswered bob"])
    }

    @Test func `an accepting signal may be the first at the new node`() throws {
        var old = World()
        try old.join("ann", signal: "signal-1")
        try old.invite("bob", by: "ann")
        let last = try #require(old.state())
        var world = World()
        try world.join("bob", epoch: 8, signal: "signal-2", reassert: last, mustExist: true)
        try world.join("ann", epoch: 8, signal: "signal-1", reassert: last)
        world.pass(.seconds(60))
        #expect(world.hear() == ["accepted bob", "joined bob"])
    }

    @Test func `a second signal that knew more is merged, and all readers get the state`() throws {
        let (before, after) = try lastWords()
        var world = World()
        try world.join("ann", epoch: 8, signal: "signal-1", reassert: before)
        try world.join("bob", epoch: 8, signal: "signal-2", reassert: after)
        #expect(world.hear() == ["resync"])
        let state = try #require(world.state())
        #expect(state.seq > after.seq)
        #expect(state.members.map(\.media) == [MediaState(audio: true), MediaState(audio: true, video: true)])
        #expect(try world.read(signal: "signal-2", after: after.seq).missed == .snapshot(state))
    }

    @Test func `a second signal that knew less adds nobody, and gets the state`() throws {
        var old = World()
        for name in ["ann", "bob", "cy"] { try old.join(name) }
        let before = try #require(old.state())
        old.leave("cy")
        let after = try #require(old.state())
        var world = World()
        try world.join("ann", epoch: 8, reassert: after)
        try world.join("bob", epoch: 8, signal: "signal-2", reassert: before)
        #expect(world.hear() == ["updated bob"])
        #expect(world.state()?.members.map(\.name) == ["ann", "bob"])
        let state = try #require(world.state())
        #expect(try world.read(after: before.seq).missed == .snapshot(state))
    }

    @Test func `a late re-assertion does not bring back who left here`() throws {
        var old = World()
        for name in ["ann", "bob", "cy"] { try old.join(name) }
        let before = try #require(old.state())
        try old.update("ann", media: MediaState(video: true))
        let after = try #require(old.state())
        var world = World()
        try world.join("ann", epoch: 8, reassert: before)
        try world.join("cy", epoch: 8, reassert: before)
        world.leave("cy")
        try world.join("bob", epoch: 8, reassert: after)
        #expect(world.state()?.members.map(\.name) == ["ann", "bob"])
    }

    @Test func `a re-assertion of another room, or beyond all numbers, is refused and leaves nothing`() throws {
        let (_, last) = try lastWords()
        var world = World()
        var other = last
        other.room = id("c-2")
        #expect(
            refusal { () throws(RoomRefusal) in try world.join("ann", epoch: 8, reassert: other) }?.reason == "invalid")
        other = last
        other.seq = .max
        #expect(
            refusal { () throws(RoomRefusal) in try world.join("ann", epoch: 8, reassert: other) }?.reason == "invalid")
        #expect(world.table.roomCount == 0)
    }
}
