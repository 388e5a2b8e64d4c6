import RTP
import Testing
import Time

struct ReportTests {
    @Test func `losses are counted since the last report and in all`() {
        var statistics = ReceptionStatistics(ssrc: SSRC(rawValue: 1), clockRate: 90_000)
        let none = statistics.nextReport(now: .zero)
        #expect(none == nil)
        for number: UInt16 in [65_534, 65_535, 0, 3] {
            statistics.receive(header(1, number, 0), byteCount: 100, now: .zero)
        }
        let first = statistics.nextReport(now: .zero)
        #expect(first?.fractionLost == 85)
        #expect(first?.cumulativeLost == 2)
        #expect(first?.highestSequenceNumber == 0x1_0003)
        #expect(statistics.byteCount == 400 && statistics.packetCount == 4)
        statistics.receive(header(1, 1, 0), byteCount: 100, isRetransmitted: true, now: .zero)
        statistics.receive(header(1, 4, 0), byteCount: 100, now: .zero)
        let second = statistics.nextReport(now: .zero)
        #expect(second?.fractionLost == 0)
        #expect(second?.cumulativeLost == 1)
        statistics.receive(header(1, 4, 0), byteCount: 100, now: .zero)
        statistics.receive(header(1, 4, 0), byteCount: 100, now: .zero)
        #expect(statistics.nextReport(now: .zero)?.cumulativeLost == -1)
    }

    @Test func `what a retransmission brought was missed at first`() {
        var statistics = ReceptionStatistics(ssrc: SSRC(rawValue: 1), clockRate: 90_000)
        func take() -> [Int64] {
            let (expected, missed) = statistics.takeMissed()
            return [expected, missed]
        }
        #expect(take() == [0, 0])
        for number: UInt16 in [65_534, 65_535, 0, 3] {
            statistics.receive(header(1, number, 0), byteCount: 100, now: .zero)
        }
        statistics.receive(header(1, 1, 0), byteCount: 100, isRetransmitted: true, now: .zero)
        #expect(take() == [6, 2])
        // The other one was only late.
        for number: UInt16 in [2, 4] { statistics.receive(header(1, number, 0), byteCount: 100, now: .zero) }
        #expect(take() == [1, 0])
        statistics.receive(header(1, 20_000, 0), byteCount: 1, now: .zero)
        #expect(take() == [1, 0])
    }

    @Test func `a late first packet and a restart leave the counts sane`() {
        var statistics = ReceptionStatistics(ssrc: SSRC(rawValue: 1), clockRate: 90_000)
        for number: UInt16 in [10, 9, 11] { statistics.receive(header(1, number, 0), byteCount: 1, now: .zero) }
        #expect(statistics.lost == 0)
        for number: UInt16 in [20_000, 20_001] { statistics.receive(header(1, number, 0), byteCount: 1, now: .zero) }
        let report = statistics.nextReport(now: .zero)
        #expect(report?.cumulativeLost == 0)
        #expect(report?.fractionLost == 0)
        #expect(report?.highestSequenceNumber == 20_001)
    }

    @Test func `jitter is the mean difference of spacing, a sixteenth at a time`() {
        var statistics = ReceptionStatistics(ssrc: SSRC(rawValue: 1), clockRate: 8000)
        // Every 20 ms, each second one 4 ms late: the difference is always 4 ms, 32 ticks.
        for index in 0..<400 {
            let late: Int64 = index.isMultiple(of: 2) ? 0 : 4
            statistics.receive(
                header(1, UInt16(index), UInt32(index) * 160), byteCount: 1,
                now: .zero + .milliseconds(Int64(index) * 20 + late))
        }
        let jitter = statistics.nextReport(now: .zero)?.jitter ?? 0
        #expect((31...32).contains(jitter))
        #expect((3875...4000).contains(statistics.jitter.microseconds))
        // Packets of one frame are no jitter.
        var video = ReceptionStatistics(ssrc: SSRC(rawValue: 1), clockRate: 90_000)
        for index in 0..<100 {
            video.receive(
                header(1, UInt16(index), UInt32(index / 5) * 3000), byteCount: 1,
                now: .zero + .microseconds(Int64(index / 5) * 33_333 + Int64(index % 5) * 2000))
        }
        #expect(video.jitter.microseconds < 100)
    }

    @Test func `the time since a sender's report is told to that sender`() {
        var statistics = ReceptionStatistics(ssrc: SSRC(rawValue: 1), clockRate: 90_000)
        statistics.receive(header(1, 1, 0), byteCount: 1, now: .zero)
        let sent = NTPTime(Instant.zero + .seconds(50))
        statistics.receive(
            SenderReport(
                ssrc: SSRC(rawValue: 1), ntp: sent, timestamp: RTPTimestamp(rawValue: 0), packetCount: 0, octetCount: 0),
            now: .zero + .seconds(9))
        let block = statistics.nextReport(now: .zero + .milliseconds(9500))
        #expect(block?.lastSenderReport == sent.middle)
        #expect(block?.delaySinceLastSenderReport == 0x8000)
        #expect(block?.roundTrip(now: sent.advanced(by: .milliseconds(625))) == .milliseconds(125))
    }

    /// A report of a publisher whose clock is `ahead` of ours and whose timestamps began at `start`.
    func report(_ ssrc: UInt32, at time: Instant, ahead: Interval, start: UInt32, rate: UInt32) -> SenderReport {
        SenderReport(
            ssrc: SSRC(rawValue: ssrc), ntp: NTPTime(time).advanced(by: ahead),
            timestamp: RTPTimestamp(rawValue: start).advanced(by: time - .zero, clockRate: rate), packetCount: 9,
            octetCount: 9)
    }

