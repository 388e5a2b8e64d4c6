/// A moment of civil time: milliseconds since 1970 (Unix time), as it travels in messages. May jump when a host's clock is set.
public struct WallTime: Comparable, Hashable, Sendable {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    public var milliseconds: Int64

    /// The moment so many milliseconds after 1970 began.
    @inlinable
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// A later moment; fractions of a millisecond are lost.
    @inlinable
    public static func + (left: WallTime, right: Interval) -> WallTime {
        WallTime(milliseconds: saturatingSum(left.milliseconds, right.milliseconds))
    }

    /// An earlier moment; fractions of a millisecond are lost.
    @inlinable
    public static func - (left: WallTime, right: Interval) -> WallTime {
        WallTime(milliseconds: saturatingDifference(left.milliseconds, right.milliseconds))
    }

    /// The time from the right moment to the left.
    @inlinable
    public static func - (left: WallTime, right: WallTime) -> Interval {
        .milliseconds(1) * saturatingDifference(left.milliseconds, right.milliseconds)
    }

    /// Whether the left one is earlier.
    @inlinable
    public static func < (left: WallTime, right: WallTime) -> Bool { left.milliseconds < right.milliseconds }
}
