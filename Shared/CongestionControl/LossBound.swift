import Time

/// The rate that loss allows (draft-ietf-rmcat-gcc-02 §6), with a memory for loss that is the path's own.
///
/// The draft cuts the rate at over 10% of loss, grows it at under 2% and holds between. On a radio link that loses 10% of whatever
/// is sent that rule alone falls to nothing, and where 5% are lost it never grows. So each cut is an experiment, made as soon as
/// loss is sure: it goes just below the rate that arrives. If the loss goes with it, a queue was overflowing and the cut stays; if
/// it does not, it is the path's own, the cut is taken back and only loss beyond it counts from then on.
struct LossBound: Sendable {
    private struct Experiment {
        var before: Double
        var rate: Double
        var bound: Double?
        var since: Instant
    }

    /// Loss beyond the path's own that is worth an experiment, if it is no accident.
    private static let high = 0.03
    private static let low = 0.02
    /// A window is judged when it has this many packets and this length: 20 packets tell 10% from nothing.
    private static let packets = 20
    private static let length = Interval.milliseconds(250)
    /// What is left of earlier windows in the mean.
    private static let memory = 0.75
    /// More own loss than this is not believed: no call works there, so less is worth a try.
    private static let mostInherent = 0.15

    /// In bits a second; nil: loss does not limit.
    private(set) var bound: Double?
    /// The share of packets lost lately, 0...1.
    private(set) var fraction = 0.0

    private var lost = 0
    private var total = 0
    private var windowStart: Instant?
    private var lostMean = 0.0
    private var totalMean = 0.0
    private var inherent = 0.0
    private var inherentCeiling = 0.0
    private var experiment: Experiment?
    /// The rate at which a queue last overflowed: near it, growth is slow.
    private var knee: Double?

    /// Counts one packet that the receiver spoke of.
    mutating func receive(isLost: Bool) {
        total += 1
        if isLost { lost += 1 }
    }

    /// A probe arrived at this rate without more loss than usual.
    mutating func raise(to rate: Double) {
        if let bound, bound < rate { self.bound = rate }
    }

    /// Judges, after each feedback. `rate` is the estimate so far, `acknowledged` what arrives.
    mutating func update(rate: Double, acknowledged: Double?, roundTrip: Interval, now: Instant) {
        let start = windowStart ?? now
        windowStart = start
        let elapsed = now - start
        guard elapsed >= Self.length, total >= Self.packets || elapsed >= .seconds(2) && total > 0 else { return }
        lostMean = lostMean * Self.memory + Double(lost)
        totalMean = totalMean * Self.memory + Double(total)
        (lost, total, windowStart) = (0, 0, now)
        fraction = lostMean / totalMean
        let noise = deviation(fraction, of: totalMean)

        if let experiment {
            // The packets of before the cut are answered a round trip later; then a second of new ones.
            guard now - experiment.since >= roundTrip + .seconds(1) else { return }
            conclude(experiment, noise: noise)
            return
        }
        followInherent(noise)
        let excess = fraction - inherent
        if excess - 2 * noise > Self.high {
            begin(rate: rate, acknowledged: acknowledged, excess: excess, now: now)
        } else if excess < Self.low + noise, let bound {
            grow(bound, rate: rate, elapsed: min(elapsed.inSeconds, 1))
        }
    }

    private mutating func grow(_ bound: Double, rate: Double, elapsed: Double) {
        if let knee, bound > knee * 1.1 { self.knee = nil }
        let isNear = knee.map { bound > $0 * 0.9 } ?? false
        let grown = bound * (1 + (isNear ? 0.02 : 0.08) * elapsed)
        self.bound = grown > rate * 2 ? nil : grown
    }

    private mutating func begin(rate: Double, acknowledged: Double?, excess: Double, now: Instant) {
        // §6 cuts by half the loss; going below what arrives lets a queue drain at once.
        let arriving = acknowledged.map { min($0 * 0.95, rate * 0.95) }
        experiment = Experiment(before: fraction, rate: rate, bound: bound, since: now)
        bound = arriving ?? rate * (1 - 0.5 * excess)
        (lostMean, totalMean) = (0, 0)
    }

    private mutating func conclude(_ experiment: Experiment, noise: Double) {
        self.experiment = nil
        guard fraction > experiment.before * 0.7 - noise else {
            knee = experiment.rate
            return
        }
        bound = experiment.bound
        inherentCeiling = min(fraction + noise, Self.mostInherent)
        inherent = min(fraction, Self.mostInherent)
    }

    /// Own loss changes with the weather; it is learnt upwards by experiment only.
    private mutating func followInherent(_ noise: Double) {
        guard fraction < inherent + noise else { return }
        inherent = min(inherent + 0.1 * (fraction - inherent), inherentCeiling)
        inherentCeiling = min(inherentCeiling, max(inherent + 2 * noise, inherent * 1.5))
    }
}

/// The standard deviation of a share seen in so many packets: the root of p(1 - p)/n, by Newton's method. `squareRoot` would need
/// the C library to link.
private func deviation(_ share: Double, of packets: Double) -> Double {
    let variance = share * (1 - share) / packets
    guard variance > 1e-9 else { return 0 }
    // Of 20 packets and more it is below 0.2. Each step halves the error at least; a root below 0.001 may come out too high,
    // which does no harm.
    var root = 0.2
    for _ in 0..<9 { root = (root + variance / root) / 2 }
    return root
}
