import MediaInterface
import SDP
import SFUMedia
import Testing
import Time

/// What both ends have of each other's codecs, and sound that carries earlier sound beside it (RED, RFC 2198); in virtual time.
struct CodecTests {
    /// Opus (111) twice before, five and three bytes; then the primary block of 80.
    static let redundant: [UInt8] =
        [0xef, 0x0f, 0x00, 0x05, 0xef, 0x07, 0x80, 0x03, 0x6f] + [UInt8](repeating: 0x11, count: 8)
        + [UInt8](repeating: 0xaa, count: 80)

    /// Takes a codec out of an offer, with its RTX.
    static func without(_ names: String...) -> (inout SessionDescription) -> Void {
        { offer in
            for index in offer.media.indices {
                let gone = offer.media[index].codecs.filter { names.contains($0.name) }.map(\.payloadType)
                let repairs = gone.map { $0 + 1 }
                offer.media[index].codecs.removeAll {
                    gone.contains($0.payloadType) || $0.name == "rtx" && repairs.contains($0.payloadType)
                }
                offer.media[index].formats = offer.media[index].codecs.map { String($0.payloadType) }
            }
        }
    }

    /// Calls the pictures of an offer VP9.
    static func takingVP9(_ offer: inout SessionDescription) {
        for index in offer.media.indices {
            for codec in offer.media[index].codecs.indices where offer.media[index].codecs[codec].name == "VP8" {
                offer.media[index].codecs[codec].name = "VP9"
            }
        }
    }

    /// Numbers Opus as Firefox does.
    static func renumbered(_ offer: inout SessionDescription) {
        for index in offer.media.indices where offer.media[index].kind == .audio {
            for codec in offer.media[index].codecs.indices {
                if offer.media[index].codecs[codec].name == "opus" {
                    offer.media[index].codecs[codec].payloadType = 109
                } else {
                    offer.media[index].codecs[codec].parameters = FormatParameters("109/109")
                }
            }
            offer.media[index].formats = offer.media[index].codecs.map { String($0.payloadType) }
        }
    }

    @Test func `redundant sound goes as it came to who takes it, and stripped to the rest`() throws {
        let room = try VirtualRoom(seed: 51)
        let ann = try room.join("ann", pictures: [])
        let bob = try room.join("bob", pictures: [])
        let cat = try room.join("cat", pictures: [], changing: CodecTests.without("red"))
        let fay = try room.join("fay", pictures: [], changing: CodecTests.renumbered)
        room.settle()
        // Of the handshakes, perhaps.
        let malformed = room.stage.counters.dropped[MediaCounters.Drop.malformed.rawValue]
        let start = room.now
        ann.sound = (63, CodecTests.redundant)
        room.run(for: .seconds(2))
        ann.sound = (111, [UInt8](repeating: 0xaa, count: 80))
        let changed = room.now
        room.run(for: .seconds(1))

        for (member, type, bytes) in [(bob, 63, CodecTests.redundant.count), (cat, 111, 80), (fay, 109, 80)] {
            let slot = try #require(member.slot(.microphone, of: "ann"))
            // What was on its way when the kind changed is of the kind before.
            let between = slot.arrivals.filter { $0.at > start + .milliseconds(100) && $0.at < changed }
            #expect(between.count > 90)
            #expect(between.allSatisfy { Int($0.payloadType) == type && $0.bytes == bytes }, "\(member.member.member)")
            let after = slot.arrivals.filter { $0.at > changed + .milliseconds(100) }
            #expect(after.count > 40 && after.allSatisfy { $0.bytes == 80 })
            #expect(slot.faults == [] && slot.missingCount == 0 && slot.givenUp.isEmpty)
        }
        #expect(room.stage.counters.dropped[MediaCounters.Drop.malformed.rawValue] == malformed)
    }

    @Test(
        arguments: [
            // Cut in a block's head, in the blocks, without a primary block, and wrapped in a codec nobody agreed on.
            [0xef], [0xef, 0x0f, 0x00], [0xef, 0x0f, 0x00, 0x05, 0x6f, 1, 2, 3, 4], [0xef, 0x0f, 0x00, 0x00], [],
            [0x08, 1, 2],
        ] as [[UInt8]])
    func `malformed redundancy is dropped and counted`(payload: [UInt8]) throws {
        let room = try VirtualRoom(seed: 52)
        let (ann, bob) = (try room.join("ann", pictures: []), try room.join("bob", pictures: []))
        room.settle()
        let slot = try #require(bob.slot(.microphone, of: "ann"))
        ann.sound = (63, payload)
        room.run(for: .milliseconds(100))
        let start = room.now
        room.run(for: .seconds(1))
        #expect(slot.packets(from: start, to: room.now) == 0)
        #expect(room.stage.counters.dropped[MediaCounters.Drop.malformed.rawValue] >= 50)
    }

    @Test func `sound of a kind that was not agreed on goes to nobody`() throws {
        let room = try VirtualRoom(seed: 53)
        let ann = try room.join("ann", pictures: [], changing: CodecTests.without("red"))
        let bob = try room.join("bob", pictures: [])
        room.settle()
        let slot = try #require(bob.slot(.microphone, of: "ann"))
        ann.sound = (63, CodecTests.redundant)
        room.run(for: .milliseconds(100))
        let start = room.now
        room.run(for: .seconds(1))
        #expect(slot.packets(from: start, to: room.now) == 0)
        #expect(room.stage.counters.dropped[MediaCounters.Drop.noCodec.rawValue] >= 50)
    }

    @Test func `a picture that its receiver cannot decode is paused, and the reason is told`() throws {
        let room = try VirtualRoom(seed: 54)
        let ann = try room.join("ann")
        let bob = try room.join("bob", pictures: [])
        let cat = try room.join("cat", pictures: [], changing: CodecTests.takingVP9)
        room.settle()
        for member in [bob, cat] { try room.view(member, [("ann", 640, 360)]) }
        room.run(for: .seconds(2))
        let asked = ann.keyFrameRequests
        let start = room.now
        room.run(for: .seconds(5))
        #expect(cat.quality?.paused == [MediaPause(member: "ann", source: .camera, reason: .codec)])
        #expect(bob.quality?.paused == [])
        #expect(try #require(bob.slot(.camera, of: "ann")).shown(from: start, to: room.now).count > 100)
        #expect(try #require(cat.slot(.camera, of: "ann")).packets(from: start, to: room.now) == 0)
        // Nobody is asked for what would not help.
        #expect(ann.keyFrameRequests == asked)
    }
}
