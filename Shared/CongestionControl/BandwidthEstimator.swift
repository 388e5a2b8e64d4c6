public import Time

/// Estimates what the path to one receiver carries, from what that receiver says of each packet: the method of
/// draft-ietf-rmcat-gcc-02 (delay §5, loss §6) with the sender's side of both, as browsers have it.
///
/// After each feedback: `receive(log.results, now:)`, then read `estimate`. Where little is sent the estimate neither rises nor
/// falls by much; a probe (`Prober`) lifts it. If feedback stops while packets leave, it backs off.
public struct BandwidthEstimator: Sendable {
    /// Where the estimate begins and may go.
    public struct Settings: Sendable {
        /// The first estimate: what nearly every path carries, the rest is probed for.
        public var start = BitRate.kilobitsPerSecond(300)
        /// Never below this: sound for one, and enough packets to notice that the path is better.
        public var min = BitRate.kilobitsPerSecond(30)
        /// Never above this.
        public var max = BitRate.megabitsPerSecond(20)
        /// So long without feedback (or four round trips, if that is more) is a bad sign.
        public var silence = Interval.seconds(1)

        /// The usual ones.
        public init() {}
    }

    /// A REMB holds as long as this; its sender repeats it every second or so.
    public static let capLifetime = Interval.seconds(10)
    /// While feedback stays away, every half second this is left of the estimate.
    private static let silenceDecrease = 0.7
    private static let silenceStep = Interval.milliseconds(500)
    /// A queue that empties to less than this between two feedbacks does not stand.
    private static let shortestQueue = Interval.milliseconds(10)

    private let settings: Settings
    private var groups = PacketGroups()
    private var trend = DelayTrend()
    private var detector = OveruseDetector()
    private var queue = StandingQueue()
    private var arrivals = RateMeter()
    private var departures = RateMeter()
    private var delayControl: DelayRateControl
    private var lossBound = LossBound()
    private var probeMeter = ProbeMeter()
    private var cap: (rate: BitRate, until: Instant)?
    private var silenceDue: Instant?

    /// What may be sent: always within the settings' limits.
    public private(set) var estimate: BitRate
    /// The round trip, with the receiver's wait before it gives feedback; smoothed. nil before the first feedback.
    public private(set) var roundTrip: Interval?
    /// The last probe that said something.
    public private(set) var lastProbe: ProbeOutcome?

    /// Knows nothing yet.
    public init(settings: Settings = Settings(), now: Instant) {
        precondition(
            settings.min <= settings.start && settings.start <= settings.max,
            "an estimate starts between its least and its most")
        self.settings = settings
        estimate = settings.start
        delayControl = DelayRateControl(rate: Double(settings.start.bitsPerSecond))
    }

    /// What arrives, over the last half second; nil before there was that much.
    public var acknowledged: BitRate? { arrivals.rate }

    /// The share of packets lost in the last seconds, 0...1.
    public var lossFraction: Double { lossBound.fraction }

    /// What the delay says now. A trend without a queue that stands is a busy receiver's.
    public var usage: BandwidthUsage {
        detector.usage == .over && queue.length < Self.shortestQueue ? .normal : detector.usage
    }

    /// How long even the luckiest packet of the last feedback waited on the way.
    public var standingQueue: Interval { queue.length }

    /// When `timeout` is due; nil while nothing waits for feedback.
    public var nextDeadline: Instant? { silenceDue }

    /// A packet leaves: feedback is expected. Cheap.
    public mutating func sent(_ size: ByteCount, now: Instant) {
        if silenceDue == nil { silenceDue = now + max(settings.silence, (roundTrip ?? .zero) * 4) }
    }

    /// Takes what one feedback packet said, in order of sending.
    public mutating func receive(_ results: [PacketResult], now: Instant) {
        guard !results.isEmpty else { return }
        silenceDue = nil
        var latest: Instant?
        for result in results {
            departures.receive(result.size, at: result.sent)
            lossBound.receive(isLost: result.arrival == nil)
            probeMeter.receive(result)
            guard let arrival = result.arrival else { continue }
            latest = max(latest ?? result.sent, result.sent)
            arrivals.receive(result.size, at: arrival)
            queue.receive(sent: result.sent, arrival: arrival)
            guard let delta = groups.receive(sent: result.sent, arrival: arrival) else { continue }
            trend.receive(delta)
            detector.receive(trend, delta)
        }
        queue.settle(now: now)
        if let latest { learnRoundTrip(now - latest) }
        control(now: now)
    }

    /// The receiver says that it takes no more than this (REMB). Holds for 10 s, or until the next.
    public mutating func receive(maximum: BitRate, now: Instant) {
        cap = (maximum, now + Self.capLifetime)
        settle(now: now)
    }

    /// Call when `nextDeadline` has come: packets leave and nobody says what became of them.
    public mutating func timeout(now: Instant) {
        guard let due = silenceDue, due <= now else { return }
        silenceDue = now + Self.silenceStep
        delayControl.set(Double(estimate.bitsPerSecond) * Self.silenceDecrease, now: now)
        settle(now: now)
    }

    private mutating func learnRoundTrip(_ sample: Interval) {
        let sample = max(.zero, min(sample, .seconds(5)))
        roundTrip = roundTrip.map { $0 + (sample - $0) / 8 } ?? sample
    }

    private mutating func control(now: Instant) {
        let acknowledged = arrivals.rate.map { Double($0.bitsPerSecond) }
        let rate = Double(estimate.bitsPerSecond)
        let roundTrip = roundTrip ?? .milliseconds(200)
        // What arrives tells what passes if as much leaves as may, or if more leaves than arrives; else the senders had nothing
        // more to say. Loss of the path's own is not more than a tenth or so.
        let leaving = departures.rate.map { Double($0.bitsPerSecond) }
        let isFull = leaving.map { $0 >= rate * 0.9 || (acknowledged ?? $0) < $0 * 0.8 } ?? true
        delayControl.receive(
            usage, acknowledged: acknowledged, peak: arrivals.peak.map { Double($0.bitsPerSecond) },
            isFull: isFull, roundTrip: roundTrip, now: now)
        lossBound.update(rate: rate, acknowledged: acknowledged, roundTrip: roundTrip, now: now)
        if let outcome = probeMeter.outcome(now: now),
            !probeMeter.isCompressed || queue.length < Self.shortestQueue
        {
            lastProbe = outcome
            let probed = Double(outcome.rate.bitsPerSecond)
            if usage != .over, probed > delayControl.rate { delayControl.set(probed, now: now) }
            lossBound.raise(to: probed)
        }
        settle(now: now)
    }

    /// The least of all bounds, within the limits.
    private mutating func settle(now: Instant) {
        let least = Double(settings.min.bitsPerSecond)
        let most = Double(settings.max.bitsPerSecond)
        let delayed = Swift.min(Swift.max(delayControl.rate, least), most)
        if delayed != delayControl.rate { delayControl.set(delayed, now: now) }
        var rate = delayed
        if let bound = lossBound.bound { rate = Swift.min(rate, bound) }
        if let cap, cap.until > now { rate = Swift.min(rate, Double(cap.rate.bitsPerSecond)) }
        estimate = BitRate(Swift.min(Swift.max(rate, least), most))
    }
}
