import Time

/// Forms groups of packets and tells how their distance changed on the way (draft-ietf-rmcat-gcc-02 §5.1, §5.2).
///
/// A group is what left within 5 ms. Packets that waited together somewhere and then arrive in one burst belong to one group as
/// well: their spacing says nothing about the bottleneck.
struct PacketGroups: Sendable {
    /// Distance of two groups at both ends, in milliseconds.
    struct Delta {
        var sent: Double
        var arrival: Double
        var arrivedAt: Double
    }

    private struct Group {
        var firstSent: Instant
        var lastSent: Instant
        var firstArrival: Instant
        var lastArrival: Instant
    }

    private static let burst = Interval.milliseconds(5)
    private static let longestBurst = Interval.milliseconds(100)
    /// A gap so long means that a clock jumped or nobody sent: no delay can be learnt from it.
    private static let longestGap = Interval.seconds(3)

    private var current: Group?
    private var previous: Group?
    private var origin: Instant?

    /// Takes one arrived packet; returns a delta when that packet begins a group and two whole ones are there.
    mutating func receive(sent: Instant, arrival: Instant) -> Delta? {
        guard var group = current else {
            current = Group(firstSent: sent, lastSent: sent, firstArrival: arrival, lastArrival: arrival)
            return nil
        }
        // Reordered on the way, from before this group.
        guard sent >= group.firstSent else { return nil }
        if sent - group.lastSent > Self.longestGap || arrival - group.lastArrival > Self.longestGap
            || group.lastArrival - arrival > Self.longestGap
        {
            self = PacketGroups()
            current = Group(firstSent: sent, lastSent: sent, firstArrival: arrival, lastArrival: arrival)
            return nil
        }
        if belongs(sent: sent, arrival: arrival, to: group) {
            group.lastSent = max(group.lastSent, sent)
            group.lastArrival = max(group.lastArrival, arrival)
            current = group
            return nil
        }
        let delta = previous.flatMap { difference(from: $0, to: group) }
        previous = group
        current = Group(firstSent: sent, lastSent: sent, firstArrival: arrival, lastArrival: arrival)
        return delta
    }

    private func belongs(sent: Instant, arrival: Instant, to group: Group) -> Bool {
        if sent - group.firstSent <= Self.burst { return true }
        let sentDelta = sent - group.lastSent
        let arrivalDelta = arrival - group.lastArrival
        return arrivalDelta < sentDelta && arrivalDelta <= Self.burst
            && arrival - group.firstArrival < Self.longestBurst
    }

    private mutating func difference(from earlier: Group, to later: Group) -> Delta? {
        let arrival = later.lastArrival - earlier.lastArrival
        // Groups that overtook each other.
        guard arrival >= .zero else { return nil }
        let start = origin ?? later.lastArrival
        origin = start
        return Delta(
            sent: (later.lastSent - earlier.lastSent).inSeconds * 1000, arrival: arrival.inSeconds * 1000,
            arrivedAt: (later.lastArrival - start).inSeconds * 1000)
    }
}
