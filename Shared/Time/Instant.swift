/// A moment on a clock that only goes forward (`CLOCK_MONOTONIC`), in nanoseconds from an origin without meaning.
///
/// Comparable within one host only. Machines are given it; reading a clock is the business of whoever drives them.
public struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds since the origin.
    public var nanoseconds: Int64

    /// The moment so many nanoseconds after the origin.
    @inlinable
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The origin: where virtual time begins in tests.
    public static let zero = Instant(nanoseconds: 0)

    /// Later than all others: a deadline that never comes.
    public static let distantFuture = Instant(nanoseconds: .max)

    /// A later moment; stops at the end of the range.
    @inlinable
    public static func + (left: Instant, right: Interval) -> Instant {
        Instant(nanoseconds: saturatingSum(left.nanoseconds, right.nanoseconds))
    }

    /// An earlier moment; stops at the start of the range.
    @inlinable
    public static func - (left: Instant, right: Interval) -> Instant {
        Instant(nanoseconds: saturatingDifference(left.nanoseconds, right.nanoseconds))
    }

    /// The time from the right moment to the left.
    @inlinable
    public static func - (left: Instant, right: Instant) -> Interval {
        Interval(nanoseconds: saturatingDifference(left.nanoseconds, right.nanoseconds))
    }

    /// Moves it later.
    @inlinable
    public static func += (left: inout Instant, right: Interval) { left = left + right }

    /// Whether the left one is earlier.
    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
}
