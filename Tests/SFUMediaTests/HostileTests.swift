import Addresses
import Bytes
import LinkSimulator
import MediaInterface
import RTP
import SDP
import SFUMedia
import Testing
import Time

/// What a member with good keys can do to others: nothing.
struct HostileTests {
    enum Attack: CaseIterable {
        case malformedRTP, malformedRTCP, strangers, handshakes, replays, foreignSources, newSources, changingRepairs
        case askingAgain, keyFrameWishes, extremeReports, addresses, extremeTiles
    }

    @Test(arguments: Attack.allCases)
    func `others go on without a gap, and nothing grows`(attack: Attack) throws {
        let room = try VirtualRoom(seed: 11)
        let ann = try room.join("ann")
        let bob = try room.join("bob", pictures: [])
        let eve = try room.join("eve")
        room.settle()
        try room.view(bob, [("ann", 1_280, 720)])
        try room.view(eve, [("ann", 1_280, 720)])
        room.run(for: .seconds(6))
        let before = room.stage.sizes
        let start = room.now
        let asked = ann.keyFrameRequests

        var random = SeededGenerator(seed: 77)
        for _ in 0..<500 {
            try strike(attack, room, eve, bob, ann, &random)
            room.run(for: .milliseconds(10))
        }

        let end = room.now
        let slot = try #require(bob.slot(.camera, of: "ann"))
        let sound = try #require(bob.slot(.microphone, of: "ann"))
        #expect(bob.ended == nil && ann.ended == nil)
        #expect(slot.shown(from: start, to: end).count >= 148)
        #expect(slot.givenUp.isEmpty && slot.missingCount == 0)
        #expect(slot.faults == [])
        #expect(slot.frames.last?.width == 1_280)
        #expect(sound.packets(from: start, to: end) >= 248)
        #expect(sound.faults == [])
        // Two a second for each layer, whoever asks; and one receiver alone some at once, then one in two seconds.
        #expect(ann.keyFrameRequests - asked <= (attack == .keyFrameWishes ? 5 + 5 : 2 * 3 * 6))
        let after = room.stage.sizes
        #expect(after.connections <= before.connections && after.sources <= before.sources)
        #expect(after.tracks <= before.tracks + 8, "\(after)")
        #expect(after.streams <= before.streams + 48, "\(after)")
        #expect(after.paths <= before.paths + 8, "\(after)")
        #expect(after.ufrags == before.ufrags)
    }

    @Test func `ICE restarts that nobody follows leave nothing behind, and the old way goes on`() throws {
        let room = try VirtualRoom(seed: 5)
        let ann = try room.join("ann", pictures: [])
        let bob = try room.join("bob", pictures: [])
        room.settle()
        room.run(for: .seconds(2))
        let before = room.stage.sizes
        let start = room.now
        for _ in 0..<50 {
            try room.restart(ann.member)
            room.run(for: .milliseconds(40))
        }
        let sound = try #require(bob.slot(.microphone, of: "ann"))
        #expect(sound.packets(from: start, to: room.now) >= 95)
        #expect(sound.faults == [])
        #expect(room.stage.sizes.ufrags <= before.ufrags + 3)
    }

