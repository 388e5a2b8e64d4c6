internal import Bytes

/// Seventeen packets from one on, some of them lost (RFC 4585 §6.2.1).
public struct NACKEntry: Hashable, Sendable {
    /// The first lost packet (PID).
    public var first: SequenceNumber
    /// Which of the sixteen after it are lost too, the next one in the lowest bit (BLP).
    public var following: UInt16

    /// An entry.
    @inlinable
    public init(first: SequenceNumber, following: UInt16) {
        self.first = first
        self.following = following
    }

    /// Calls `visit` with each lost packet, in order.
    @inline(__always)
    public func forEach(_ visit: (SequenceNumber) -> Void) {
        visit(first)
        var left = following
        while left != 0 {
            visit(first.advanced(by: left.trailingZeroBitCount + 1))
            left &= left - 1
        }
    }

    /// Adds a packet; false if it is not among the seventeen.
    public mutating func insert(_ number: SequenceNumber) -> Bool {
        let distance = first.distance(to: number)
        guard (0...16).contains(distance) else { return false }
        if distance > 0 { following |= 1 << UInt16(distance - 1) }
        return true
    }
}

/// The bit rate that a receiver believes it can take (draft-alvestrand-rmcat-remb-03).
public struct ReceiverBitRate: Hashable, Sendable {
    /// Bits a second; what is beyond 64 bits reads as the most there is.
    public var bitsPerSecond: UInt64
    /// How many streams it is about.
    public var sourceCount: Int
}

extension RTCPPacket {
    /// How many entries a NACK has; 0 for another kind.
    public var nackEntryCount: Int { kind == .nack ? (body.byteCount - 8) / 4 : 0 }

    /// The entry at an index below `nackEntryCount`.
    public func nackEntry(at index: Int) -> NACKEntry {
        precondition(index >= 0 && index < nackEntryCount, "only \(nackEntryCount) entries are listed")
        let word = body.uint32(at: 8 + index * 4)
        return NACKEntry(
            first: SequenceNumber(rawValue: UInt16(truncatingIfNeeded: word >> 16)),
            following: UInt16(truncatingIfNeeded: word))
    }

    /// Calls `visit` with each packet that a NACK wants, in order.
    @inline(__always)
    public func forEachNACK(_ visit: (SequenceNumber) -> Void) {
        for index in 0..<nackEntryCount { nackEntry(at: index).forEach(visit) }
    }

    /// Calls `visit` with each stream of which a FIR wants a key frame, and the number of the wish: the same number is the
    /// same wish (RFC 5104 §4.3.1.1).
    public func forEachFullIntra(_ visit: (SSRC, UInt8) -> Void) {
        guard kind == .fullIntra else { return }
        for offset in stride(from: 8, to: body.byteCount, by: 8) {
            visit(SSRC(rawValue: body.uint32(at: offset)), body.uint8(at: offset + 4))
        }
    }

    /// A REMB; nil for another kind.
    public func receiverBitRate() -> ReceiverBitRate? {
        guard kind == .receiverBitRate else { return nil }
        let word = body.uint32(at: 12)
        let exponent = UInt64(word >> 18 & 0x3f)
        let mantissa = UInt64(word & 0x3_ffff)
        let fits = exponent <= UInt64(mantissa.leadingZeroBitCount)
        return ReceiverBitRate(
            bitsPerSecond: fits || mantissa == 0 ? mantissa << exponent : .max, sourceCount: Int(word >> 24))
    }

    /// The stream at an index below the source count of a REMB.
    public func receiverBitRateSource(at index: Int) -> SSRC {
        precondition(kind == .receiverBitRate && index >= 0 && index < Int(body.uint8(at: 12)), "no such source")
        return SSRC(rawValue: body.uint32(at: 16 + index * 4))
    }
}
