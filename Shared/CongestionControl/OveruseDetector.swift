/// What the delay says of the path.
public enum BandwidthUsage: Sendable {
    /// The queue is steady.
    case normal
    /// The queue grows: more is sent than passes.
    case over
    /// The queue drains.
    case under
}

/// Compares the trend with a threshold that adapts (draft-ietf-rmcat-gcc-02 §5.4).
///
/// The threshold follows the trend: else a flow beside TCP, whose queue swings, would starve.
struct OveruseDetector: Sendable {
    /// The trend is a slope; times so much and the number of groups (at most 60) it is of the size of the threshold, which the
    /// draft gives in milliseconds of delay.
    private static let gain = 4.0
    private static let mostGroups = 60
    /// §5.6: overuse must last so long before it is one.
    private static let overuseTime = 10.0
    /// §5.4: faster up than down. Values as browsers have them, a millisecond.
    private static let risingGain = 0.0087
    private static let fallingGain = 0.039

    private(set) var usage = BandwidthUsage.normal
    private var threshold = 12.5
    private var overusedFor: Double?
    private var overuses = 0
    private var lastSlope = 0.0
    private var lastUpdate: Double?

    /// Takes the trend after a group.
    mutating func receive(_ trend: DelayTrend, _ delta: PacketGroups.Delta) {
        let value = Double(min(trend.count, Self.mostGroups)) * trend.slope * Self.gain
        if value > threshold {
            // A first excess counts as half its group: it began somewhere within.
            overusedFor = overusedFor.map { $0 + delta.sent } ?? delta.sent / 2
            overuses += 1
            if let lasted = overusedFor, lasted > Self.overuseTime, overuses > 1, trend.slope >= lastSlope {
                overusedFor = 0
                overuses = 0
                usage = .over
            }
        } else {
            overusedFor = nil
            overuses = 0
            usage = value < -threshold ? .under : .normal
        }
        lastSlope = trend.slope
        adapt(to: abs(value), at: delta.arrivedAt)
    }

    private mutating func adapt(to value: Double, at time: Double) {
        let elapsed = min(max(0, time - (lastUpdate ?? time)), 100)
        lastUpdate = time
        // §5.4: a sudden jump (a change of route) is not a reason to become deaf.
        guard value <= threshold + 15 else { return }
        let gain = value < threshold ? Self.fallingGain : Self.risingGain
        threshold = min(max(threshold + gain * (value - threshold) * elapsed, 6), 600)
    }
}
