/// Whether the one-way delay grows: the slope of a line through the latest group delays.
///
/// Stands in the place of the Kalman filter of draft-ietf-rmcat-gcc-02 §5.3, as in browsers since 2016: the delay is summed up,
/// smoothed, and a line of least squares put through the last 20 groups. A queue that fills has a slope above zero (1 is a
/// queue that grows by a second each second), one that drains below.
struct DelayTrend: Sendable {
    private static let window = 20
    private static let smoothing = 0.9

    private var accumulated = 0.0
    private var smoothed = 0.0
    private var times = [Double](repeating: 0, count: window)
    private var delays = [Double](repeating: 0, count: window)
    private(set) var count = 0

    /// The slope after the latest group; 0 until the window is full.
    private(set) var slope = 0.0

    mutating func receive(_ delta: PacketGroups.Delta) {
        accumulated += delta.arrival - delta.sent
        smoothed = Self.smoothing * smoothed + (1 - Self.smoothing) * accumulated
        let place = count % Self.window
        times[place] = delta.arrivedAt
        delays[place] = smoothed
        count += 1
        guard count >= Self.window else { return }
        let meanTime = times.reduce(0, +) / Double(Self.window)
        let meanDelay = delays.reduce(0, +) / Double(Self.window)
        var above = 0.0
        var below = 0.0
        for index in 0..<Self.window {
            above += (times[index] - meanTime) * (delays[index] - meanDelay)
            below += (times[index] - meanTime) * (times[index] - meanTime)
        }
        if below > 0 { slope = above / below }
    }
}
