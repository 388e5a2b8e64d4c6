import SFUNode
import Testing
import Time

/// The life of a call, from the ring to the end.
struct CallTests {
    @Test func `a call rings, is accepted, and ends when one hangs up`() throws {
        var world = World()
        try world.join("ann")
        let ring = try world.invite("bob", by: "ann")
        #expect(ring.expires.milliseconds == world.now.wall.milliseconds + 30_000)
        world.pass(.seconds(5))
        try world.join("bob", signal: "signal-2", mustExist: true)
        world.pass(.seconds(3_600))
        #expect(world.hear() == ["joined ann", "ringing bob", "accepted bob", "joined bob"])

        world.leave("bob")
        #expect(world.hear() == ["left bob hungUp", "ended hungUp bob"])
        #expect(world.state() == nil)
        #expect(world.table.memberCount == 0)
    }

    @Test func `only who is invited enters a call, with any session, and may come back`() throws {
        var world = World { $0.callsByInvitation = true }
        let stranger = RoomRefusal.forbidden(why: "nobody invited this person to the call")
        try world.join("ann")
        try world.invite("bob", by: "ann")
        #expect(refusal { () throws(RoomRefusal) in try world.join("eve", mustExist: true) } == stranger)
        try world.join("bob", mustExist: true)
        try world.invite("cy", by: "bob")
        try world.join("cy", mustExist: true)
        #expect(refusal { () throws(RoomRefusal) in try world.join("eve", mustExist: true) } == stranger)
        world.leave("ann")
        try world.join("ann", mustExist: true)
        try world.invite("dan", by: "ann")
        try world.answer("dan", .declined)
        #expect(refusal { () throws(RoomRefusal) in try world.join("dan", mustExist: true) } == stranger)
        #expect(world.state()?.members.map(\.name) == ["bob", "cy", "ann"])
    }

    @Test(arguments: [InvitationState.declined, .busy, .unreachable, .cancelled])
    func `a call whose ring is answered otherwise ends at once`(state: InvitationState) throws {
        var world = World()
        try world.join("ann")
        try world.invite("bob", by: "ann")
        try world.answer("bob", state)
        #expect(world.hear() == ["joined ann", "ringing bob", "\(state) bob", "ended notAnswered bob"])
    }

    @Test(arguments: [InvitationState.ringing, .accepted, .noAnswer, .callerGone])
    func `what only the node decides is no answer`(state: InvitationState) throws {
        var world = World()
        try world.join("ann")
        try world.invite("bob", by: "ann")
        let refused = refusal { () throws(RoomRefusal) in try world.answer("bob", state) }
        #expect(refused?.reason == "invalid")
        #expect(world.state()?.invitations.map(\.state) == [.ringing])
    }

    @Test func `nobody answers for 30 s`() throws {
        var world = World()
        try world.join("ann")
        try world.invite("bob", by: "ann")
        world.pass(.milliseconds(29_999))
        #expect(world.hear() == ["joined ann", "ringing bob"])
        world.pass(.milliseconds(1))
        #expect(world.hear() == ["noAnswer bob", "ended notAnswered bob"])
    }

    @Test func `the caller takes it back by leaving`() throws {
        var world = World()
        try world.join("ann")
        try world.invite("bob", by: "ann")
        world.leave("ann")
        #expect(world.hear() == ["joined ann", "ringing bob", "cancelled bob", "left ann hungUp", "ended empty ann"])
    }

    @Test func `a ring whose caller is away for 5 s ends`() throws {
        var world = World()
        try world.join("ann")
        try world.invite("bob", by: "ann")
        try world.update("ann", away: true)
        world.pass(.milliseconds(4_999))
        #expect(world.hear() == ["joined ann", "ringing bob", "updated ann away"])
        world.pass(.milliseconds(1))
        #expect(world.hear() == ["callerGone bob", "ended notAnswered bob"])
    }

