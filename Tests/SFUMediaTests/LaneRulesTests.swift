import Bytes
import CongestionControl
import LinkSimulator
import MediaInterface
import RTP
import SFUMedia
import Testing
import Time

/// Who is heard and seen, and from when on; in virtual time.
struct LaneRulesTests {
    @Test func `whatever a member calls its streams, others keep their slots`() throws {
        let room = try VirtualRoom(seed: 21)
        let (ann, cat) = (try room.join("ann", pictures: []), try room.join("cat", pictures: []))
        let eve = try room.join("eve")
        let bob = try room.join("bob", pictures: [])
        try room.stage.publish(
            eve.tracks.map { MediaTrack(mid: $0.mid, source: .screenAudio, muted: false) }, by: eve.member,
            now: room.now)
        room.settle()
        let start = room.now
        room.run(for: .seconds(2))
        for member in [ann, cat] {
            let slot = try #require(bob.slot(.microphone, of: member.member.member))
            #expect(slot.packets(from: start, to: room.now) >= 98)
        }
    }

    @Test func `the first picture is there as soon as the way stands`() throws {
        let room = try VirtualRoom(seed: 22)
        let ann = try room.join("ann")
        room.settle()
        room.run(for: .seconds(2))
        let bob = try room.join("bob", pictures: [])
        let far = SimulatedLink<[UInt8]>.Conditions(
            capacity: .megabitsPerSecond(100), propagation: .milliseconds(100))
        bob.up.change(to: far, now: room.now)
        bob.down.change(to: far, now: room.now)
        while !bob.isConnected { room.run(for: .milliseconds(10)) }
        let connected = room.now
        room.run(for: .seconds(1))
        let slot = try #require(bob.slot(.camera, of: "ann"))
        let first = try #require(slot.frames.first)
        #expect(first.at - connected < .milliseconds(150), "\(first.at - connected)")
        #expect(slot.faults == [] && ann.ended == nil)
    }

    @Test func `a key frame whose start is lost is followed by another, not by a hole`() throws {
        let room = try VirtualRoom(seed: 23)
        let ann = try room.join("ann", pictures: [(nil, 1_280, 720, 1_500_000)])
        let bob = try room.join("bob", pictures: [])
        room.settle()
        try room.view(bob, [("ann", 0, 0)])
        room.run(for: .seconds(3))
        var lost = 0
        ann.loses = { packet in
            guard lost == 0, VP8Descriptor(parsing: packet.payload)?.startsKeyFrame == true else { return false }
            lost += 1
            return true
        }
        let start = room.now
        try room.view(bob, [("ann", 1_280, 720)])
        room.run(for: .seconds(2))
        let slot = try #require(bob.slot(.camera, of: "ann"))
        #expect(lost == 1)
        let shown = slot.shown(from: start, to: room.now)
        #expect(shown.count > 35, "\(shown.count)")
        #expect(slot.missingCount == 0 && slot.givenUp.isEmpty)
        #expect(slot.faults == [])
    }

    @Test func `who speaks is heard, also where slots are fewer than voices and another speaks louder`() throws {
        let room = try VirtualRoom(seed: 24)
        let loud = try room.join("loud", pictures: [])
        let still = try ["b", "c"].map { try room.join($0, pictures: []) }
        let late = try room.join("late", pictures: [])
        let bob = try room.join("bob", pictures: [])
        room.settle()
        loud.soundLevel = 15
        for member in still + [late, bob] { member.soundLevel = 110 }
        room.run(for: .seconds(5))
        try #require(bob.slot(.microphone, of: "late") == nil, "three slots for four")
        late.soundLevel = 25
        room.run(for: .seconds(1))
        let start = room.now
        room.run(for: .seconds(1))
        let slot = try #require(bob.slot(.microphone, of: "late"))
        #expect(slot.packets(from: start, to: room.now) >= 48)
        #expect(bob.slot(.microphone, of: "loud") != nil)
    }

    @Test func `what a host muted is silent until its member mutes and unmutes it`() throws {
        let room = try VirtualRoom(seed: 25)
        let ann = try room.join("ann", pictures: [])
        let bob = try room.join("bob", pictures: [])
        room.settle()
        room.run(for: .seconds(1))
        let slot = try #require(bob.slot(.microphone, of: "ann"))
        func heard() -> Int {
            let start = room.now
            room.run(for: .seconds(1))
            return slot.packets(from: start + .milliseconds(50), to: room.now)
        }
        func publish(muted: Bool) throws {
            let tracks = ann.tracks.map { MediaTrack(mid: $0.mid, source: $0.source, muted: muted) }
            try room.stage.publish(tracks, by: ann.member, now: room.now)
        }
        #expect(heard() >= 46)
        room.stage.mute(ann.member)
        #expect(heard() == 0)
        try publish(muted: false)
        #expect(heard() == 0, "her client says that it is not muted")
        try publish(muted: true)
        #expect(heard() == 0, "her client sends all the same")
        try publish(muted: false)
        #expect(heard() >= 46)
        #expect(slot.faults == [])
    }

    @Test func `a slot shows nothing before the client applied the answer that brought it`() throws {
        let room = try VirtualRoom(seed: 26)
        for name in ["ann", "cat"] { _ = try room.join(name) }
        let bob = try room.join("bob", pictures: [], videoSlots: 1)
        room.settle()
        try room.view(bob, [("ann", 320, 180), ("cat", 320, 180)])
        room.run(for: .seconds(1))
        #expect(bob.map.filter { $0.source == .camera }.map(\.member) == ["ann"])
        try room.offerMore(3, by: bob.member)
        room.run(for: .seconds(1))
        #expect(bob.map.filter { $0.source == .camera }.map(\.member) == ["ann"])
        try room.stage.answered(2, by: bob.member, now: room.now)
        room.run(for: .seconds(1))
        #expect(bob.map.filter { $0.source == .camera }.map(\.member) == ["ann", "cat"])
    }

