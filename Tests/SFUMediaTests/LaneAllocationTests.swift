import CAllocations
import MediaInterface
import SFUMedia
import Testing
import Time

extension VirtualRoom {
    /// Gives the lane datagrams from one member, so far apart, and nothing else: no timer runs meanwhile. Returns how many left.
    func forwardOften(
        _ datagrams: UnsafeMutableRawBufferPointer, lengths: UnsafeBufferPointer<Int>, from sender: VirtualMember,
        apart: Interval
    ) -> Int {
        var (sent, offset) = (0, 0)
        var at = now
        let endpoint = sender.endpoint
        for index in 0..<lengths.count {
            let length = unsafe lengths[index]
            at += apart
            let datagram = unsafe UnsafeMutableRawBufferPointer(rebasing: datagrams[offset..<offset + length])
            offset += length
            unsafe stage.receive(datagram, from: endpoint, now: at)
            unsafe stage.takeSent { _, _ in sent += 1 }
        }
        return sent
    }
}

/// Counts in its own thread. What the lane's ticks do (each 10 ms: reports, choices, feedback) is left out; it does not grow with packets.
struct LaneAllocationTests {
    @Test(.enabled(if: allocation_counts_are_exact(), "a sanitizer allocates and retains by itself"))
    func `a forwarded packet allocates nothing and retains nothing`() throws {
        let room = try VirtualRoom(seed: 9)
        let ann = try room.join("ann")
        let bob = try room.join("bob", pictures: [])
        let cat = try room.join("cat", pictures: [])
        room.settle()
        for member in [bob, cat] { try room.view(member, [("ann", 1_280, 720)]) }
        room.run(for: .seconds(10))
        #expect(bob.quality?.layers.first?.rid == "f")
        #expect(cat.quality?.layers.first?.rid == "f")

        // Sealed before: only the lane is counted.
        var sealed: [[UInt8]] = []
        var forwarded = 0
        for frame in 0..<300 {
            let at = room.now + .milliseconds(Int64(frame) * 33)
            for index in ann.layers.indices {
                let packets = ann.layers[index].nextFrame(now: at)
                if ann.layers[index].rid == "f" { forwarded += packets.count }
                sealed += packets.map { ann.seal($0) }
            }
            sealed.append(ann.seal(ann.nextSound()))
            forwarded += 1
        }
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: sealed.reduce(0) { $0 + $1.count }, alignment: 16)
        defer { unsafe bytes.deallocate() }
        unsafe bytes.copyBytes(from: sealed.joined())
        let lengths = sealed.map(\.count)

        let dropped = room.stage.counters.dropped
        let sent = unsafe lengths.withUnsafeBufferPointer { lengths in
            allocation_counts_begin()
            let sent = unsafe room.forwardOften(bytes, lengths: lengths, from: ann, apart: .microseconds(3_000))
            allocation_counts_end()
            return sent
        }
        let counts = allocation_counts_now()
        print("\(lengths.count) packets in, \(sent) out: \(counts)")
        #expect(sent == 2 * forwarded)
        #expect(sent > 4_000)
        #expect(room.stage.counters.dropped == dropped)
        #expect(counts.allocations == 0, "\(counts)")
        #expect(counts.objects == 0, "\(counts)")
        #expect(counts.retains < 20, "\(counts)")
    }
}
