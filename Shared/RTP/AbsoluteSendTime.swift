public import Time

/// The moment a packet left, as abs-send-time carries it: 24 bits of 2^-18 seconds, wrapping around every 64 s.
public struct AbsoluteSendTime: RawRepresentable, Hashable, Sendable {
    /// The 24 bits.
    public let rawValue: UInt32

    /// The time of these bits; those above the 24th are cut off.
    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue & 0xff_ffff }

    /// The time of a moment on this host's clock.
    public init(_ instant: Instant) {
        self.init(rawValue: UInt32(truncatingIfNeeded: NTPTime(instant).rawValue >> 14))
    }

    /// The time to the other moment, the short way round: up to 32 s.
    public func distance(to other: AbsoluteSendTime) -> Interval {
        let ticks = Int64(Int32(bitPattern: (other.rawValue &- rawValue) << 8) >> 8)
        return Interval(nanoseconds: (ticks * 1_000_000_000) >> 18)
    }
}
