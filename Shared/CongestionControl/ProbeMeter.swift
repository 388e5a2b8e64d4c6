public import Time

/// What a cluster of probe packets told.
public struct ProbeOutcome: Hashable, Sendable {
    /// The cluster.
    public var cluster: ProbeClusterID
    /// The rate that passes, as far as this cluster knows.
    public var rate: BitRate
    /// When that became known.
    public var at: Instant
}

/// Measures the rate at which a probe's packets left and arrived; the lower one passes the path.
struct ProbeMeter: Sendable {
    /// Fewer packets, or a shorter time, say nothing about a rate.
    private static let fewestPackets = 5
    private static let shortest = Interval.milliseconds(10)

    private var cluster: ProbeClusterID?
    /// Whether packets came since the last outcome: an old one must not undo what the path showed since.
    private var hasNews = false
    private var packets = 0
    private var lost = 0
    private var bytes = ByteCount.zero
    private var first: PacketResult?
    private var lastSize = ByteCount.zero
    private var sent = (first: Instant.zero, last: Instant.zero)
    private var arrived = (first: Instant.zero, last: Instant.zero)
    /// Whether the last outcome's packets arrived much faster than they left: read at once by a receiver that was busy. Then only
    /// a queue that is gone tells that the path carried them.
    private(set) var isCompressed = false

    /// Counts a packet; those of an earlier cluster than the latest are too late to matter.
    mutating func receive(_ result: PacketResult) {
        guard let probe = result.probe else { return }
        if probe != cluster {
            if let cluster, probe.rawValue < cluster.rawValue { return }
            self = ProbeMeter()
            cluster = probe
        }
        hasNews = true
        guard let arrival = result.arrival else {
            lost += 1
            return
        }
        if first == nil {
            first = result
            sent = (result.sent, result.sent)
            arrived = (arrival, arrival)
        }
        packets += 1
        bytes += result.size
        if result.sent >= sent.last { lastSize = result.size }
        sent = (min(sent.first, result.sent), max(sent.last, result.sent))
        arrived = (min(arrived.first, arrival), max(arrived.last, arrival))
    }

    /// The rate that passed, once enough arrived and each time that more did; nil if the cluster says nothing new.
    mutating func outcome(now: Instant) -> ProbeOutcome? {
        guard hasNews else { return nil }
        hasNews = false
        guard let cluster, let first, packets >= Self.fewestPackets, lost * 5 <= packets else { return nil }
        let sending = sent.last - sent.first
        let arriving = arrived.last - arrived.first
        guard sending >= Self.shortest, arriving > .zero, arriving < .seconds(1) else { return nil }
        // n packets span n - 1 gaps: the last one's bytes leave after the span, the first one's arrived before it.
        let sendRate = (bytes - lastSize).rate(over: sending)
        let arrivalRate = (bytes - first.size).rate(over: arriving)
        isCompressed = arrivalRate > sendRate * 2
        // A cluster that was stretched filled the path: what arrived is all there is, and some must be left free.
        let rate = arrivalRate < sendRate * 0.9 ? arrivalRate * 0.95 : min(sendRate, arrivalRate)
        return ProbeOutcome(cluster: cluster, rate: rate, at: now)
    }
}
