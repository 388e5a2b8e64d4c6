public import Time

/// The sender's side of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01): numbers the packets of a
/// transport, remembers when each left and how large it was, and matches what the receiver says with that.
///
/// A ring that grows while answers come later than it reaches back, up to a limit: nothing is allocated for a packet. Numbers that were never sent, are forgotten or were answered before
/// are passed over and counted: a hostile receiver can only shorten its own estimate.
public struct TransportFeedbackLog: ~Copyable {
    private enum Fate: UInt8 { case unknown, lost, arrived }

    private struct Entry {
        var sequence: Int64 = -1
        var sent = Instant.zero
        var probe: UInt32 = 0
        // A datagram has no more.
        var size: UInt16 = 0
        var fate = Fate.unknown
    }

    /// What a log begins with, 24 KiB: most members get little, and a log of three busy seconds takes four times that.
    private static let firstCapacity = 1_024
    /// Feedback is sent each 50 to 250 ms.
    private static let longestWait = Interval.seconds(2)

    /// The receiver's clock counts 2^24 times 64 ms, then begins anew (§3.1 of that draft).
    private static let clockPeriod: Int64 = (1 << 24) * 64_000_000

    private var ring: [Entry]
    private let capacity: Int
    private var next: Int64 = 0
    private var highestAnswered: Int64 = -1
    private var lastArrival: (raw: Int64, unwrapped: Instant)?

    /// What the feedback packet said that `beginFeedback` began, in order of sending. Valid until the next `beginFeedback`.
    public private(set) var results: [PacketResult] = []

    /// Bytes that left after the latest packet that the receiver spoke of.
    public private(set) var inFlight = ByteCount.zero

    /// Numbers in feedback that were not sent, are forgotten, or were answered before.
    public private(set) var passedOver: UInt64 = 0

    /// An empty log of at most the last `capacity` packets, a power of two up to 32,768 (half of the numbers). The usual 4,096
    /// are three seconds at 15 Mbit/s.
    public init(capacity: Int = 4096) {
        precondition(
            capacity > 0 && capacity <= 1 << 15 && capacity & (capacity - 1) == 0,
            "the capacity of a feedback log is a power of two, up to 32768")
        self.capacity = capacity
        ring = Array(repeating: Entry(), count: min(capacity, Self.firstCapacity))
    }

    /// Takes a packet that leaves now; returns the number that is to be written into it.
    public mutating func send(_ size: ByteCount, probe: ProbeClusterID? = nil, now: Instant) -> UInt16 {
        var slot = Int(truncatingIfNeeded: next) & (ring.count - 1)
        // An answer is still awaited that would find nothing. Who never answers, or not for long, needs no more.
        if ring[slot].sequence > highestAnswered, highestAnswered >= 0, ring.count < capacity,
            now - ring[slot].sent < Self.longestWait
        {
            grow()
            slot = Int(truncatingIfNeeded: next) & (ring.count - 1)
        }
        let forgotten = ring[slot]
        if forgotten.sequence > highestAnswered { inFlight -= ByteCount(Int(forgotten.size)) }
        ring[slot] = Entry(
            sequence: next, sent: now, probe: probe?.rawValue ?? 0, size: UInt16(clamping: size.bytes))
        inFlight += ByteCount(Int(ring[slot].size))
        defer { next += 1 }
        return UInt16(truncatingIfNeeded: next)
    }

    private mutating func grow() {
        var larger = Array(repeating: Entry(), count: ring.count * 2)
        for entry in ring where entry.sequence >= 0 {
            larger[Int(truncatingIfNeeded: entry.sequence) & (larger.count - 1)] = entry
        }
        ring = larger
    }

    /// A transport-wide feedback packet begins: its results are gathered anew.
    public mutating func beginFeedback(now: Instant) { results.removeAll(keepingCapacity: true) }

    /// What that feedback packet says of one number: the arrival on the receiver's clock, counted from the origin of its 24-bit
    /// reference time, or nil for a packet that did not arrive. A packet said to be lost may arrive later, not the other way.
    public mutating func receive(_ sequence: UInt16, arrival: Interval?) {
        // The latest packet with that number: what was not sent yet cannot be answered.
        let latest = next - 1
        let number = latest - Int64(UInt16(truncatingIfNeeded: latest) &- sequence)
        let slot = Int(truncatingIfNeeded: number) & (ring.count - 1)
        guard number >= 0, ring[slot].sequence == number, results.count < ring.count else {
            passedOver &+= 1
            return
        }
        let entry = ring[slot]
        land(upTo: number)
        let unwrapped = arrival.map { unwrap($0) }
        switch (entry.fate, unwrapped) {
        case (.arrived, _), (.lost, nil):
            passedOver &+= 1
            return
        case (_, .some): ring[slot].fate = .arrived
        case (.unknown, nil): ring[slot].fate = .lost
        }
        results.append(
            PacketResult(
                sequence: number, sent: entry.sent, arrival: unwrapped, size: ByteCount(Int(entry.size)),
                probe: entry.probe == 0 ? nil : ProbeClusterID(rawValue: entry.probe)))
    }

    /// What was sent before an answered packet is no longer under way, also if feedback that spoke of it was lost.
    private mutating func land(upTo number: Int64) {
        guard number > highestAnswered else { return }
        for earlier in max(highestAnswered + 1, next - Int64(ring.count))...number {
            let entry = ring[Int(truncatingIfNeeded: earlier) & (ring.count - 1)]
            if entry.sequence == earlier { inFlight -= ByteCount(Int(entry.size)) }
        }
        highestAnswered = number
    }

    private mutating func unwrap(_ arrival: Interval) -> Instant {
        let period = Self.clockPeriod
        let raw = arrival.nanoseconds % period
        guard let last = lastArrival else {
            lastArrival = (raw, Instant(nanoseconds: raw))
            return Instant(nanoseconds: raw)
        }
        var step = (raw - last.raw) % period
        if step >= period / 2 { step -= period } else if step < -period / 2 { step += period }
        let unwrapped = last.unwrapped + Interval(nanoseconds: step)
        lastArrival = (raw, unwrapped)
        return unwrapped
    }
}
