public import Time

/// Bits in a second; never negative.
public struct BitRate: Comparable, Hashable, Sendable {
    /// So many bits in each second.
    public let bitsPerSecond: Int64

    /// A rate of so many bits a second; a negative one is none.
    @inlinable
    public init(bitsPerSecond: Int64) { self.bitsPerSecond = max(0, bitsPerSecond) }

    /// Nothing at all.
    public static let zero = BitRate(bitsPerSecond: 0)

    /// Thousands of bits a second.
    @inlinable
    public static func kilobitsPerSecond(_ count: Int64) -> BitRate { BitRate(Double(count) * 1e3) }

    /// Millions of bits a second.
    @inlinable
    public static func megabitsPerSecond(_ count: Int64) -> BitRate { BitRate(Double(count) * 1e6) }

    /// The nearest rate: what is no number or negative is none, what is too much is the most there is.
    @inlinable
    public init(_ bitsPerSecond: Double) {
        // 2^62 is exact in a Double and in an Int64.
        self.bitsPerSecond = bitsPerSecond > 0 ? Int64(min(bitsPerSecond, 4_611_686_018_427_387_904)) : 0
    }

    /// What passes in so long a time.
    @inlinable
    public func bytes(in time: Interval) -> ByteCount { ByteCount(Double(bitsPerSecond) / 8 * time.inSeconds) }

    /// How long so many bytes take; for ever at no rate.
    @inlinable
    public func time(for size: ByteCount) -> Interval {
        guard bitsPerSecond > 0 else { return Interval(nanoseconds: .max) }
        let nanoseconds = Double(size.bytes) * 8e9 / Double(bitsPerSecond)
        return Interval(nanoseconds: nanoseconds < 9e18 ? Int64(nanoseconds) : .max)
    }

    /// The sum; stops at the end of the range.
    @inlinable
    public static func + (left: BitRate, right: BitRate) -> BitRate {
        let (sum, overflow) = left.bitsPerSecond.addingReportingOverflow(right.bitsPerSecond)
        return BitRate(bitsPerSecond: overflow ? .max : sum)
    }

    /// What is left of it; nothing if more is taken than there is.
    @inlinable
    public static func - (left: BitRate, right: BitRate) -> BitRate {
        BitRate(bitsPerSecond: left.bitsPerSecond - right.bitsPerSecond)
    }

    /// A multiple or part of it.
    @inlinable
    public static func * (left: BitRate, right: Double) -> BitRate { BitRate(Double(left.bitsPerSecond) * right) }

    /// Adds to it.
    @inlinable
    public static func += (left: inout BitRate, right: BitRate) { left = left + right }

    /// Takes from it.
    @inlinable
    public static func -= (left: inout BitRate, right: BitRate) { left = left - right }

    /// Whether the left one is slower.
    @inlinable
    public static func < (left: BitRate, right: BitRate) -> Bool { left.bitsPerSecond < right.bitsPerSecond }
}

extension BitRate: CustomStringConvertible {
    /// In the unit that reads best: `1.5 Mbit/s`, `40 kbit/s`.
    public var description: String {
        switch bitsPerSecond {
        case 1_000_000...: "\(Double(bitsPerSecond / 1000) / 1000) Mbit/s"
        case 1000...: "\(Double(bitsPerSecond) / 1000) kbit/s"
        default: "\(bitsPerSecond) bit/s"
        }
    }
}
