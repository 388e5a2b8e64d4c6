import CAllocations
import SRTP
import Testing

/// Counts in its own thread; other tests must not run beside it in it, and strings not be handled.
struct SRTPAllocationTests {
    @Test(arguments: SRTPProfile.allCases)
    func `sealing and opening allocate nothing and retain nothing`(_ profile: SRTPProfile) throws {
        let key = try #require(masterKey(profile))
        var sealer = try SRTPSealer(key)
        var opener = try SRTPOpener(key)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_500, alignment: 8)
        defer { unsafe buffer.deallocate() }
        let plain = packet(0, payload: 1_100)
        var failures = 0
        func pass(_ sequence: UInt16) throws(SRTPError) {
            unsafe buffer[2] = UInt8(sequence >> 8)
            unsafe buffer[3] = UInt8(sequence & 255)
            let length = try unsafe sealer.sealRTP(buffer, length: plain.count)
            let opened = try unsafe opener.openRTP(UnsafeMutableRawBufferPointer(rebasing: buffer[..<length]))
            let control = try unsafe sealer.sealRTCP(buffer, length: opened)
            if try unsafe opener.openRTCP(UnsafeMutableRawBufferPointer(rebasing: buffer[..<control])) != plain.count {
                failures += 1
            }
        }
        unsafe buffer.copyBytes(from: plain)
        try pass(0)
        allocation_counts_begin()
        let before = allocation_counts_now()
        for sequence in 1...100 as ClosedRange<UInt16> { try pass(sequence) }
        let after = allocation_counts_now()
        allocation_counts_end()
        #expect(failures == 0)
        #expect(after.allocations - before.allocations == 0)
        #expect(after.objects - before.objects == 0)
        #expect(after.retains - before.retains == 0)
    }
}
