public import Time

/// What the number of a received packet means.
public enum PacketArrival: Hashable, Sendable {
    /// It is the next one, or there is a gap before it, which is wanted from now on.
    case newest
    /// It fills a gap.
    case filledGap
    /// It came already, or is older than what is known.
    case known
    /// It is so far ahead that asking for what lies between makes no sense. For video a key frame is needed.
    case jumped
}

/// Finds gaps in a received stream, and asks for the packets: a few times, the time of a round trip apart.
public struct LossDetector: ~Copyable, Sendable {
    /// When to ask, and how often.
    public struct Settings: Sendable {
        /// How many missing packets are remembered, a power of two. A gap that is larger is a jump.
        public var capacity = 256
        /// How long a missing packet may just be late: Wi-Fi and batches of the kernel reorder within a few milliseconds.
        public var reorderingDelay = Interval.milliseconds(5)
        /// The least time between two questions for a packet.
        public var retryInterval = Interval.milliseconds(25)
        /// How often a packet is asked for, before it is given up. Ten, as libwebrtc does: over a second with a round trip
        /// of 100 ms, after which a key frame is the better remedy.
        public var tries: UInt8 = 10

        /// What suits video.
        public init() {}
    }

    /// What one call has asked for.
    public struct Outcome: Hashable, Sendable {
        /// How many packets.
        public var asked = 0
        /// How many were given up: for video, ask for a key frame.
        public var gaveUp = 0

        /// Nothing.
        public init() {}
    }

    // Not private: Swift 6.3 cannot build users of this module for fuzzing then (it refers to the type's descriptor from there).
    struct Missing: Sendable {
        var number: Int64
        var due: Int64
        var tries: UInt8
        var isFilled: Bool
    }

    private let settings: Settings
    // A queue in the order of numbers, from `head` on.
    private var missing: RecordSlab<Missing>
    private var head = 0
    private var count = 0
    private var unwrapper = SequenceUnwrapper()
    /// When `writeNACK` is due; nil if nothing is missing. May be earlier than needed.
    public private(set) var nextDeadline: Instant?

    /// A detector that has seen no packet.
    public init(_ settings: Settings = Settings()) {
        precondition(settings.tries > 0, "a packet is asked for once at least")
        self.settings = settings
        let blank = Missing(number: 0, due: 0, tries: 0, isFilled: true)
        missing = RecordSlab(count: settings.capacity, repeating: blank)
    }

    /// Takes the number of a packet that came, be it by itself or by a retransmission.
    public mutating func receive(_ sequenceNumber: SequenceNumber, now: Instant) -> PacketArrival {
        guard let newest = unwrapper.newest else {
            _ = unwrapper.unwrap(sequenceNumber)
            return .newest
        }
        let number = unwrapper.unwrap(sequenceNumber)
        let ahead = newest.distance(to: number)
        guard ahead > 0 else { return fill(number.rawValue) ? .filledGap : .known }
        guard ahead > 1 else { return .newest }
        guard ahead <= missing.count else {
            forgetAll()
            return .jumped
        }
        let due = now + settings.reorderingDelay
        for step in 1..<ahead {
            // The oldest make room: they were asked for most.
            if count == missing.count { removeFirst() }
            missing[head &+ count] = Missing(
                number: newest.rawValue &+ Int64(step), due: due.nanoseconds, tries: 0, isFilled: false)
            count += 1
        }
        if let deadline = nextDeadline, deadline <= due { return .newest }
        nextDeadline = due
        return .newest
    }

    /// Nothing before a key frame is needed any more.
    public mutating func forget(before sequenceNumber: SequenceNumber) {
        guard let number = unwrapper.newest?.nearest(sequenceNumber).rawValue else { return }
        while count > 0, missing[head].number < number { removeFirst() }
        if count == 0 { nextDeadline = nil }
    }

    /// Forgets all gaps.
    public mutating func forgetAll() {
        count = 0
        nextDeadline = nil
    }

    /// Asks for what is due, in one packet; writes nothing if there is nothing. Call when `nextDeadline` has come; an early
    /// call does no harm. What finds no room is asked for by the next call.
    public mutating func writeNACK(
        sender: SSRC, media: SSRC, roundTrip: Interval, now: Instant, to output: inout OutputRawSpan
    ) throws(RTPError) -> Outcome {
        var outcome = Outcome()
        guard let deadline = nextDeadline, deadline <= now else { return outcome }
        // A packet that does not fit at all would leave tries counted that were never made.
        guard output.freeCapacity >= 16 else { throw .noRoom(needed: 16, left: output.freeCapacity) }
        let limit = min(LossDetector.entryLimit, (output.freeCapacity - 12) / 4)
        var entries = [64 of NACKEntry](repeating: NACKEntry(first: SequenceNumber(rawValue: 0), following: 0))
        var entryCount = 0
        // A quarter more than a round trip: the packet may be on its way.
        let wait = max(settings.retryInterval, roundTrip + roundTrip / 4)
        var earliest = Int64.max
        for index in 0..<count {
            var entry = missing[head &+ index]
            guard !entry.isFilled else { continue }
            if entry.due <= now.nanoseconds {
                if entry.tries >= settings.tries {
                    missing[head &+ index].isFilled = true
                    outcome.gaveUp += 1
                    continue
                }
                let number = ExtendedSequenceNumber(rawValue: entry.number).sequenceNumber
                var fits = entryCount > 0 && entries[entryCount - 1].insert(number)
                if !fits, entryCount < limit {
                    entries[entryCount] = NACKEntry(first: number, following: 0)
                    entryCount += 1
                    fits = true
                }
                if fits {
                    entry.tries += 1
                    entry.due = (now + wait).nanoseconds
                    missing[head &+ index] = entry
                    outcome.asked += 1
                }
            }
            earliest = min(earliest, entry.due)
        }
        while count > 0, missing[head].isFilled { removeFirst() }
        nextDeadline = earliest == .max ? nil : Instant(nanoseconds: earliest)
        if entryCount > 0 {
            let asked = entries.span.extracting(0..<entryCount)
            try RTCPWriter.nack(sender: sender, media: media, entries: asked, to: &output)
        }
        return outcome
    }

    /// How many packets are missing that are still wanted. Counts them: not for each packet.
    public borrowing func missingCount() -> Int {
        var wanted = 0
        for index in 0..<count where !missing[head &+ index].isFilled { wanted += 1 }
        return wanted
    }

    private static let entryLimit = 64

    /// Whether a packet was missing, which it is not any more.
    private mutating func fill(_ number: Int64) -> Bool {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if missing[head &+ middle].number < number { low = middle + 1 } else { high = middle }
        }
        guard low < count, missing[head &+ low].number == number, !missing[head &+ low].isFilled else { return false }
        missing[head &+ low].isFilled = true
        while count > 0, missing[head].isFilled { removeFirst() }
        if count == 0 { nextDeadline = nil }
        return true
    }

    private mutating func removeFirst() {
        head = (head &+ 1) & (missing.count &- 1)
        count -= 1
    }
}
