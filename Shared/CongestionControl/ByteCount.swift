public import Time

/// A number of bytes; negative only where a debt is meant.
public struct ByteCount: Comparable, Hashable, Sendable {
    /// So many bytes.
    public let bytes: Int64

    /// So many bytes.
    @inlinable
    public init(_ count: Int) { bytes = Int64(count) }

    /// The whole bytes of a quantity; the range ends at 2^62 either way.
    @inlinable
    public init(_ bytes: Double) {
        let limit = 4_611_686_018_427_387_904.0
        self.bytes = bytes.isNaN ? 0 : Int64(max(-limit, min(bytes, limit)))
    }

    /// None.
    public static let zero = ByteCount(0)

    /// As a plain number, for lengths of buffers.
    @inlinable
    public var count: Int { Int(bytes) }

    /// The rate at which these pass in that time; none if there was no time.
    @inlinable
    public func rate(over time: Interval) -> BitRate {
        time > .zero ? BitRate(Double(bytes) * 8 / time.inSeconds) : .zero
    }

    /// The sum; stops at the ends of the range.
    @inlinable
    public static func + (left: ByteCount, right: ByteCount) -> ByteCount {
        let (sum, overflow) = left.bytes.addingReportingOverflow(right.bytes)
        return ByteCount(overflow ? (right.bytes < 0 ? Int.min : .max) : Int(sum))
    }

    /// The difference; stops at the ends of the range.
    @inlinable
    public static func - (left: ByteCount, right: ByteCount) -> ByteCount {
        let (difference, overflow) = left.bytes.subtractingReportingOverflow(right.bytes)
        return ByteCount(overflow ? (right.bytes < 0 ? Int.max : .min) : Int(difference))
    }

    /// Adds to it.
    @inlinable
    public static func += (left: inout ByteCount, right: ByteCount) { left = left + right }

    /// Takes from it.
    @inlinable
    public static func -= (left: inout ByteCount, right: ByteCount) { left = left - right }

    /// Whether the left one is less.
    @inlinable
    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }
}
