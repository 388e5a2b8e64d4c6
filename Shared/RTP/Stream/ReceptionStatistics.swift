public import Time

/// Counts what comes of one stream, for report blocks (RFC 3550 §6.4.1, appendices A.1, A.3 and A.8).
public struct ReceptionStatistics: Sendable {
    /// The stream.
    public let ssrc: SSRC
    /// Ticks a second of its timestamps.
    public let clockRate: UInt32
    /// How many packets came.
    public private(set) var packetCount: UInt64 = 0
    /// How many bytes came, headers among them.
    public private(set) var byteCount: UInt64 = 0

    private var unwrapper = SequenceUnwrapper()
    private var base: ExtendedSequenceNumber?
    private var received: Int64 = 0
    private var repaired: Int64 = 0
    // What was missed, and how much of it, when `takeMissed` was called.
    private var missedBefore: (expected: Int64, missed: Int64) = (0, 0)
    private var expectedBefore: Int64 = 0
    private var receivedBefore: Int64 = 0
    // The jitter in sixteenths of a tick.
    private var jitterSixteenths: Int64 = 0
    private var transit: UInt32?
    private var lastTimestamp: RTPTimestamp?
    private var lastReport: (middle: UInt32, arrival: Instant)?

    /// RFC 3550 appendix A.1, MAX_DROPOUT: a larger step is a restart.
    private static let restartDistance = 3000

    /// Statistics of a stream of which nothing came.
    public init(ssrc: SSRC, clockRate: UInt32) {
        self.ssrc = ssrc
        self.clockRate = clockRate
    }

    /// Takes a packet. One that came by a retransmission counts as received and leaves the jitter alone.
    public mutating func receive(_ header: RTPHeader, byteCount: Int, isRetransmitted: Bool = false, now: Instant) {
        packetCount &+= 1
        self.byteCount &+= UInt64(max(0, byteCount))
        if let newest = unwrapper.newest,
            abs(newest.sequenceNumber.distance(to: header.sequenceNumber)) > ReceptionStatistics.restartDistance
        {
            restart()
        }
        let number = unwrapper.unwrap(header.sequenceNumber)
        // A late first packet would make more received than expected.
        base = base.map { min($0, number) } ?? number
        received += 1
        if isRetransmitted { repaired += 1 } else { measureJitter(header.timestamp, now) }
    }

    /// Takes a report of the sender.
    public mutating func receive(_ report: SenderReport, now: Instant) { lastReport = (report.ntp.middle, now) }

    /// The jitter of arrivals.
    public var jitter: Interval {
        Interval(nanoseconds: jitterSixteenths / 16 * 1_000_000_000 / max(1, Int64(clockRate)))
    }

    /// How many packets were lost in all, less those that came twice.
    public var lost: Int64 { expected - received }

    private var expected: Int64 {
        guard let base, let newest = unwrapper.newest else { return 0 }
        return newest.rawValue - base.rawValue + 1
    }

    /// How many packets were to come since the last call, and how many did not at first: those that a retransmission brought count.
    public mutating func takeMissed() -> (expected: Int64, missed: Int64) {
        let total = (expected: expected, missed: expected - (received - repaired))
        defer { missedBefore = total }
        return (
            max(0, total.expected - missedBefore.expected), max(0, total.missed - missedBefore.missed)
        )
    }

    /// The block for the next report; the share of losses counts from one call to the next. Nil before the first packet.
    public mutating func nextReport(now: Instant) -> ReportBlock? {
        guard let newest = unwrapper.newest else { return nil }
        let expectedNow = expected
        let expectedSince = expectedNow - expectedBefore
        let lostSince = expectedSince - (received - receivedBefore)
        expectedBefore = expectedNow
        receivedBefore = received
        var block = ReportBlock(ssrc: ssrc)
        if expectedSince > 0, lostSince > 0 { block.fractionLost = UInt8(min(255, lostSince * 256 / expectedSince)) }
        block.cumulativeLost = Int32(min(max(lost, -0x80_0000), 0x7f_ffff))
        // The unwrapper begins in the second cycle.
        block.highestSequenceNumber = UInt32(truncatingIfNeeded: newest.rawValue &- 0x1_0000)
        block.jitter = UInt32(truncatingIfNeeded: jitterSixteenths / 16)
        if let lastReport {
            block.lastSenderReport = lastReport.middle
            let delay = max(0, (now - lastReport.arrival).nanoseconds)
            let ticks = delay / 1_000_000_000 &* 0x1_0000 &+ delay % 1_000_000_000 &* 0x1_0000 / 1_000_000_000
            block.delaySinceLastSenderReport = UInt32(min(ticks, Int64(UInt32.max)))
        }
        return block
    }

    /// RFC 3550 appendix A.8. Packets of one frame share a timestamp and come one after the other by pacing, which is no
    /// jitter: as browsers do, only the first packet of a timestamp counts.
    private mutating func measureJitter(_ timestamp: RTPTimestamp, _ now: Instant) {
        guard timestamp != lastTimestamp else { return }
        lastTimestamp = timestamp
        let arrival = UInt32(truncatingIfNeeded: Interval(nanoseconds: now.nanoseconds).ticks(clockRate))
        let current = arrival &- timestamp.rawValue
        defer { transit = current }
        guard let transit else { return }
        let difference = abs(Int64(Int32(bitPattern: current &- transit)))
        // A step of the sender's clock by seconds is no jitter either.
        guard difference < Int64(clockRate) * 5 else { return }
        jitterSixteenths += difference - (jitterSixteenths + 8) / 16
    }

    private mutating func restart() {
        unwrapper = SequenceUnwrapper()
        base = nil
        received = 0
        repaired = 0
        missedBefore = (0, 0)
        expectedBefore = 0
        receivedBefore = 0
        transit = nil
    }
}
