import Bytes
import CongestionControl
import LinkSimulator
import MediaInterface
import RTP
import SFUMedia
import Testing
import Time

/// What clients and the lane tell each other by RTCP, and what comes of it; in virtual time.
struct ReportTests {
    private static let single = [(rid: nil as String?, width: 640, height: 360, bitsPerSecond: 500_000)]

    @Test func `a full intra request brings one key frame, the same one said again none`() throws {
        let room = try VirtualRoom(seed: 31)
        let ann = try room.join("ann", pictures: Self.single)
        let bob = try room.join("bob", pictures: [])
        room.settle()
        room.run(for: .seconds(3))
        let slot = try #require(bob.slot(.camera, of: "ann"))
        let before = ann.layers[0].keyFrames
        var came: [Int] = []
        for number: UInt8 in [1, 1, 2, 2, 1] {
            bob.sendRTCP(room.now) {
                try RTCPWriter.fullIntra(
                    sender: SSRC(rawValue: bob.soundSSRC), media: SSRC(rawValue: slot.ssrc), number: number, to: &$0)
            }
            room.run(for: .seconds(1))
            came.append(ann.layers[0].keyFrames - before)
        }
        #expect(came == [1, 1, 2, 2, 3])
        #expect(slot.faults == [])
    }

    @Test func `what a client says it can take is kept to, and forgotten when it says so no more`() throws {
        let (room, _, bob) = try VirtualRoom.watched(seed: 32)
        room.run(for: .seconds(10))
        let slot = try #require(bob.slot(.camera, of: "ann"))
        #expect(slot.frames.last?.width == 1_280)

        for _ in 0..<8 {
            bob.sendRTCP(room.now) {
                try RTCPWriter.receiverBitRate(
                    sender: SSRC(rawValue: bob.soundSSRC), bitsPerSecond: 300_000, sources: Span(), to: &$0)
            }
            room.run(for: .seconds(1))
            #expect(bob.quality?.layers == [MediaLayer(member: "ann", source: .camera, rid: "q")])
            #expect(bob.quality?.downBitsPerSecond ?? 0 <= 300_000)
        }
        #expect(slot.shown(from: room.now - .seconds(6), to: room.now).allSatisfy { $0.width == 320 })

        room.run(for: .seconds(25))
        #expect(slot.frames.last?.width == 1_280)
        #expect(slot.faults == [])
    }

    @Test func `what five in a hundred lose on the way up is asked for, and nothing is missing`() throws {
        let (room, ann, bob) = try VirtualRoom.watched(seed: 33)
        room.run(for: .seconds(5))
        ann.up.change(
            to: .init(capacity: .megabitsPerSecond(20), propagation: .milliseconds(20), loss: 0.05), now: room.now)
        let repaired = room.stage.counters.repaired
        let start = room.now
        room.run(for: .seconds(30))

        let slot = try #require(bob.slot(.camera, of: "ann"))
        let frames = slot.shown(from: start, to: room.now)
        print(
            "5% loss up: pictures \(frames.count) of 900, lost \(ann.up.droppedByLoss),",
            "repaired \(room.stage.counters.repaired - repaired), widths \(Set(frames.map(\.width)))")
        #expect(ann.up.droppedByLoss > 100)
        #expect(room.stage.counters.repaired - repaired > 100)
        #expect(frames.count >= 890)
        // What was lost last is still on its way.
        ann.up.change(to: .init(capacity: .megabitsPerSecond(100)), now: room.now)
        room.run(for: .seconds(1))
        #expect(slot.givenUp.isEmpty && slot.missingCount == 0)
        #expect(slot.faults == [])
    }

    @Test func `a sender hears each 200 ms what came of its packets, and each second how much was lost`() throws {
        let room = try VirtualRoom(seed: 35)
        let ann = try room.join("ann", pictures: Self.single)
        _ = try room.join("bob", pictures: [])
        room.settle()
        ann.up.change(
            to: .init(capacity: .megabitsPerSecond(20), propagation: .milliseconds(20), loss: 0.1), now: room.now)
        room.run(for: .seconds(2))
        let start = room.now
        room.run(for: .seconds(20))

        let feedbacks = ann.feedbacks.filter { $0.at >= start }
        let gaps = zip(feedbacks, feedbacks.dropFirst()).map { $1.at - $0.at }
        #expect(feedbacks.count >= 150)
        #expect(gaps.allSatisfy { $0 <= .milliseconds(200) }, "\(gaps.max().map { "\($0)" } ?? "none")")
        // Her sound is numbered, 50 packets a second.
        let told = feedbacks.reduce(0) { $0 + $1.told }
        let lost = Double(feedbacks.reduce(0) { $0 + $1.lost }) / Double(max(1, told))
        #expect((950...1_050).contains(told), "\(told)")
        #expect((0.07...0.13).contains(lost), "\(lost)")

        for ssrc in [ann.soundSSRC, ann.layers[0].ssrc] {
            let blocks = ann.reports.filter { $0.at >= start && $0.block.ssrc.rawValue == ssrc }.map(\.block)
            #expect((16...25).contains(blocks.count), "\(blocks.count)")
            guard ssrc == ann.soundSSRC else { continue }
            let fraction = blocks.reduce(0.0) { $0 + Double($1.fractionLost) / 256 } / Double(max(1, blocks.count))
            #expect((0.07...0.13).contains(fraction), "\(fraction)")
            let total = (blocks.last?.cumulativeLost ?? 0) - (blocks.first?.cumulativeLost ?? 0)
            #expect((60...130).contains(total), "\(total)")
        }
    }
}
