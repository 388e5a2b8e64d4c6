import MediaInterface
import SFUMedia
import Testing
import Time

/// Who is told to speak: whoever is clearly louder for a while, not who coughs; in virtual time.
struct SpeakerTests {
    @Test func `a cough changes nothing, who goes on takes over, and a pause of speech keeps it`() throws {
        let room = try VirtualRoom(seed: 71)
        let (ann, bob) = (try room.join("ann", pictures: []), try room.join("bob", pictures: []))
        let cat = try room.join("cat", pictures: [])
        for member in room.members { member.soundLevel = 110 }
        room.settle()
        #expect(cat.dominants == [], "nobody speaks")

        ann.soundLevel = 25
        room.run(for: .seconds(2))
        #expect(cat.dominants == ["ann"])

        bob.soundLevel = 5
        room.run(for: .milliseconds(350))
        bob.soundLevel = 110
        room.run(for: .seconds(2))
        #expect(cat.dominants == ["ann"], "a cough")

        bob.soundLevel = 22
        room.run(for: .seconds(3))
        #expect(cat.dominants == ["ann"], "louder, but not by much")

        bob.soundLevel = 10
        room.run(for: .milliseconds(600))
        #expect(cat.dominants == ["ann"], "not yet")
        room.run(for: .milliseconds(700))
        #expect(cat.dominants == ["ann", "bob"])

        ann.soundLevel = 110
        bob.soundLevel = 110
        room.run(for: .seconds(3))
        ann.soundLevel = 25
        room.run(for: .milliseconds(400))
        ann.soundLevel = 110
        bob.soundLevel = 10
        room.run(for: .seconds(2))
        #expect(cat.dominants == ["ann", "bob"], "he paused, and she only said yes")
        #expect(ann.dominants == cat.dominants && bob.dominants == cat.dominants)

        room.leave(bob)
        ann.soundLevel = 25
        room.run(for: .seconds(1))
        #expect(cat.dominants == ["ann", "bob", "ann"])
    }
}
