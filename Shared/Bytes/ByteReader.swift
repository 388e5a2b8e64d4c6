/// Reads big-endian fields from the front of a span, one after the other.
///
/// A failed read consumes nothing. The reader is a value: a copy of it is a bookmark.
public struct ByteReader: ~Escapable {
    /// All bytes, read and unread.
    public let span: RawSpan
    @usableFromInline var position: Int

    /// A reader at the first byte of `span`.
    @inlinable
    @_lifetime(copy span)
    public init(_ span: RawSpan) {
        self.span = span
        self.position = 0
    }

    /// How many bytes were read so far.
    @inlinable public var offset: Int { position }

    /// How many bytes are still unread.
    @inlinable public var left: Int { span.byteCount &- position }

    /// Reads one byte.
    @inlinable
    public mutating func uint8() throws(BytesError) -> UInt8 {
        let start = try take(1)
        return span.uint8(at: start)
    }

    /// Reads two bytes.
    @inlinable
    public mutating func uint16() throws(BytesError) -> UInt16 {
        let start = try take(2)
        return span.uint16(at: start)
    }

    /// Reads four bytes.
    @inlinable
    public mutating func uint32() throws(BytesError) -> UInt32 {
        let start = try take(4)
        return span.uint32(at: start)
    }

    /// Reads eight bytes.
    @inlinable
    public mutating func uint64() throws(BytesError) -> UInt64 {
        let start = try take(8)
        return span.uint64(at: start)
    }

    /// Reads `count` bytes as a span of the same memory. A negative count is a programming error.
    @inlinable
    @_lifetime(copy self)
    public mutating func bytes(_ count: Int) throws(BytesError) -> RawSpan {
        let start = try take(count)
        return span.extracting(start..<(start &+ count))
    }

    /// All that is left, as a span of the same memory.
    @inlinable
    @_lifetime(copy self)
    public mutating func rest() -> RawSpan {
        let start = position
        position = span.byteCount
        return span.extracting(start..<span.byteCount)
    }

    /// Passes over `count` bytes.
    @inlinable
    public mutating func skip(_ count: Int) throws(BytesError) {
        _ = try take(count)
    }

    @inlinable
    mutating func take(_ count: Int) throws(BytesError) -> Int {
        precondition(count >= 0, "a field cannot have a negative length")
        guard count <= left else { throw .tooShort(needed: count, left: left) }
        let start = position
        position = start &+ count
        return start
    }
}
