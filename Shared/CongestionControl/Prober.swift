public import Time

/// Packets that are sent at one rate to learn whether the path carries it.
public struct ProbeCluster: Hashable, Sendable {
    /// Names it in the feedback log.
    public var id: ProbeClusterID
    /// The rate to send at, media included.
    public var rate: BitRate
    /// How much makes it whole.
    public var byteCount: ByteCount
    /// At least so many packets.
    public var packetCount: Int
}

/// What is to be sent now.
public struct ProbeStep: Hashable, Sendable {
    /// The cluster that the packets belong to.
    public var cluster: ProbeClusterID
    /// How much padding or RTX.
    public var byteCount: ByteCount
}

/// Decides when to try for more: an SFU sends what its publishers send, so a receiver that was moved to a low layer never shows
/// that its path got better. While the estimate limits what is shown, short clusters of padding or RTX go out above it; after
/// each that fails the wait doubles.
public struct Prober: Sendable {
    /// How it probes.
    public struct Settings: Sendable {
        /// Times the estimate: small enough to do no harm (20 ms at twice the rate are 20 ms of queue), large enough to reach the
        /// next layer.
        public var factor = 2.0
        /// Of what is wanted: more is never asked of the path.
        public var margin = 1.3
        /// Before the first probe, and after one that succeeded.
        public var shortestWait = Interval.milliseconds(300)
        /// After the first failure.
        public var failureWait = Interval.seconds(2)
        /// Failures never make it wait longer.
        public var longestWait = Interval.seconds(8)
        /// The length of a cluster.
        public var duration = Interval.milliseconds(25)

        /// The usual ones.
        public init() {}
    }

    private enum State {
        case idle
        case waiting(until: Instant)
        case sending(Sending)
        case judging(estimate: BitRate, until: Instant)
    }

    private struct Sending {
        var cluster: ProbeCluster
        var estimate: BitRate
        var begun: Instant
        var sent = ByteCount.zero
        var packets = 0
        var nextStep: Instant
    }

    private static let step = Interval.microseconds(2500)
    private static let fewestPackets = 6
    /// Less time than this has no rate, also if a large media packet came along.
    private static let shortest = Interval.microseconds(12_500)
    /// A padding packet with its headers.
    private static let leastPacket = ByteCount(250)
    /// Feedback of the last packet: the receiver's wait and a slow round trip.
    private static let judgement = Interval.milliseconds(800)

    private let settings: Settings
    private var state = State.idle
    private var nextID: UInt32 = 1
    private var failures = 0
    /// The estimate at the last failure.
    private var failedAt = BitRate.zero
    private var estimate = BitRate.zero
    private var wanted = BitRate.zero
    private var isLimited = false

    /// A prober that has nothing to do yet.
    public init(settings: Settings = Settings(), now: Instant) { self.settings = settings }

    /// The cluster that goes out now: media packets sent meanwhile belong to it as well.
    public var cluster: ProbeCluster? {
        if case .sending(let sending) = state { sending.cluster } else { nil }
    }

    /// When `timeout` is due; some milliseconds apart while a cluster goes out, nil when nothing is to be learnt.
    public var nextDeadline: Instant? {
        switch state {
        case .idle: nil
        case .waiting(let until), .judging(_, let until): until
        case .sending(let sending): sending.nextStep
        }
    }

    /// Takes the estimate and what the allocation says, after each change of either.
    public mutating func receive(estimate: BitRate, wanted: BitRate, isLimited: Bool, now: Instant) {
        self.estimate = estimate
        self.wanted = wanted
        self.isLimited = isLimited
        if failures > 1, estimate < failedAt * 0.6 {
            // What failed was to go beyond a height that is far above now.
            failures = 1
            if case .waiting(let until) = state { state = .waiting(until: min(until, now + wait)) }
        }
        switch state {
        case .idle where isWorthwhile: state = .waiting(until: now + wait)
        case .waiting where !isWorthwhile: state = .idle
        case .judging(let before, _) where estimate >= before * 1.15: succeed(now: now)
        default: break
        }
    }

    /// A packet left, of whatever kind.
    public mutating func sent(_ size: ByteCount, now: Instant) {
        guard case .sending(var sending) = state else { return }
        sending.sent += size
        sending.packets += 1
        state = .sending(sending)
    }

    /// Call when `nextDeadline` has come: says what to send as padding or RTX, if anything.
    public mutating func timeout(now: Instant) -> ProbeStep? {
        switch state {
        case .idle: return nil
        case .waiting(let until):
            guard until <= now else { return nil }
            begin(now: now)
            return proceed(now: now)
        case .sending: return proceed(now: now)
        case .judging(_, let until):
            guard until <= now else { return nil }
            failures = min(failures + 1, 16)
            failedAt = estimate
            state = isWorthwhile ? .waiting(until: now + wait) : .idle
            return nil
        }
    }

    private var isWorthwhile: Bool { isLimited && estimate < wanted * settings.margin }

    private var wait: Interval {
        guard failures > 0 else { return settings.shortestWait }
        return min(settings.failureWait * (1 << Int64(failures - 1)), settings.longestWait)
    }

    private mutating func succeed(now: Instant) {
        failures = 0
        state = isWorthwhile ? .waiting(until: now + wait) : .idle
    }

    private mutating func begin(now: Instant) {
        let rate = min(estimate * settings.factor, wanted * settings.margin)
        let least = ByteCount(Self.fewestPackets * Self.leastPacket.count)
        let cluster = ProbeCluster(
            id: ProbeClusterID(rawValue: nextID), rate: rate, byteCount: max(rate.bytes(in: settings.duration), least),
            packetCount: Self.fewestPackets)
        nextID = nextID == .max ? 1 : nextID + 1
        state = .sending(Sending(cluster: cluster, estimate: estimate, begun: now, nextStep: now))
    }

    private mutating func proceed(now: Instant) -> ProbeStep? {
        guard case .sending(var sending) = state, sending.nextStep <= now else { return nil }
        let cluster = sending.cluster
        let elapsed = now - sending.begun
        let isWhole =
            sending.sent >= cluster.byteCount && sending.packets >= cluster.packetCount && elapsed >= Self.shortest
        // A cluster that nobody could send (no padding possible just now) ends by time.
        let limit = cluster.rate.time(for: cluster.byteCount) * 3 + .milliseconds(20)
        guard !isWhole, elapsed < limit else {
            state = .judging(estimate: sending.estimate, until: now + Self.judgement)
            return nil
        }
        sending.nextStep = now + Self.step
        state = .sending(sending)
        let missing = cluster.rate.bytes(in: elapsed + Self.step) - sending.sent
        return missing >= Self.leastPacket ? ProbeStep(cluster: cluster.id, byteCount: missing) : nil
    }
}
