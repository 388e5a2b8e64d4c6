import CongestionControl
import LinkSimulator
import MediaInterface
import SFUMedia
import Testing
import Time

/// Who is sent which layer, and that sound goes on whatever the link is like; in virtual time.
struct QualityTests {
    @Test(arguments: Array(1...9))
    func `a member behind 500 kbit/s keeps sound and moving pictures, and another gets them whole`(seed: UInt64) throws
    {
        let room = try VirtualRoom(seed: seed)
        let ann = try room.join("ann")
        let bob = try room.join("bob", pictures: [])
        let cat = try room.join("cat", pictures: [])
        room.settle()
        for member in [bob, cat] { try room.view(member, [("ann", 1_280, 720)]) }
        bob.down.change(to: .init(capacity: .kilobitsPerSecond(500)), now: room.now)
        // The estimate finds the bottleneck.
        room.run(for: .seconds(10))

        let start = room.now
        room.run(for: .seconds(60))
        let end = room.now

        let sound = try #require(bob.slot(.microphone, of: "ann"))
        let pictures = try #require(bob.slot(.camera, of: "ann"))
        let frames = pictures.shown(from: start, to: end)
        print(
            "500 kbit/s, seed \(seed): sound \(sound.packets(from: start, to: end)) of 3000, pictures \(frames.count) of 1800,",
            "longest stop \(pictures.longestFreeze(from: start, to: end)), dropped \(bob.down.droppedByQueue),",
            "estimate \(bob.quality?.downBitsPerSecond ?? 0), widths \(Set(frames.map(\.width)))")
        #expect(sound.packets(from: start, to: end) >= 2_985)
        // Now and then the node tries whether more passes: that may cost a stop.
        #expect(frames.count > 1_650)
        #expect(pictures.longestFreeze(from: start, to: end) < .seconds(2))
        #expect(frames.allSatisfy { $0.width < 1_280 })
        #expect(pictures.faults == [])
        #expect(sound.faults == [])

        let whole = try #require(cat.slot(.camera, of: "ann"))
        let wholeFrames = whole.shown(from: start, to: end)
        #expect(wholeFrames.count >= 1_790)
        #expect(wholeFrames.allSatisfy { $0.width == 1_280 })
        #expect(whole.faults == [])
        #expect(ann.ended == nil && bob.ended == nil && cat.ended == nil)
        #expect(room.stage.missedCount == 0)
    }

    @Test func `a hidden tile is paused, a small one gets the small layer, each within two seconds`() throws {
        let (room, ann, bob) = try VirtualRoom.watched(seed: 4)
        room.run(for: .seconds(10))
        let slot = try #require(bob.slot(.camera, of: "ann"))
        #expect(slot.frames.last?.width == 1_280)

        try room.view(bob, [("ann", 160, 90)])
        room.run(for: .seconds(2))
        #expect(slot.frames.last?.width == 320)
        #expect(bob.quality?.layers == [MediaLayer(member: "ann", source: .camera, rid: "q")])
        var before = slot.frames.count
        room.run(for: .seconds(3))
        #expect(slot.frames.count >= before + 88)
        // Nobody takes the others: they are paused where they come from.
        #expect(ann.activeLayers == ["q"])

        try room.view(bob, [("ann", 0, 0)])
        room.run(for: .seconds(2))
        before = slot.frames.count
        room.run(for: .seconds(3))
        #expect(slot.frames.count == before)
        #expect(bob.quality?.paused == [MediaPause(member: "ann", source: .camera, reason: .hidden)])

        try room.view(bob, [("ann", 1_280, 720)])
        room.run(for: .seconds(2))
        #expect(slot.frames.count > before + 40, "shown again")
        room.run(for: .seconds(3))
        #expect(slot.frames.last?.width == 1_280)
        #expect(slot.faults == [])
    }

    @Test(arguments: [5, 6])
    func `what five in a hundred lose on the way down comes again, and nothing is missing`(seed: UInt64) throws {
        let (room, _, bob) = try VirtualRoom.watched(seed: seed)
        room.run(for: .seconds(5))
        bob.down.change(
            to: .init(capacity: .megabitsPerSecond(20), propagation: .milliseconds(20), loss: 0.05), now: room.now)
        let start = room.now
        room.run(for: .seconds(30))
        let end = room.now

        let slot = try #require(bob.slot(.camera, of: "ann"))
        let frames = slot.shown(from: start, to: end)
        print(
            "5% loss, seed \(seed): pictures \(frames.count) of 900, repaired \(slot.repaired), lost \(bob.down.droppedByLoss),",
            "given up \(slot.givenUp.map(\.count)), longest stop \(slot.longestFreeze(from: start, to: end)),",
            "widths \(Set(frames.map(\.width))), estimate \(bob.quality?.downBitsPerSecond ?? 0)")
        #expect(bob.down.droppedByLoss > 100)
        #expect(slot.repaired > 100)
        #expect(slot.givenUp.isEmpty)
        #expect(slot.faults == [])
        #expect(frames.count >= 890)
        #expect(slot.longestFreeze(from: start, to: end) < .milliseconds(600))
        // Of 30 s, less than 2 in 100.
        #expect(slot.frozen(from: start, to: end) < .milliseconds(600))
    }

    @Test func `behind 150 kbit/s pictures pause, the reason is told, and sound goes on`() throws {
        let (room, _, bob) = try VirtualRoom.watched(seed: 7)
        bob.down.change(to: .init(capacity: .kilobitsPerSecond(150)), now: room.now)
        room.run(for: .seconds(10))

        let start = room.now
        var paused = 0
        for _ in 0..<30 {
            room.run(for: .seconds(1))
            if bob.quality?.paused == [MediaPause(member: "ann", source: .camera, reason: .bandwidth)] { paused += 1 }
        }
        let sound = try #require(bob.slot(.microphone, of: "ann")).packets(from: start, to: room.now)
        let pictures = try #require(bob.slot(.camera, of: "ann"))
        print(
            "150 kbit/s: sound \(sound) of 1500, paused \(paused) of 30 s,",
            "pictures \(pictures.shown(from: start, to: room.now).count), dropped \(bob.down.droppedByQueue)")
        #expect(sound >= 1_470)
        // Now and then the node tries whether a picture passes.
        #expect(paused >= 25)
        #expect(pictures.faults == [])
    }

    @Test func `a link that widens is found by probing, and the largest layer is back within 15 s`() throws {
        let (room, _, bob) = try VirtualRoom.watched(seed: 10)
        bob.down.change(to: .init(capacity: .kilobitsPerSecond(500)), now: room.now)
        room.run(for: .seconds(30))
        let slot = try #require(bob.slot(.camera, of: "ann"))
        #expect(slot.frames.last?.width ?? 0 < 1_280)

        bob.down.change(to: .init(capacity: .megabitsPerSecond(100)), now: room.now)
        let start = room.now
        room.run(for: .seconds(20))
        let back = slot.shown(from: start, to: room.now).first { $0.width == 1_280 }
        print("500 kbit/s to 100 Mbit/s: whole after \(back.map { "\($0.at - start)" } ?? "never")")
        #expect((back?.at ?? .distantFuture) - start < .seconds(15))
        #expect(bob.quality?.layers == [MediaLayer(member: "ann", source: .camera, rid: "f")])
        #expect(slot.frames.last?.width == 1_280)
        #expect(slot.faults == [] && slot.givenUp.allSatisfy { $0.at < start + .seconds(1) })
    }
}