    @Test func `members are told what goes through the node, over 2, 10 and 40 s`() throws {
        let room = try VirtualRoom(seed: 28)
        let ann = try room.join("ann", pictures: [(nil, 640, 360, 500_000)])
        let bob = try room.join("bob", pictures: [])
        _ = try room.join("cat", pictures: [])
        room.settle()
        room.run(for: .seconds(12))
        let pictures = try #require(bob.totals)
        // Half a megabit of pictures and three voices of 40 kbit/s come; pictures and two voices each leave.
        #expect(pictures.receivedBitsPerSecond.allSatisfy { (450_000...900_000).contains($0) }, "\(pictures)")
        #expect(pictures.sentBitsPerSecond.allSatisfy { (1_000_000...1_900_000).contains($0) }, "\(pictures)")
        ann.layers[0].isActive = false
        room.run(for: .seconds(5))
        let sound = try #require(bob.totals)
        #expect(sound.receivedBitsPerSecond[0] < 200_000)
        #expect(sound.receivedBitsPerSecond[1] > 200_000)
        #expect(sound.receivedBitsPerSecond[2] > sound.receivedBitsPerSecond[1])
    }

    @Test func `of a listener nothing is forwarded until it may speak again`() throws {
        let room = try VirtualRoom(seed: 30)
        let ann = try room.join("ann", pictures: [(nil, 640, 360, 500_000)])
        let bob = try room.join("bob", pictures: [])
        room.settle()
        try room.view(bob, [("ann", 640, 360)])
        room.run(for: .seconds(2))
        #expect(bob.slot(.camera, of: "ann") != nil && bob.slot(.microphone, of: "ann") != nil)
        room.stage.setMaySend(false, of: ann.member)
        room.run(for: .seconds(1))
        #expect(bob.map == [])
        let heard = bob.slots.map { $0.statistics.packetCount }
        room.run(for: .seconds(2))
        #expect(bob.slots.map { $0.statistics.packetCount } == heard)
        // A new word of its own opens nothing.
        try room.stage.publish(ann.tracks, by: ann.member, now: room.now)
        room.run(for: .seconds(1))
        #expect(bob.map == [])
        room.stage.setMaySend(true, of: ann.member)
        room.run(for: .seconds(3))
        let frames = try #require(bob.slot(.camera, of: "ann")).shown(from: room.now - .seconds(1), to: room.now)
        // Its pictures go on.
        #expect(frames.count > 5)
        #expect(bob.slot(.microphone, of: "ann") != nil)
    }

    @Test func `members are told how each one's link does`() throws {
        let room = try VirtualRoom(seed: 29)
        let ann = try room.join("ann", pictures: [(nil, 640, 360, 500_000)])
        let bob = try room.join("bob", pictures: [])
        room.settle()
        try room.view(bob, [("ann", 640, 360)])
        ann.up.change(
            to: .init(capacity: .megabitsPerSecond(100), propagation: .milliseconds(40), loss: 0.1), now: room.now)
        bob.down.change(
            to: .init(capacity: .megabitsPerSecond(100), propagation: .milliseconds(90), loss: 0.03), now: room.now)
        room.run(for: .seconds(12))
        for member in [ann, bob] {
            let links = try #require(member.totals?.links)
            #expect(Set(links.map(\.member)) == ["ann", "bob"])
            let (of, to) = try (
                #require(links.first { $0.member == "ann" }), #require(links.first { $0.member == "bob" })
            )
            // Pictures and a voice come from Ann, and go to Bob, who has but a voice.
            #expect((450_000...800_000).contains(of.upBitsPerSecond) && of.downBitsPerSecond < 150_000, "\(of)")
            #expect((450_000...900_000).contains(to.downBitsPerSecond) && to.upBitsPerSecond < 100_000, "\(to)")
            #expect((0.04...0.2).contains(of.upLoss) && of.downLoss == 0, "\(of)")
            #expect((0.002...0.1).contains(to.downLoss) && to.upLoss == 0, "\(to)")
            #expect((95...125).contains(try #require(to.roundTripMilliseconds)), "\(to)")
        }
    }

    @Test func `one receiver's wishes for key frames wait, and none is lost`() throws {
        let room = try VirtualRoom(seed: 27)
        let ann = try room.join("ann", pictures: [(nil, 640, 360, 500_000)])
        let eve = try room.join("eve", pictures: [])
        room.settle()
        room.run(for: .seconds(12))
        let slot = try #require(eve.slot(.camera, of: "ann"))
        let before = ann.layers[0].keyFrames
        for _ in 0..<40 {
            eve.sendRTCP(room.now) {
                try RTCPWriter.pictureLoss(sender: SSRC(rawValue: 1), media: SSRC(rawValue: slot.ssrc), to: &$0)
            }
            room.run(for: .milliseconds(100))
        }
        let during = ann.layers[0].keyFrames - before
        #expect((5...7).contains(during), "\(during) in four seconds")
        room.run(for: .seconds(3))
        #expect(ann.layers[0].keyFrames - before > during, "the last one came late, but came")
    }
}
