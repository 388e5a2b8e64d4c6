/// Which numbers of one SSRC were used: a ring of bits behind the newest (RFC 3711 §3.3.2), and the guess of the rollover.
///
/// Numbers are whole packet indices, 48 bits: rollover counter and sequence number (RFC 3711 §3.3.1).
struct PacketWindow {
    private(set) var newest: Int64 = -1
    private var seen = [16 of UInt64](repeating: 0)

    static let lastIndex: Int64 = 1 << 48 - 1

    /// The index nearest to the newest that has this sequence number; below zero if that would be before the first rollover.
    ///
    /// RFC 3711 appendix A: exactly half a cycle away counts as the same cycle.
    func nearest(_ sequence: UInt16) -> Int64 {
        guard newest >= 0 else { return Int64(sequence) }
        let last = UInt16(truncatingIfNeeded: newest)
        let distance = Int64(Int16(truncatingIfNeeded: Int(sequence) &- Int(last)))
        if distance == -32_768, sequence > last { return newest + 32_768 }
        return newest + distance
    }

    /// The index of an incoming packet: before the first rollover there is nothing, so such a guess is of the first cycle.
    func guess(_ sequence: UInt16) -> Int64 {
        let index = nearest(sequence)
        return index < 0 ? index + 65_536 : index
    }

    /// Throws if the index may not be used.
    func check(_ index: Int64) throws(SRTPError) {
        guard index <= PacketWindow.lastIndex else { throw .exhausted }
        guard index <= newest else { return }
        guard newest - index < Int64(SRTPLimits.window) else { throw .tooOld }
        guard seen[Int(index >> 6 & 15)] & 1 << UInt64(index & 63) == 0 else { throw .replayed }
    }

    /// Marks an index, which was checked, as used.
    mutating func accept(_ index: Int64) {
        if index > newest {
            let last = newest >> 6
            let steps = min(index >> 6 - last, 16)
            var step: Int64 = 1
            while step <= steps {
                seen[Int((last + step) & 15)] = 0
                step += 1
            }
            newest = index
        }
        seen[Int(index >> 6 & 15)] |= 1 << UInt64(index & 63)
    }
}

/// The same for RTCP, whose packets carry their whole number; they hardly overtake each other.
struct ControlWindow {
    private(set) var newest: Int64 = -1
    private var seen: UInt64 = 0

    /// Throws if the number may not be used.
    func check(_ index: Int64) throws(SRTPError) {
        guard index <= newest else { return }
        guard newest - index < 64 else { throw .tooOld }
        guard seen & 1 << UInt64(newest - index) == 0 else { throw .replayed }
    }

    /// Marks a number, which was checked, as used.
    mutating func accept(_ index: Int64) {
        if index > newest {
            let distance = index - newest
            seen = newest < 0 || distance > 63 ? 0 : seen << UInt64(distance)
            newest = index
            seen |= 1
        } else {
            seen |= 1 << UInt64(newest - index)
        }
    }
}
