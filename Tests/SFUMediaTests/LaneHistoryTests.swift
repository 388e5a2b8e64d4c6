import CongestionControl
import LinkSimulator
import MediaInterface
import SFUMedia
import Testing
import Time

/// Long random histories of a whole lane: people come and go, tiles change, links are narrow, lose and recover. What leaves is a valid
/// stream all the time, and everything moves again once it can.
struct LaneHistoryTests {
    private struct Story {
        let room: VirtualRoom
        var random: SeededGenerator
        var gone: [VirtualMember] = []
        private var comers = 0

        init(seed: UInt64) throws {
            room = try VirtualRoom(seed: seed)
            random = SeededGenerator(seed: seed)
            for _ in 0..<3 { try come() }
        }

        mutating func come() throws {
            comers += 1
            let layers = Array(VirtualRoom.simulcast.prefix(.random(in: 0...3, using: &random)))
            let single = [(rid: nil as String?, width: 640, height: 360, bitsPerSecond: 700_000)]
            _ = try room.join("m\(comers)", pictures: layers.count == 2 ? single : layers)
        }

        mutating func happen() throws {
            guard let member = room.members.randomElement(using: &random) else { return }
            switch Int.random(in: 0..<10, using: &random) {
            case 0 where room.members.count < 5: try come()
            case 1 where room.members.count > 2:
                room.leave(member)
                gone.append(member)
            case 2, 3, 4: try look(member)
            case 5: member.down.change(to: badLink(), now: room.now)
            case 6: member.up.change(to: badLink(), now: room.now)
            case 7: member.down.change(to: Story.goodLink, now: room.now)
            case 8: member.sendsSound.toggle()
            default:
                let tracks = member.tracks.map {
                    MediaTrack(mid: $0.mid, source: $0.source, muted: Bool.random(using: &random))
                }
                try room.stage.publish(tracks, by: member.member, now: room.now)
            }
        }

        /// Shows some of the others, at some size.
        mutating func look(_ member: VirtualMember) throws {
            let sizes = [(0, 0), (160, 90), (320, 180), (640, 360), (1_280, 720)]
            let tiles = room.members.shuffled(using: &random).prefix(.random(in: 0...4, using: &random)).map {
                let size = sizes.randomElement(using: &random) ?? (0, 0)
                return (name: $0.member.member, width: size.0, height: size.1)
            }
            try room.view(member, tiles)
        }

        mutating func badLink() -> SimulatedLink<[UInt8]>.Conditions {
            .init(
                capacity: .kilobitsPerSecond(.random(in: 300...6_000, using: &random)),
                propagation: .milliseconds(.random(in: 5...150, using: &random)),
                loss: .random(in: 0...0.15, using: &random), jitter: .milliseconds(.random(in: 0...20, using: &random)))
        }

        static let goodLink = SimulatedLink<[UInt8]>.Conditions(
            capacity: .megabitsPerSecond(100), propagation: .milliseconds(10))
    }

    @Test(arguments: [1, 2, 3, 4])
    func `what leaves is valid whatever happens, and all moves again when nothing hinders it`(seed: UInt64) throws {
        var story = try Story(seed: seed)
        let room = story.room
        for _ in 0..<60 {
            try story.happen()
            room.run(for: .milliseconds(.random(in: 50...1_000, using: &story.random)))
        }
        for member in room.members {
            member.down.change(to: Story.goodLink, now: room.now)
            member.up.change(to: Story.goodLink, now: room.now)
            member.sendsSound = true
            try room.stage.publish(member.tracks, by: member.member, now: room.now)
            try room.view(member, room.members.map { ($0.member.member, 320, 180) })
        }
        room.run(for: .seconds(20))

        let start = room.now
        room.run(for: .seconds(3))
        var pictures = 0
        for member in room.members {
            #expect(member.ended == nil, "\(member.member.member)")
            for other in room.members where other !== member {
                let names = "\(other.member.member) to \(member.member.member)"
                // Three slots of sound: in a room of five one of four is not heard.
                if room.members.count <= 4 {
                    let sound = try #require(member.slot(.microphone, of: other.member.member), "\(names)")
                    #expect(sound.packets(from: start, to: room.now) >= 145, "\(names)")
                }
                guard !other.layers.isEmpty else { continue }
                let slot = try #require(member.slot(.camera, of: other.member.member), "\(names)")
                let shown = slot.shown(from: start, to: room.now).count
                pictures += shown
                #expect(shown >= 85, "\(names): \(shown) pictures")
            }
        }
        for member in room.members + story.gone {
            for slot in member.slots { #expect(slot.faults == [], "\(member.member.member), slot \(slot.mid)") }
        }
        print("history \(seed): \(room.members.count) stayed, \(story.gone.count) left, \(pictures) pictures")
        #expect(room.stage.missedCount == 0)
    }
}
