import CongestionControl
import LinkSimulator
import MediaInterface
import SFUMedia
import Testing
import Time

/// A member whose transport ends, and how soon others see it; in virtual time.
struct EndingTests {
    @Test func `who says goodbye is gone from the others' slots at once`() throws {
        let room = try VirtualRoom(seed: 61)
        let ann = try room.join("ann")
        let bob = try room.join("bob")
        let cat = try room.join("cat")
        room.settle()
        room.run(for: .seconds(2))
        #expect(bob.slot(.camera, of: "ann") != nil && bob.slot(.microphone, of: "ann") != nil)

        ann.close(now: room.now)
        let start = room.now
        room.run(for: .milliseconds(200))
        for member in [bob, cat] { #expect(!member.map.contains { $0.member == "ann" }) }
        #expect(ann.ended == "closed")
        #expect(room.stage.counters.lostConnections == 1)
        #expect(room.stage.sizes.connections == 2)
        // Nothing ends for the others.
        room.run(for: .seconds(2))
        let slot = try #require(cat.slot(.camera, of: "bob"))
        #expect(slot.shown(from: start, to: room.now).count >= 64)
        #expect(bob.ended == nil && cat.ended == nil && slot.faults == [])
    }

    @Test func `who falls silent is gone after 30 s, and not before`() throws {
        let room = try VirtualRoom(seed: 62)
        let ann = try room.join("ann", pictures: [])
        let bob = try room.join("bob", pictures: [])
        room.settle()
        room.run(for: .seconds(2))

        ann.up.change(
            to: .init(capacity: .megabitsPerSecond(100), propagation: .milliseconds(10), loss: 1), now: room.now)
        room.run(for: .milliseconds(29_900))
        #expect(bob.slot(.microphone, of: "ann") != nil)
        #expect(room.stage.counters.lostConnections == 0)
        room.run(for: .milliseconds(200))
        #expect(bob.map == [])
        #expect(room.stage.counters.lostConnections == 1)
        #expect(room.stage.sizes.connections == 1)
        #expect(bob.ended == nil)
    }
}
