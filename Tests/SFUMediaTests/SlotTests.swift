import CongestionControl
import LinkSimulator
import MediaInterface
import SDP
import SFUMedia
import Testing
import Time

/// Which slot shows whom: pairs that keep lips in step, and slots that grow with the room; in virtual time.
struct SlotTests {
    private static let small = [(rid: nil as String?, width: 320, height: 180, bitsPerSecond: 100_000)]

    /// Whose sound and camera are not in slots of one pair.
    private func torn(_ member: VirtualMember) -> [String] {
        var voices: [String: String] = [:]
        for slot in member.map where slot.source == .microphone { voices[slot.member] = member.pairs[slot.mid] }
        return member.map.filter {
            $0.source == .camera && voices[$0.member] != nil && voices[$0.member] != member.pairs[$0.mid]
        }.map(\.member)
    }

    private func show(_ member: VirtualMember, camera isOn: Bool, in room: VirtualRoom) throws {
        let tracks = member.tracks.map {
            MediaTrack(mid: $0.mid, source: $0.source, muted: $0.source == .camera && !isOn)
        }
        try room.stage.publish(tracks, by: member.member, now: room.now)
        room.run(for: .milliseconds(50))
    }

    @Test(arguments: [1, 2, 3])
    func `whoever comes, goes, or turns the camera off and on: sound and picture of each are one pair`(
        seed: UInt64
    ) throws {
        let room = try VirtualRoom(seed: seed)
        var random = SeededGenerator(seed: seed)
        var comers = 0
        var pairsSeen = 0
        for step in 0..<60 {
            if room.members.count < 2 || room.members.count < 4 && Bool.random(using: &random) {
                comers += 1
                _ = try room.join("m\(comers)", pictures: Self.small)
                room.run(for: .milliseconds(50))
            } else if let member = room.members.randomElement(using: &random) {
                if Int.random(in: 0..<3, using: &random) == 0 {
                    room.leave(member)
                } else {
                    try show(member, camera: Bool.random(using: &random), in: room)
                }
                room.run(for: .milliseconds(50))
            }
            for member in room.members {
                #expect(torn(member) == [], "step \(step), \(member.member.member): \(member.map)")
                pairsSeen += member.map.count { $0.source == .camera }
            }
        }
        #expect(pairsSeen > 60)
    }

    @Test func `a screen does not take the place beside the voice of who turned the camera off`() throws {
        let room = try VirtualRoom(seed: 81)
        let bob = try room.join("bob", pictures: [])
        let ann = try room.join("ann", pictures: Self.small)
        room.settle()
        try show(ann, camera: false, in: room)
        #expect(bob.slot(.camera, of: "ann") == nil)
        let sam = try room.join("sam", pictures: Self.small, sharing: true)
        try room.stage.publish(
            sam.tracks.map { MediaTrack(mid: $0.mid, source: $0.source, muted: !$0.source.isVideo) }, by: sam.member,
            now: room.now)
        room.run(for: .milliseconds(50))
        #expect(bob.slot(.screen, of: "sam") != nil && bob.slot(.screenAudio, of: "sam") == nil)
        try show(ann, camera: true, in: room)
        #expect(bob.slot(.camera, of: "ann") != nil)
        #expect(torn(bob) == [], "\(bob.map)")
    }

    @Test func `slots for pictures grow in squares up to 49, each by one offer, and show everybody`() throws {
        let room = try VirtualRoom(seed: 82)
        let bob = try room.join("bob", pictures: [])
        func shown() -> Int { bob.map.count { $0.source == .camera } }
        for count in 1...50 {
            let member = try room.join("m\(count)", pictures: Self.small)
            // Only who is there matters here: fifty that send take long.
            member.sendsSound = false
            member.layers[0].isActive = false
            room.run(for: .milliseconds(20))
            let before = shown()
            #expect(before == min(count, bob.slots.count { $0.isVideo }), "before more are offered")
            try room.grow(bob)
            room.run(for: .milliseconds(20))
            #expect(shown() == min(count, 49))
        }
        #expect(bob.slotsWanted == [9, 16, 25, 36, 49])
        #expect(bob.slots.count { $0.isVideo } == 49)

        // What is in the newest slots arrives.
        let last = try #require(room.members.first { $0.member.member == "m49" })
        for _ in 0..<50 where !(bob.isConnected && last.isConnected) { room.run(for: .milliseconds(100)) }
        last.layers[0].isActive = true
        // Until it is known what that picture takes.
        room.run(for: .seconds(3))
        let start = room.now
        room.run(for: .seconds(1))
        let slot = try #require(bob.slot(.camera, of: "m49"))
        #expect(slot.shown(from: start, to: room.now).count >= 28)
        #expect(slot.faults == [])
    }
}
