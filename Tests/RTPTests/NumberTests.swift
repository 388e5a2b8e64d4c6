import RTP
import Testing
import Time

struct NumberTests {
    @Test func `what is newer is nearer ahead, also around the end`() {
        let last = SequenceNumber(rawValue: 65_535)
        #expect(last.distance(to: SequenceNumber(rawValue: 0)) == 1)
        #expect(SequenceNumber(rawValue: 0).isNewer(than: last))
        #expect(!last.isNewer(than: SequenceNumber(rawValue: 0)))
        #expect(!last.isNewer(than: last))
        #expect(last.advanced(by: 2) == SequenceNumber(rawValue: 1))
        #expect(SequenceNumber(rawValue: 1).advanced(by: -2) == last)
        #expect(RTPTimestamp(rawValue: .max).distance(to: RTPTimestamp(rawValue: 4)) == 5)
    }

    @Test func `unwrapping follows a stream over many cycles, forwards and out of order`() {
        var unwrapper = SequenceUnwrapper()
        var random = SeededRandom(seed: 1)
        let first = unwrapper.unwrap(SequenceNumber(rawValue: 65_000)).rawValue
        var count = first
        for _ in 0..<100_000 {
            count += Int64.random(in: -20...40, using: &random)
            count = max(count, first - 1000)
            #expect(unwrapper.unwrap(SequenceNumber(rawValue: UInt16(truncatingIfNeeded: count))).rawValue == count)
        }
    }

    @Test func `a time on the wire has a fraction of 2 to the power of 32`() {
        let time = NTPTime(Instant.zero + .milliseconds(1500))
        #expect(time.rawValue == 0x1_8000_0000)
        #expect(time.middle == 0x1_8000)
        #expect(time.advanced(by: .milliseconds(-750)).rawValue == 0xc000_0000)
        #expect(time.distance(to: time.advanced(by: .milliseconds(-250))) == .milliseconds(-250))
        #expect(time.distance(to: time.advanced(by: .seconds(70))) == .seconds(70))
    }

    @Test func `abs-send-time wraps around after 64 seconds`() {
        let early = AbsoluteSendTime(Instant.zero + .milliseconds(63_500))
        let late = AbsoluteSendTime(Instant.zero + .milliseconds(64_500))
        #expect(late.rawValue == 1 << 17)
        #expect(early.distance(to: late) == .seconds(1))
        #expect(late.distance(to: early) == .seconds(-1))
    }

    @Test func `a timestamp advances by a time, on the codec's clock`() {
        let start = RTPTimestamp(rawValue: 10)
        #expect(start.advanced(by: .milliseconds(20), clockRate: 48_000).rawValue == 970)
        #expect(start.advanced(by: .seconds(-1), clockRate: 90_000).rawValue == UInt32(bitPattern: 10 - 90_000))
        // Nothing overflows, however long.
        _ = start.advanced(by: Interval(nanoseconds: .max), clockRate: .max)
        _ = NTPTime(rawValue: .max).advanced(by: Interval(nanoseconds: .max))
        _ = NTPTime(rawValue: 0).distance(to: NTPTime(rawValue: 1 << 63))
        _ = NTPTime(.distantFuture)
    }
}
