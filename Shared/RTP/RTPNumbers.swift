public import Time

/// Names the source of one stream of RTP packets (RFC 3550 §3).
public struct SSRC: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public var rawValue: UInt32

    /// The source of a number.
    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }
}

/// How a payload is coded, as agreed in SDP: 0 to 127.
public struct PayloadType: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt8

    /// The type of a number; the eighth bit, which is the marker's, is cut off.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue & 0x7f }
}

/// The number of a packet in its stream. It wraps around, so it has no `<`: what is newer is nearer ahead (RFC 1982).
public struct SequenceNumber: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public var rawValue: UInt16

    /// The sequence number of these sixteen bits.
    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// How many steps ahead the other one is, the short way round: -32,768 to 32,767.
    @inlinable
    public func distance(to other: SequenceNumber) -> Int {
        Int(Int16(bitPattern: other.rawValue &- rawValue))
    }

    /// The number so many steps ahead.
    @inlinable
    public func advanced(by steps: Int) -> SequenceNumber {
        SequenceNumber(rawValue: rawValue &+ UInt16(truncatingIfNeeded: steps))
    }

    /// Whether it is ahead of the other one.
    @inlinable
    public func isNewer(than other: SequenceNumber) -> Bool { other.distance(to: self) > 0 }
}

/// A sequence number that counts on instead of wrapping around, so it can be compared.
public struct ExtendedSequenceNumber: RawRepresentable, Comparable, Hashable, Sendable {
    /// The count; its low sixteen bits are the number on the wire.
    public var rawValue: Int64

    /// The number of a count.
    @inlinable
    public init(rawValue: Int64) { self.rawValue = rawValue }

    /// What stands on the wire.
    @inlinable public var sequenceNumber: SequenceNumber {
        SequenceNumber(rawValue: UInt16(truncatingIfNeeded: rawValue))
    }

    /// The number so many steps ahead.
    @inlinable
    public func advanced(by steps: Int) -> ExtendedSequenceNumber {
        ExtendedSequenceNumber(rawValue: rawValue &+ Int64(steps))
    }

    /// How many steps ahead the other one is.
    @inlinable
    public func distance(to other: ExtendedSequenceNumber) -> Int { Int(other.rawValue &- rawValue) }

    /// The one nearest to this whose wire form is `number`.
    @inlinable
    public func nearest(_ number: SequenceNumber) -> ExtendedSequenceNumber {
        advanced(by: sequenceNumber.distance(to: number))
    }

    /// Whether the left one is earlier.
    @inlinable
    public static func < (left: ExtendedSequenceNumber, right: ExtendedSequenceNumber) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Extends sequence numbers as they come, each taken as the nearest to the newest so far.
public struct SequenceUnwrapper: Sendable {
    /// The newest number so far; nil before the first.
    public private(set) var newest: ExtendedSequenceNumber?

    /// One that has seen none.
    public init() { newest = nil }

    /// The extended form. The first one lies in the second cycle, so that late ones before it stay positive.
    public mutating func unwrap(_ number: SequenceNumber) -> ExtendedSequenceNumber {
        guard let newest else {
            let first = ExtendedSequenceNumber(rawValue: 0x1_0000 + Int64(number.rawValue))
            self.newest = first
            return first
        }
        let extended = newest.nearest(number)
        if newest < extended { self.newest = extended }
        return extended
    }
}

/// The moment of a packet's first sample, in ticks of its codec's clock. It wraps around, so it has no `<`.
public struct RTPTimestamp: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public var rawValue: UInt32

    /// The timestamp of these bits.
    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// How many ticks ahead the other one is, the short way round.
    @inlinable
    public func distance(to other: RTPTimestamp) -> Int {
        Int(Int32(bitPattern: other.rawValue &- rawValue))
    }

    /// The timestamp so many ticks ahead.
    @inlinable
    public func advanced(by ticks: Int) -> RTPTimestamp {
        RTPTimestamp(rawValue: rawValue &+ UInt32(truncatingIfNeeded: ticks))
    }

    /// The timestamp so much time ahead, on a clock of so many ticks a second.
    @inlinable
    public func advanced(by time: Interval, clockRate: UInt32) -> RTPTimestamp {
        advanced(by: time.ticks(clockRate))
    }
}

extension Interval {
    /// How many ticks of a clock fit in it, rounded down. Nothing overflows: a tick count is only used modulo 2^32.
    @inlinable
    func ticks(_ clockRate: UInt32) -> Int {
        let seconds = nanoseconds / 1_000_000_000
        let rest = nanoseconds % 1_000_000_000
        return Int(truncatingIfNeeded: seconds &* Int64(clockRate) &+ rest &* Int64(clockRate) / 1_000_000_000)
    }
}

/// A moment in RTCP's form: seconds and 2^-32 seconds since an origin, which need not be 1900 (RFC 3550 §4).
public struct NTPTime: RawRepresentable, Hashable, Sendable {
    /// Seconds in the upper half, their fraction in the lower.
    public var rawValue: UInt64

    /// The moment of these bits.
    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The moment on this host's monotonic clock, whose origin is as good as another (RFC 3550 §6.4.1: "elapsed time").
    public init(_ instant: Instant) {
        self.init(rawValue: 0)
        self = advanced(by: Interval(nanoseconds: instant.nanoseconds))
    }

    /// The sixteen bits on both sides of the point, as reports carry them (RFC 3550 §6.4.1, LSR).
    @inlinable public var middle: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 16) }

    /// A later moment, or an earlier one for a negative time.
    public func advanced(by time: Interval) -> NTPTime {
        let seconds = time.nanoseconds / 1_000_000_000
        let rest = time.nanoseconds % 1_000_000_000
        let fraction = (rest << 32) / 1_000_000_000
        return NTPTime(rawValue: rawValue &+ UInt64(bitPattern: seconds << 32 &+ fraction))
    }

    /// The time to the other moment, the short way round; up to 68 years.
    public func distance(to other: NTPTime) -> Interval {
        let difference = Int64(bitPattern: other.rawValue &- rawValue)
        let seconds = difference >> 32
        let fraction = difference & 0xffff_ffff
        return Interval(nanoseconds: seconds * 1_000_000_000 + (fraction * 1_000_000_000) >> 32)
    }
}
