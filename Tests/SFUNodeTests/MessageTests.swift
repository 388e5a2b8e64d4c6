import SFUNode
import Testing
import Time

/// Messages: numbers, repeats, limits, and what readers get that missed some.
struct MessageTests {
    private func pair(_ change: (inout RoomLimits) -> Void = { _ in }) throws(RoomRefusal) -> World {
        var world = World(change)
        try world.join("ann")
        try world.join("bob")
        return world
    }

    @Test func `a repeat gets the number it had and goes nowhere`() throws {
        var world = try pair()
        #expect(try world.send("1", from: "ann", to: "bob") == 3)
        #expect(try world.send("1", from: "bob") == 4)
        #expect(try world.send("1", from: "ann", to: "bob") == 3)
        #expect(world.hear() == ["joined ann", "joined bob", "message 1", "message 1"])
    }

    @Test func `as many ids are remembered as the limit says`() throws {
        var world = try pair { $0.rememberedMessages = 3 }
        let first = try ["a", "b", "c", "d"].map { try world.send($0, from: "ann") }
        #expect(try ["d", "c", "b"].map { try world.send($0, from: "ann") } == [first[3], first[2], first[1]])
        #expect(try world.send("a", from: "ann") > first[3])
    }

    @Test func `only members send, only to members, and in bounds`() throws {
        var world = try pair { $0.bodyBytes = 10 }
        #expect(refusal { () throws(RoomRefusal) in try world.send("1", from: "eve") } == .noSuchMember)
        #expect(refusal { () throws(RoomRefusal) in try world.send("1", from: "ann", to: "eve") } == .noSuchMember)
        #expect(refusal { () throws(RoomRefusal) in try world.send("1", from: "ann", room: "c-9") } == .noSuchRoom)
        let long = [UInt8](repeating: 0x20, count: 11)
        #expect(
            refusal { () throws(RoomRefusal) in try world.send("1", from: "ann", body: long) }
                == .tooLarge(bytes: 11, limit: 10))
        for type in ["", "Chat", "a b", "<script>", String(repeating: "x", count: 33)] {
            #expect(
                refusal { () throws(RoomRefusal) in try world.send("1", from: "ann", type: type) }?.reason == "invalid")
        }
        #expect(world.hear() == ["joined ann", "joined bob"])
    }

    @Test func `a flood is refused at its rate, without harm to the other`() throws {
        var world = try pair()
        var passed = 0
        for number in 0..<10_000 {
            world.pass(.microseconds(100))
            if refusal({ () throws(RoomRefusal) in try world.send("\(number)", from: "ann") }) == nil { passed += 1 }
        }
        #expect((249...251).contains(passed))
        #expect(try world.send("hello", from: "bob") > 0)
        try world.update("ann", away: true)
        world.pass(.seconds(4))
        #expect(try world.send("again", from: "ann") > 0)
    }

    @Test func `a reader that comes back gets just what it missed`() throws {
        var world = try pair()
        for number in 1...5 { try world.send("\(number)", from: "ann") }
        let events = world.hearEvents()
        #expect(events.map(\.seq) == [1, 2, 3, 4, 5, 6, 7])
        #expect(try world.read(after: 4).missed == .events(Array(events[4...])))
        #expect(try world.read(after: 7).missed == .events([]))
    }

    @Test func `a reader with a gap, without a past, or from a future gets the state`() throws {
        var world = try pair { $0.replayEvents = 3 }
        for number in 1...5 { try world.send("\(number)", from: "ann") }
        let state = try #require(world.state())
        for seq in [0, 1, 3, 8, 1_000] as [UInt64] {
            #expect(try world.read(after: seq).missed == .snapshot(state), "after \(seq)")
        }
        #expect(try world.read(after: 4).missed == .events(world.hearEvents().suffix(3)))
    }

    @Test func `long messages push old events out of the ring`() throws {
        var ring = EventRing(count: 100, bytes: 10_000)
        for seq in 1...50 as ClosedRange<UInt64> {
            let message = RoomMessage(
                from: id("m"), to: nil, id: id("\(seq)"), type: "chat", body: [UInt8](repeating: 0, count: 2_000))
            ring.append(RoomEvent(seq: seq, at: WallTime(milliseconds: 0), kind: .message(message)))
        }
        #expect(ring.count == 4)
        #expect(ring.events(after: 46, last: 50)?.map(\.seq) == [47, 48, 49, 50])
        #expect(ring.events(after: 45, last: 50) == nil)
    }
}
