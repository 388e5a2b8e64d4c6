import CongestionControl
import LinkSimulator
import MediaInterface
import SDP
import SFUMedia
import Testing
import Time

/// Header extensions that need the two-byte form (RFC 8285 §4.3); in virtual time.
struct ExtensionTests {
    /// Numbers mids beyond what the one-byte form holds.
    private static func renumbered(_ offer: inout SessionDescription) {
        for index in offer.media.indices {
            for place in offer.media[index].extensions.indices
            where offer.media[index].extensions[place].uri == ExtensionKind.mid.uri {
                offer.media[index].extensions[place].id = 20
            }
        }
    }

    @Test func `a receiver that takes the two-byte form gets its mid under any id, on repairs and padding too`() throws
    {
        let room = try VirtualRoom(seed: 41)
        _ = try room.join("ann")
        let bob = try room.join("bob", pictures: [], changing: Self.renumbered)
        room.settle()
        try room.view(bob, [("ann", 1_280, 720)])
        bob.down.change(
            to: .init(capacity: .megabitsPerSecond(5), propagation: .milliseconds(20), loss: 0.05), now: room.now)
        let start = room.now
        room.run(for: .seconds(10))
        let slot = try #require(bob.slot(.camera, of: "ann"))
        #expect(bob.extensions[.mid] == 20)
        #expect(slot.shown(from: start, to: room.now).count > 280)
        #expect(slot.repaired > 10 && bob.paddingCount > 0, "\(slot.repaired), \(bob.paddingCount)")
        for slot in bob.slots { #expect(slot.faults == []) }
    }

    @Test func `one that does not take it gets no extension of such an id`() throws {
        let room = try VirtualRoom(seed: 42)
        _ = try room.join("ann")
        let bob = try room.join("bob", pictures: []) { offer in
            offer.allowsMixedExtensions = false
            Self.renumbered(&offer)
        }
        room.settle()
        room.run(for: .seconds(1))
        #expect(bob.extensions[.mid] == 0 && bob.extensions[.transportSequenceNumber] == 3)
        let slot = try #require(bob.slot(.camera, of: "ann"))
        #expect(slot.frames.count > 28)
        #expect(slot.faults == [])
    }

    @Test func `a long dependency descriptor is read in either form, and not passed on`() throws {
        let room = try VirtualRoom(seed: 43)
        let ann = try room.join("ann", pictures: [(nil, 640, 360, 500_000)])
        let bob = try room.join("bob", pictures: [])
        // A frame that begins and ends here, the structure of its templates behind.
        ann.layers[0].dependencyDescriptor = [0xc0, 0x00, 0x01, 0x80] + [UInt8](repeating: 0x12, count: 26)
        room.settle()
        // Until it is known what her picture takes.
        room.run(for: .seconds(3))
        let start = room.now
        room.run(for: .seconds(3))
        let slot = try #require(bob.slot(.camera, of: "ann"))
        #expect(slot.shown(from: start, to: room.now).count >= 88)
        #expect(slot.faults == [])
    }
}