    private func strike(
        _ attack: Attack, _ room: VirtualRoom, _ eve: VirtualMember, _ bob: VirtualMember, _ ann: VirtualMember,
        _ random: inout SeededGenerator
    ) throws {
        let mid = eve.tracks.last?.mid ?? ""
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in .random(in: 0...255, using: &random) } }
        func rtp(_ packet: [UInt8]) { room.deliver(eve.seal(packet), from: eve.endpoint) }
        func rtcp(_ packet: [UInt8]) { room.deliver(eve.sealRTCP(packet), from: eve.endpoint) }
        func report(_ type: UInt8, _ format: UInt8, _ body: [UInt8]) -> [UInt8] {
            [0x80 | format, type] + RTPBytes.bytes(UInt16(truncatingIfNeeded: body.count / 4)) + body
        }
        let number = UInt16.random(in: 0 ... .max, using: &random)
        let source = UInt32.random(in: 0 ... .max, using: &random)
        switch attack {
        case .malformedRTP:
            rtp([0xb0 | UInt8(number & 15), UInt8(number >> 8) & 0xbf] + bytes(10 + Int(number & 63)))
            rtp(
                RTPBytes.packet(
                    payloadType: 96, number: number, timestamp: source, ssrc: eve.layers[0].ssrc,
                    elements: [(.mid, Array(mid.utf8)), (.rid, Array("q".utf8))], payload: bytes(Int(number & 15))))
        case .malformedRTCP:
            for _ in 0..<5 {
                rtcp(
                    [0x80 | UInt8(number & 63), .random(in: 198...208, using: &random)] + bytes(6 + Int(number & 127)))
            }
        case .strangers:
            for _ in 0..<5 {
                var datagram = bytes(20 + Int(number & 127))
                datagram[0] = [0, 22, 0x80, 0x80, 64][Int(number) % 5]
                room.deliver(datagram, from: Endpoint(address: IPAddress(v4: 0x7f00_0003), port: number))
                var check = eve.lastCheck
                if !check.isEmpty { check[Int(number) % check.count] ^= 1 }
                room.deliver(check, from: Endpoint(address: IPAddress(v4: 0x7f00_0003), port: number))
            }
        case .handshakes:
            for endpoint in [eve.endpoint, Endpoint(address: IPAddress(v4: 0x7f00_0003), port: number)] {
                room.deliver([22, 0xfe, 0xfd, 0, 0] + bytes(100), from: endpoint)
                room.deliver([23, 0xfe, 0xfd, 0, 1] + bytes(40), from: endpoint)
            }
        case .replays:
            for datagram in ann.lastSent {
                room.deliver(datagram, from: ann.endpoint)
                room.deliver(datagram, from: eve.endpoint)
            }
        case .foreignSources:
            for layer in ann.layers {
                rtp(
                    RTPBytes.packet(
                        payloadType: 96, number: number, timestamp: source, ssrc: layer.ssrc,
                        elements: [(.mid, Array(mid.utf8)), (.rid, Array("f".utf8))], payload: bytes(40)))
                rtcp(report(200, 0, RTPBytes.bytes(layer.ssrc) + bytes(20)))
            }
            for slot in bob.slots {
                rtcp(report(206, 1, RTPBytes.bytes(source) + RTPBytes.bytes(slot.ssrc)))
                rtcp(report(205, 1, RTPBytes.bytes(source) + RTPBytes.bytes(slot.ssrc) + bytes(4)))
            }
        case .newSources:
            for rid in ["q", "h", "f", "x", "qq"] {
                rtp(
                    RTPBytes.packet(
                        payloadType: 96, number: number, timestamp: 0, ssrc: source &+ UInt32(rid.utf8.count * 7),
                        elements: [(.mid, Array(mid.utf8)), (.rid, Array(rid.utf8))], payload: bytes(100)))
            }
        case .changingRepairs:
            for rid in ["q", "h", "f"] {
                rtp(
                    RTPBytes.packet(
                        payloadType: 97, number: number, timestamp: 0, ssrc: source &+ UInt32(rid.utf8.first ?? 0),
                        elements: [(.mid, Array(mid.utf8)), (.repairedRID, Array(rid.utf8))], payload: bytes(3)))
            }
        case .askingAgain:
            for slot in eve.slots {
                var body = RTPBytes.bytes(source) + RTPBytes.bytes(slot.ssrc)
                for step in 0..<60 { body += RTPBytes.bytes(number &+ UInt16(step * 17)) + [255, 255] }
                rtcp(report(205, 1, body))
            }
        case .keyFrameWishes:
            for slot in eve.slots {
                rtcp(report(206, 1, RTPBytes.bytes(source) + RTPBytes.bytes(slot.ssrc)))
                var wish = RTPBytes.bytes(source) + bytes(4)
                wish += RTPBytes.bytes(slot.ssrc) + [UInt8(number & 255), 0, 0, 0]
                rtcp(report(206, 4, wish))
            }
        case .extremeReports:
            let ends: [[UInt8]] = [[255, 255, 255, 255], [0, 0, 0, 0], [127, 255, 255, 255], [128, 0, 0, 0]]
            var extremes: [UInt8] = []
            for shift in [0, 2, 4, 6, 8] { extremes += ends[Int(number >> shift) & 3] }
            rtcp(report(200, 0, RTPBytes.bytes(eve.layers[0].ssrc) + extremes))
            for slot in eve.slots {
                rtcp(report(201, 1, RTPBytes.bytes(source) + RTPBytes.bytes(slot.ssrc) + extremes))
            }
            // REMB (draft-alvestrand-rmcat-remb-03): the least, the most.
            var remb = bytes(8) + [0x52, 0x45, 0x4d, 0x42, 1]
            remb += number & 1 == 0 ? [255, 255, 255] : [0, 0, 0]
            rtcp(report(206, 15, remb + bytes(4)))
            var feedback = bytes(8) + RTPBytes.bytes(number)
            feedback += [0, 200] + extremes.prefix(4)
            rtcp(report(205, 15, feedback + bytes(60)))
        case .addresses:
            // A check with good credentials of her own from where another is, as who forges sources can send.
            room.deliver(eve.lastCheck, from: bob.endpoint)
            room.deliver(eve.lastCheck, from: ann.endpoint)
            room.deliver(eve.lastCheck, from: Endpoint(address: IPAddress(v4: 0x7f00_0003), port: number))
        case .extremeTiles:
            let size = [0, 1, -1, Int.max, Int.min, 1_280][Int(number) % 6]
            try room.view(eve, [("ann", size, size), ("ann", 1, 1), ("eve", 5, 5), ("nobody", size, 1)])
        }
        room.takeSent()
    }
}
