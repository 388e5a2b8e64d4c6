internal import Bytes
public import Time

/// Remembers when packets of a transport came, and makes transport-wide feedback of it.
///
/// A packet that comes after later ones were reported is reported with the next feedback, which repeats what lies between.
public struct TransportFeedbackBuilder: ~Copyable, Sendable {
    private static let none = Int64.min

    // Arrivals in quarter milliseconds, by extended sequence number.
    private var arrivals: RecordSlab<Int64>
    private var statuses: RecordSlab<UInt8>
    private var unwrapper = SequenceUnwrapper()
    private var next: ExtendedSequenceNumber?
    private var feedbackCount: UInt8 = 0

    /// A builder that remembers so many packets, a power of two. Feedback goes out every 50 to 100 ms: 1,024 packets are
    /// 100 Mbit/s.
    public init(capacity: Int = 1024) {
        precondition(capacity <= TransportFeedback.packetLimit, "one feedback must be able to hold all")
        arrivals = RecordSlab(count: capacity, repeating: TransportFeedbackBuilder.none)
        statuses = RecordSlab(count: capacity, repeating: 0)
    }

    /// Whether there is nothing to report.
    public var isEmpty: Bool {
        guard let next, let newest = unwrapper.newest else { return true }
        return newest < next
    }

    /// Takes the arrival of a packet. One that came before, or too long after its neighbours, changes nothing.
    public mutating func receive(_ number: SequenceNumber, now: Instant) {
        let tick = now.nanoseconds / 250_000
        let before = unwrapper.newest
        let extended = unwrapper.unwrap(number)
        if let before, let next {
            let ahead = before.distance(to: extended)
            if ahead > arrivals.count {
                arrivals.fill(TransportFeedbackBuilder.none)
                self.next = extended
            } else if ahead > 0 {
                for step in 1...ahead { arrivals[Int(before.rawValue) &+ step] = TransportFeedbackBuilder.none }
                // What is overwritten can no longer be reported.
                let oldest = extended.advanced(by: 1 - arrivals.count)
                if next < oldest { self.next = oldest }
            } else {
                guard ahead > -arrivals.count, arrivals[Int(extended.rawValue)] == TransportFeedbackBuilder.none else {
                    return
                }
                if extended < next { self.next = extended }
            }
        } else {
            next = extended
        }
        arrivals[Int(extended.rawValue)] = tick
    }

    /// Writes one feedback about as much as fits; returns whether more is left to write. Writes nothing if empty.
    public mutating func write(
        sender: SSRC, media: SSRC, to output: inout OutputRawSpan
    ) throws(RTPError) -> Bool {
        guard !isEmpty, let first = next, let newest = unwrapper.newest else { return false }
        let start = Int(first.rawValue)
        // An earlier arrival than the base's successors lies within the window, so this finds one: the newest has come.
        var reference = start
        while arrivals[reference] == TransportFeedbackBuilder.none { reference += 1 }
        let base = arrivals[reference] & ~0xff
        let (count, deltaByteCount) = plan(start, first.distance(to: newest) + 1, base, room: output.freeCapacity)
        guard count > 0 else { throw .noRoom(needed: 28, left: output.freeCapacity) }

        let chunkByteCount = self.chunkByteCount(count)
        let byteCount = 16 + chunkByteCount + deltaByteCount
        let padding = -byteCount & 3
        let number = feedbackCount
        try RTCPWriter.packet(
            .transportFeedback, FeedbackFormat.transportWide, byteCount: byteCount + padding, hasPadding: padding > 0,
            to: &output
        ) { (output) throws(BytesError) in
            try output.write(sender.rawValue)
            try output.write(media.rawValue)
            try output.write(first.sequenceNumber.rawValue)
            try output.write(UInt16(truncatingIfNeeded: count))
            try output.write(UInt32(truncatingIfNeeded: base) & 0xffff_ff00 | UInt32(number))
            var index = 0
            while index < count {
                let (chunk, taken) = self.chunk(at: index, of: count)
                try output.write(chunk)
                index += taken
            }
            try writeDeltas(start, count, base, to: &output)
            if padding > 0 {
                try output.writeZeros(padding - 1)
                try output.write(UInt8(padding))
            }
        }
        feedbackCount &+= 1
        let end = first.advanced(by: count)
        next = end
        return end <= newest
    }

    /// Chooses a status for each packet, as many as fit into `room` and into 16 bits of delta; and counts deltas' bytes.
    private mutating func plan(_ start: Int, _ wanted: Int, _ base: Int64, room: Int) -> (count: Int, deltas: Int) {
        var last = base
        var deltas = 0
        var count = 0
        while count < wanted {
            // Head and fields, then never more than a chunk for seven, then what may be needed to fill the last word.
            let needed = 20 + (count / 7 + 1) * 2 + deltas + 2 + 3
            guard needed <= room else { break }
            let arrival = arrivals[start &+ count]
            if arrival == TransportFeedbackBuilder.none {
                statuses[count] = 0
            } else {
                let delta = arrival &- last
                guard delta >= -0x8000, delta <= 0x7fff else { break }
                statuses[count] = (0...255).contains(delta) ? 1 : 2
                deltas += (0...255).contains(delta) ? 1 : 2
                last = arrival
            }
            count += 1
        }
        return (count, deltas)
    }

    private borrowing func chunkByteCount(_ count: Int) -> Int {
        var bytes = 0
        var index = 0
        while index < count {
            index += chunk(at: index, of: count).taken
            bytes += 2
        }
        return bytes
    }

    /// The chunk that says most from a status on, and how many statuses it says (§3.1.3, §3.1.4).
    private borrowing func chunk(at index: Int, of count: Int) -> (chunk: UInt16, taken: Int) {
        let status = statuses[index]
        var run = 1
        while index + run < count, statuses[index + run] == status { run += 1 }
        let window = min(14, count - index)
        var hasLarge = false
        for step in 0..<window where statuses[index + step] == 2 { hasLarge = true }
        if run >= window || (hasLarge && run >= 7) {
            let length = min(run, 0x1fff)
            return (UInt16(status) << 13 | UInt16(length), length)
        }
        var bits: UInt16 = 0
        if hasLarge {
            let taken = min(7, window)
            for step in 0..<taken { bits |= UInt16(statuses[index + step]) << UInt16(12 - step * 2) }
            return (0xc000 | bits, taken)
        }
        for step in 0..<window { bits |= UInt16(statuses[index + step]) << UInt16(13 - step) }
        return (0x8000 | bits, window)
    }

    private borrowing func writeDeltas(
        _ start: Int, _ count: Int, _ base: Int64, to output: inout OutputRawSpan
    ) throws(BytesError) {
        var last = base
        for index in 0..<count where statuses[index] != 0 {
            let delta = arrivals[start &+ index] &- last
            last = arrivals[start &+ index]
            if statuses[index] == 1 {
                try output.write(UInt8(truncatingIfNeeded: delta))
            } else {
                try output.write(UInt16(truncatingIfNeeded: delta))
            }
        }
    }
}
