import CAllocations
import MediaInterface
import SFUMedia
import Testing
import Time

extension VirtualRoom {
    /// Gives the lane datagrams from one member, so far apart, and nothing else: no timer runs meanwhile. Returns how many left,
    /// and the number of the last one of a source.
    func forwardOften(
        _ datagrams: UnsafeMutableRawBufferPointer, lengths: UnsafeBufferPointer<Int>, from sender: VirtualMember,
        apart: Interval, watching source: UInt32
    ) -> (sent: Int, lastNumber: UInt16) {
        var (sent, offset) = (0, 0)
        var lastNumber: UInt16 = 0
        var at = now
        let endpoint = sender.endpoint
        for index in 0..<lengths.count {
            let length = unsafe lengths[index]
            at += apart
            let datagram = unsafe UnsafeMutableRawBufferPointer(rebasing: datagrams[offset..<offset + length])
            offset += length
            unsafe stage.receive(datagram, from: endpoint, now: at)
            unsafe stage.takeSent { _, datagram in
                sent += 1
                // The head of a sealed packet is legible.
                guard datagram.count > 12, unsafe datagram.load(fromByteOffset: 8, as: UInt32.self) == source.bigEndian
                else { return }
                lastNumber = unsafe UInt16(bigEndian: datagram.load(fromByteOffset: 2, as: UInt16.self))
            }
        }
        return (sent, lastNumber)
    }
}

/// Counts in its own thread. What the lane's ticks do (each 10 ms: reports, choices, feedback) is left out; it does not grow with packets.
struct LaneAllocationTests {
    /// Sealed before they are counted, one after another.
    @safe
    private struct Sealed: ~Copyable {
        let bytes: UnsafeMutableRawBufferPointer
        let lengths: [Int]

        init(_ datagrams: [[UInt8]]) {
            unsafe bytes = .allocate(byteCount: datagrams.reduce(0) { $0 + $1.count }, alignment: 16)
            unsafe bytes.copyBytes(from: datagrams.joined())
            lengths = datagrams.map(\.count)
        }

        deinit { unsafe bytes.deallocate() }
    }

    /// What the lane does with them costs no memory and no reference.
    private func forward(
        _ sealed: borrowing Sealed, from sender: VirtualMember, in room: VirtualRoom, watching source: UInt32,
        _ what: String
    ) -> (sent: Int, lastNumber: UInt16) {
        let done = unsafe sealed.lengths.withUnsafeBufferPointer { lengths in
            allocation_counts_begin()
            let done = unsafe room.forwardOften(
                sealed.bytes, lengths: lengths, from: sender, apart: .microseconds(3_000), watching: source)
            allocation_counts_end()
            return done
        }
        let counts = allocation_counts_now()
        print("\(what): \(sealed.lengths.count) in, \(done.sent) out: \(counts)")
        #expect(counts.allocations == 0, "\(what): \(counts)")
        #expect(counts.objects == 0, "\(what): \(counts)")
        #expect(counts.retains == 0, "\(what): \(counts)")
        return done
    }

    @Test(.enabled(if: allocation_counts_are_exact(), "a sanitizer allocates and retains by itself"))
    func `a packet that is forwarded, stripped or sent again allocates nothing and retains nothing`() throws {
        let room = try VirtualRoom(seed: 9)
        let ann = try room.join("ann")
        let bob = try room.join("bob", pictures: [])
        // He takes no earlier sound beside the newest.
        let cat = try room.join("cat", pictures: [], changing: CodecTests.without("red"))
        room.settle()
        for member in [bob, cat] { try room.view(member, [("ann", 1_280, 720)]) }
        room.run(for: .seconds(10))
        #expect(bob.quality?.layers.first?.rid == "f")
        #expect(cat.quality?.layers.first?.rid == "f")
        let slot = try #require(bob.slot(.camera, of: "ann"))

        var datagrams: [[UInt8]] = []
        var forwarded = 0
        for frame in 0..<300 {
            let at = room.now + .milliseconds(Int64(frame) * 33)
            for index in ann.layers.indices {
                let packets = ann.layers[index].nextFrame(now: at)
                if ann.layers[index].rid == "f" { forwarded += packets.count }
                datagrams += packets.map { ann.seal($0) }
            }
            if frame.isMultiple(of: 2) {
                ann.sound = (63, CodecTests.redundant)
            } else {
                ann.sound = (111, [UInt8](repeating: 0xaa, count: 80))
            }
            datagrams.append(ann.seal(ann.nextSound()))
            forwarded += 1
        }
        let dropped = room.stage.counters.dropped
        let done = forward(Sealed(datagrams), from: ann, in: room, watching: slot.ssrc, "forwarded")
        #expect(done.sent == 2 * forwarded)
        #expect(done.sent > 4_000)
        #expect(room.stage.counters.dropped == dropped)

        func wish(_ number: UInt16) -> [UInt8] {
            bob.sealRTCP(
                [0x81, 205, 0, 3] + RTPBytes.bytes(bob.soundSSRC) + RTPBytes.bytes(slot.ssrc)
                    + RTPBytes.bytes(number &- 1) + [0, 1])
        }
        // The first packet of a stream makes what its cipher must know of it.
        room.deliver(wish(done.lastNumber), from: bob.endpoint)
        unsafe room.stage.takeSent { _, _ in }
        let again = room.stage.counters.retransmitted
        // Each asks for two: what is asked for at once is bounded.
        let wishes = (1...20).map { wish(done.lastNumber &- UInt16($0 * 2)) }
        let repairs = forward(Sealed(wishes), from: bob, in: room, watching: slot.ssrc, "sent again")
        #expect(repairs.sent == 40)
        #expect(room.stage.counters.retransmitted - again == 40)
    }
}