    @Test func `a caller that comes back in time goes on ringing`() throws {
        var world = World()
        try world.join("ann")
        try world.invite("bob", by: "ann")
        world.unread()
        world.pass(.seconds(2))
        try world.join("ann", signal: "signal-2")
        world.pass(.seconds(20))
        #expect(world.hear() == ["joined ann", "ringing bob", "updated ann"])
        #expect(world.state()?.invitations.map(\.state) == [.ringing])
    }

    @Test func `a call waits for one who is away until it has left`() throws {
        var world = World()
        try world.join("ann")
        try world.invite("bob", by: "ann")
        try world.join("bob", signal: "signal-2")
        try world.update("bob", away: true)
        _ = world.hear()
        world.pass(.milliseconds(27_999))
        #expect(world.hear() == [])
        world.pass(.milliseconds(1))
        #expect(world.hear() == ["left bob gone", "ended hungUp bob"])
    }

    @Test func `a call that rings nobody ends after a moment`() throws {
        var world = World()
        try world.join("ann")
        world.pass(.seconds(9))
        #expect(world.hear() == ["joined ann"])
        world.pass(.seconds(1))
        #expect(world.hear() == ["ended notAnswered"])
    }

    @Test func `a third one who leaves does not end a call, and a ring keeps the last one`() throws {
        var world = World()
        try world.join("ann")
        try world.join("bob")
        try world.join("cy")
        world.leave("cy")
        try world.invite("dee", by: "ann")
        world.leave("bob")
        #expect(
            world.hear()
                == ["joined ann", "joined bob", "joined cy", "left cy hungUp", "ringing dee", "left bob hungUp"])
        try world.answer("dee", .declined)
        #expect(world.hear() == ["declined dee", "ended hungUp bob"])
    }

    @Test func `a room ends when it stayed empty`() throws {
        var world = World()
        try world.join("ann", kind: .room)
        world.pass(.seconds(3_600))
        world.leave("ann")
        world.pass(.seconds(14))
        try world.join("bob", kind: .room)
        world.leave("bob")
        world.pass(.seconds(15))
        #expect(world.hear() == ["joined ann", "left ann hungUp", "joined bob", "left bob hungUp", "ended empty"])
    }

    @Test func `inviting again while it rings changes nothing, after an answer rings anew`() throws {
        var world = World()
        try world.join("ann")
        try world.join("cy")
        let first = try world.invite("bob", by: "ann")
        world.pass(.seconds(1))
        #expect(try world.invite("bob", by: "cy") == first)
        try world.answer("bob", .busy)
        try world.answer("bob", .busy)
        world.pass(.seconds(1))
        #expect(try world.invite("bob", by: "cy").state == .ringing)
        #expect(world.hear() == ["joined ann", "joined cy", "ringing bob", "busy bob", "ringing bob"])
        #expect(world.state()?.invitations.count == 1)
    }

    @Test func `who may not be invited`() throws {
        var world = World { $0.ringing = 2 }
        try world.join("ann")
        try world.join("bob")
        try world.join("lee", role: .listener)
        #expect(refusal { () throws(RoomRefusal) in try world.invite("bob", by: "ann") } == .alreadyHere)
        #expect(refusal { () throws(RoomRefusal) in try world.invite("cy", by: "nobody") } == .noSuchMember)
        #expect(refusal { () throws(RoomRefusal) in try world.invite("ann", by: "ann") }?.reason == "invalid")
        #expect(refusal { () throws(RoomRefusal) in try world.invite("cy", by: "lee") }?.reason == "forbidden")
        try world.invite("cy", by: "ann")
        try world.invite("dee", by: "ann")
        #expect(refusal { () throws(RoomRefusal) in try world.invite("eve", by: "ann") } == .invitationsFull(limit: 2))
        #expect(refusal { () throws(RoomRefusal) in try world.answer("eve", .busy) } == .noSuchInvitation)
    }

    @Test func `answered invitations make place for new ones`() throws {
        var world = World { $0.invitations = 3 }
        try world.join("ann")
        try world.join("bob")
        for name in ["c", "d", "e", "f"] {
            try world.invite(name, by: "ann")
            try world.answer(name, .declined)
        }
        #expect(world.state()?.invitations.map(\.name) == ["d", "e", "f"])
    }
}
