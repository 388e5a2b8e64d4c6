public import Time

/// The difference between a publisher's clock and ours: one for all of its streams, so that they stay together.
///
/// Receivers see many publishers one after the other in the same stream; if each report spoke of its publisher's own
/// clock, they would see time jump, and browsers pass over reports after which it has gone back.
public struct PublisherClock: Sendable {
    // To add to its time for ours: by the quickest report, which waited least on its way.
    private var offset: Interval?
    private var updated = Instant.zero

    /// So much can two clocks drift apart each second: cheap oscillators are off by up to 50 in a million.
    private static let driftPerMillion: Int64 = 50

    /// A clock of which nothing is known.
    public init() {}

    /// Takes the time of a report that came now.
    public mutating func receive(_ time: NTPTime, now: Instant) {
        let sample = time.distance(to: NTPTime(now))
        defer { updated = now }
        guard let offset else {
            self.offset = sample
            return
        }
        let drift = Interval(nanoseconds: (now - updated).nanoseconds / 1_000_000 &* PublisherClock.driftPerMillion)
        let allowed = offset + drift
        // More than a second behind the quickest: its clock was set.
        self.offset = sample < allowed || sample > allowed + .seconds(1) ? sample : allowed
    }

    /// Our time for a time of its; nil if no report came.
    public func local(_ time: NTPTime) -> NTPTime? {
        guard let offset else { return nil }
        return time.advanced(by: offset)
    }
}

/// How a received stream's timestamps relate to its publisher's clock, by its newest sender report.
public struct SenderReportClock: Sendable {
    /// Ticks a second of the stream's timestamps.
    public let clockRate: UInt32
    private var newest: (report: SenderReport, arrival: Instant)?

    /// A stream of which no report came.
    public init(clockRate: UInt32) { self.clockRate = clockRate }

    /// Takes a report that came now.
    public mutating func receive(_ report: SenderReport, now: Instant) { newest = (report, now) }

    /// Whether a report came.
    public var hasReport: Bool { newest != nil }

    /// The timestamp that another stream of the publisher has at the moment of a timestamp here; nil if either has no
    /// report yet.
    public func translate(_ timestamp: RTPTimestamp, to other: SenderReportClock) -> RTPTimestamp? {
        guard let here = newest?.report, let there = other.newest?.report, clockRate > 0 else { return nil }
        let ticks = Int64(here.timestamp.distance(to: timestamp))
        let moment = here.ntp.advanced(by: Interval(nanoseconds: ticks * 1_000_000_000 / Int64(clockRate)))
        let halfTick = Interval(nanoseconds: 500_000_000 / max(1, Int64(other.clockRate)))
        let distance = there.ntp.distance(to: moment)
        let rounded = distance < .zero ? distance - halfTick : distance + halfTick
        return there.timestamp.advanced(by: rounded, clockRate: other.clockRate)
    }

    /// The report about an outgoing stream that shows this one now.
    ///
    /// Without a report of the source it says when its newest packet came, which is right but for the way here.
    public func report(for stream: borrowing StreamRewriter, publisher: PublisherClock, now: Instant) -> SenderReport {
        var report = SenderReport(
            ssrc: stream.ssrc, ntp: NTPTime(now), timestamp: stream.timestamp(at: now), packetCount: stream.packetCount,
            octetCount: stream.octetCount)
        guard let newest else { return report }
        let elapsed = now - newest.arrival
        let source = newest.report.timestamp.advanced(by: elapsed, clockRate: clockRate)
        guard let ntp = publisher.local(newest.report.ntp.advanced(by: elapsed)),
            let timestamp = stream.outgoingTimestamp(source)
        else { return report }
        report.ntp = ntp
        report.timestamp = timestamp
        return report
    }
}