    @Test func `a timestamp of one layer is found on the clock of another`() {
        var high = SenderReportClock(clockRate: 90_000)
        var low = SenderReportClock(clockRate: 90_000)
        let timestamp = RTPTimestamp(rawValue: 500).advanced(by: .milliseconds(2000), clockRate: 90_000)
        #expect(high.translate(timestamp, to: low) == nil)
        // NTP time since 1900: over half of its range.
        let ahead = Interval.seconds(3_900_000_000)
        high.receive(report(1, at: .zero + .seconds(1), ahead: ahead, start: 500, rate: 90_000), now: .zero)
        low.receive(report(2, at: .zero + .milliseconds(1700), ahead: ahead, start: .max - 5, rate: 90_000), now: .zero)
        let expected = RTPTimestamp(rawValue: .max - 5).advanced(by: .milliseconds(2000), clockRate: 90_000)
        let found = high.translate(timestamp, to: low)
        #expect(found.map { abs($0.distance(to: expected)) <= 1 } == true)
    }

    @Test func `sound and picture of a publisher stay together on our clock, whatever its own says`() throws {
        var publisher = PublisherClock()
        #expect(publisher.local(NTPTime(rawValue: 0)) == nil)
        var clocks = [SenderReportClock(clockRate: 48_000), SenderReportClock(clockRate: 90_000)]
        let ahead = Interval.seconds(3_900_000_000)
        var streams: [RTPTimestamp] = []
        var reports: [SenderReport] = []
        for (index, rate) in [UInt32(48_000), 90_000].enumerated() {
            let codec: MediaCodec = index == 0 ? .opus : .vp8
            var rewriter = StreamRewriter(
                ssrc: SSRC(rawValue: UInt32(index)), codec: codec, firstSequenceNumber: SequenceNumber(rawValue: 1),
                firstTimestamp: RTPTimestamp(rawValue: 1000), history: 16)
            // Captured at 10 s both; the report comes 30 ms after it was made.
            let captured = Instant.zero + .seconds(10)
            let source = RTPTimestamp(rawValue: 77).advanced(by: captured - .zero, clockRate: rate)
            rewriter.switchSource(to: SSRC(rawValue: 5), keepingHistory: false)
            let sent = rewriter.rewrite(
                header(5, 1, source.rawValue), now: captured + .milliseconds(Int64(20 + index * 60)))
            streams.append(try #require(sent.outgoing).timestamp)
            let made = Instant.zero + .milliseconds(10_500)
            let its = report(5, at: made, ahead: ahead, start: 77, rate: rate)
            publisher.receive(its.ntp, now: made + .milliseconds(30))
            clocks[index].receive(its, now: made + .milliseconds(30))
            reports.append(clocks[index].report(for: rewriter, publisher: publisher, now: made + .milliseconds(40)))
        }
        // The moment that each report gives to the picture and the sound that were captured together.
        let moments = zip(reports, zip(streams, [Int64(48_000), 90_000])).map { report, stream in
            let ticks = Int64(report.timestamp.distance(to: stream.0))
            return report.ntp.advanced(by: Interval(nanoseconds: ticks * 1_000_000_000 / stream.1))
        }
        #expect(abs(moments[0].distance(to: moments[1]).microseconds) < 50)
        // On our clock, late by the report's way.
        let error = NTPTime(Instant.zero + .milliseconds(10_030)).distance(to: moments[0])
        #expect(abs(error.microseconds) < 100)
        #expect(reports[0].packetCount == 1 && reports[0].octetCount == 1)
    }

    @Test func `our clock follows the quickest report, and a clock that is set`() {
        var publisher = PublisherClock()
        func local(_ milliseconds: Int64) -> Int64 {
            publisher.local(NTPTime(Instant.zero + .milliseconds(milliseconds))).map {
                NTPTime(.zero).distance(to: $0).milliseconds
            } ?? -1
        }
        func receive(_ milliseconds: Int64, now: Int64) {
            publisher.receive(NTPTime(Instant.zero + .milliseconds(milliseconds)), now: .zero + .milliseconds(now))
        }
        receive(5000, now: 1050)
        #expect((1049...1050).contains(local(5000)))
        receive(6000, now: 2010)
        #expect((2009...2010).contains(local(6000)))
        receive(7000, now: 3100)
        #expect((3009...3011).contains(local(7000)))
        receive(1000, now: 4020)
        #expect((4019...4020).contains(local(1000)))
    }

    @Test func `without a report of the source the clock of arrivals counts`() {
        var rewriter = StreamRewriter(
            ssrc: SSRC(rawValue: 3), codec: .vp8, firstSequenceNumber: SequenceNumber(rawValue: 1),
            firstTimestamp: RTPTimestamp(rawValue: 1000), history: 16)
        rewriter.switchSource(to: SSRC(rawValue: 5), keepingHistory: false)
        _ = rewriter.rewrite(header(5, 1, 9), now: .zero + .seconds(1))
        let report = SenderReportClock(clockRate: 90_000).report(
            for: rewriter, publisher: PublisherClock(), now: .zero + .seconds(2))
        #expect(report.ntp == NTPTime(Instant.zero + .seconds(2)))
        #expect(report.timestamp.rawValue == 91_000)
        #expect(report.ssrc == SSRC(rawValue: 3))
    }
}
