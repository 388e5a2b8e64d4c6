import CongestionControl
import LinkSimulator
import MediaInterface
import RTP
import SFUMedia
import Testing
import Time

/// The rules of a shared screen, as the README of the media plane names them; in virtual time.
struct ScreenTests {
    private static let page = [(rid: nil as String?, width: 1_280, height: 720, bitsPerSecond: 300_000)]

    @Test func `sound of two screens comes before any voice, that of a third after all`() throws {
        let room = try VirtualRoom(seed: 91)
        let bob = try room.join("bob", pictures: [])
        let loud = try room.join("loud", pictures: [])
        let still = try room.join("still", pictures: [])
        room.settle()
        loud.soundLevel = 15
        still.soundLevel = 40
        room.run(for: .seconds(2))
        func heard() -> Set<String> { Set(bob.map.filter { !$0.source.isVideo }.map { "\($0.member) \($0.source)" }) }
        #expect(heard() == ["loud microphone", "still microphone"])

        // Three slots. Screens are silent, as films sometimes are.
        for name in ["s1", "s2"] { try room.join(name, pictures: [], sharing: true).soundLevel = 127 }
        room.run(for: .seconds(1))
        #expect(heard() == ["loud microphone", "s1 screenAudio", "s2 screenAudio"])

        try room.join("s3", pictures: [], sharing: true).soundLevel = 5
        room.run(for: .seconds(2))
        #expect(heard() == ["loud microphone", "s1 screenAudio", "s2 screenAudio"])

        let gone = try #require(room.members.first { $0.member.member == "s1" })
        room.leave(gone)
        room.run(for: .milliseconds(100))
        #expect(heard() == ["loud microphone", "s2 screenAudio", "s3 screenAudio"], "the third is one of two now")
    }

    @Test func `until a page says what it shows, screens come before cameras`() throws {
        let room = try VirtualRoom(seed: 92)
        let bob = try room.join("bob", pictures: [], videoSlots: 2)
        for name in ["ann", "cat"] { _ = try room.join(name, pictures: Self.page) }
        room.settle()
        func seen() -> [String] { bob.map.filter(\.source.isVideo).map { "\($0.member) \($0.source)" }.sorted() }
        #expect(seen() == ["ann camera", "cat camera"])
        _ = try room.join("sam", pictures: Self.page, sharing: true)
        room.run(for: .seconds(1))
        #expect(seen() == ["ann camera", "sam screen"])
    }

    @Test func `where only one picture fits, it is the screen that the page shows first`() throws {
        let room = try VirtualRoom(seed: 93)
        let bob = try room.join("bob", pictures: [])
        _ = try room.join("ann")
        _ = try room.join("sam", pictures: Self.page, sharing: true)
        room.settle()
        try room.view(bob, [("sam", 1_280, 720), ("ann", 320, 180)])
        room.run(for: .seconds(5))
        #expect(bob.quality?.paused == [])
        for _ in 0..<6 {
            bob.sendRTCP(room.now) {
                try RTCPWriter.receiverBitRate(
                    sender: SSRC(rawValue: bob.soundSSRC), bitsPerSecond: 520_000, sources: Span(), to: &$0)
            }
            room.run(for: .seconds(1))
        }
        #expect(bob.quality?.paused == [MediaPause(member: "ann", source: .camera, reason: .bandwidth)])
        let slot = try #require(bob.slot(.screen, of: "sam"))
        #expect(slot.shown(from: room.now - .seconds(5), to: room.now).count >= 148)
        #expect(slot.faults == [])
    }
}
