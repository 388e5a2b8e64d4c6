public import Time

/// What one transport-wide feedback packet speaks of: so many numbers from `base` on.
public struct FeedbackReport: Hashable, Sendable {
    /// The first number.
    public var base: UInt16
    /// How many numbers, arrived or not; up to the log's capacity.
    public var packetCount: Int
    /// The first number, unwrapped by the log that made the report.
    fileprivate var first: Int64
}

/// The receiver's side of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01): when each numbered packet
/// of a transport arrived, when it is time to say so, and what to say.
///
/// Feedback takes about 5% of what comes in, so it is due every 50 to 250 ms; sooner if many packets wait, so that a report fits a
/// datagram. A ring of fixed size: nothing is allocated for a packet.
public struct ArrivalLog: ~Copyable {
    /// How often feedback goes out.
    public struct Settings: Sendable {
        /// Between two reports of a fast sender.
        public var shortest = Interval.milliseconds(50)
        /// Between two reports of a slow sender: later ones would be too late for it to act on.
        public var longest = Interval.milliseconds(250)
        /// So many numbers make a report at once: their statuses take some 700 bytes.
        public var mostPackets = 300

        /// The usual ones.
        public init() {}
    }

    private struct Entry {
        var sequence: Int64 = -1
        var arrival = Instant.zero
    }

    /// A report with its share of headers, in bits, and the share of the rate that reports may take.
    private static let reportBits = 544.0
    private static let share = 0.05

    private let settings: Settings
    private var ring: [Entry]
    /// Unwrapped; begins at 2^16, so that what is reordered across the first packet has a number above zero.
    private var highest: Int64?
    /// The first number that no report spoke of.
    private var nextBase: Int64 = 0
    private var due: Instant?
    private var lastReport: Instant?
    private var bytes = ByteCount.zero
    private var interval: Interval

    /// An empty log; `capacity` is a power of two, up to 32,768: packets that may be told apart between two reports.
    public init(settings: Settings = Settings(), capacity: Int = 1024) {
        precondition(
            capacity > 0 && capacity <= 1 << 15 && capacity & (capacity - 1) == 0,
            "the capacity of an arrival log is a power of two, up to 32768")
        self.settings = settings
        ring = Array(repeating: Entry(), count: capacity)
        interval = settings.shortest * 2
    }

    /// When a report is due; nil while there is nothing to say.
    public var nextDeadline: Instant? { due }

    /// A packet with that number arrived. One that arrived before, or is older than the log, says nothing.
    public mutating func receive(_ sequence: UInt16, size: ByteCount, now: Instant) {
        let number = unwrap(sequence)
        guard let newest = highest, number > newest - Int64(ring.count) else { return }
        let slot = Int(truncatingIfNeeded: number) & (ring.count - 1)
        guard ring[slot].sequence != number else { return }
        ring[slot] = Entry(sequence: number, arrival: now)
        bytes += size
        // Said to be lost, and came after all: the next report speaks of it again.
        nextBase = max(min(nextBase, number), newest - Int64(ring.count) + 1)
        if newest - nextBase + 1 >= Int64(settings.mostPackets) {
            due = now
        } else if due == nil {
            // After a pause wait a little for the next packets of the same frame.
            due = max((lastReport ?? now) + interval, now + settings.shortest / 2)
        }
    }

    /// Call when `nextDeadline` has come: gives the report that goes out now.
    public mutating func timeout(now: Instant) -> FeedbackReport? {
        guard let due, due <= now, let highest else { return nil }
        self.due = nil
        let report = FeedbackReport(
            base: UInt16(truncatingIfNeeded: nextBase), packetCount: Int(highest - nextBase + 1), first: nextBase)
        nextBase = highest + 1
        if let lastReport {
            let rate = Double(bytes.rate(over: now - lastReport).bitsPerSecond)
            let wanted = Interval(nanoseconds: Int64(min(Self.reportBits / (Self.share * max(rate, 1)), 10) * 1e9))
            interval = min(max(wanted, settings.shortest), settings.longest)
        }
        lastReport = now
        bytes = .zero
        return report
    }

    /// Every number of a report, in order, and when it arrived; nil: it did not, so far.
    public func forEach(_ report: FeedbackReport, _ body: (_ sequence: UInt16, _ arrival: Instant?) -> Void) {
        for number in report.first..<(report.first + Int64(report.packetCount)) {
            let entry = ring[Int(truncatingIfNeeded: number) & (ring.count - 1)]
            body(UInt16(truncatingIfNeeded: number), entry.sequence == number ? entry.arrival : nil)
        }
    }

    /// The number next to the highest one that ends alike. A sender that jumps begins a new stretch: what lies between is
    /// reported as far as the log reaches.
    private mutating func unwrap(_ sequence: UInt16) -> Int64 {
        guard let newest = highest else {
            let first = Int64(sequence) + (1 << 16)
            highest = first
            nextBase = first
            return first
        }
        let step = Int64(Int16(bitPattern: sequence &- UInt16(truncatingIfNeeded: newest)))
        if step > 0 {
            highest = newest + step
            nextBase = max(nextBase, newest + step - Int64(ring.count) + 1)
        }
        return newest + step
    }
}
