// Fields at known offsets. The only unsafe loads and stores of the protocol modules are here: each is bounds-checked by
// the standard library, and integers have no invalid bit patterns.

extension RawSpan {
    /// The byte at `offset`. Out of bounds is a programming error.
    @inlinable
    public func uint8(at offset: Int) -> UInt8 {
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// The big-endian number in the two bytes at `offset`. Out of bounds is a programming error.
    @inlinable
    public func uint16(at offset: Int) -> UInt16 {
        unsafe UInt16(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    /// The big-endian number in the four bytes at `offset`. Out of bounds is a programming error.
    @inlinable
    public func uint32(at offset: Int) -> UInt32 {
        unsafe UInt32(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// The big-endian number in the eight bytes at `offset`. Out of bounds is a programming error.
    @inlinable
    public func uint64(at offset: Int) -> UInt64 {
        unsafe UInt64(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Whether both spans hold the same bytes. Not in constant time: never for secrets.
    @inlinable
    public func hasSameBytes(as other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        for offset in 0..<byteCount where uint8(at: offset) != other.uint8(at: offset) { return false }
        return true
    }
}

extension [UInt8] {
    /// A copy of the span's bytes. Allocates: for control paths, never for packets.
    @inlinable
    public init(copying span: RawSpan) {
        unsafe self.init(unsafeUninitializedCapacity: span.byteCount) { buffer, count in
            unsafe span.withUnsafeBytes { bytes in
                unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
            }
            count = span.byteCount
        }
    }

    /// The bytes that `body` writes, at most `capacity`. Allocates: for control paths and tests, never for packets.
    @inlinable
    public init<Failure: Error>(
        capacity: Int, writing body: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        var bytes = [UInt8](repeating: 0, count: capacity)
        var elements = bytes.mutableSpan
        let count = try unsafe elements.withUnsafeMutableBytes { (buffer) throws(Failure) -> Int in
            var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
            try body(&output)
            return unsafe output.finalize(for: buffer)
        }
        bytes.removeLast(capacity - count)
        self = bytes
    }
}

extension Span where Element == UInt8 {
    /// The same bytes, raw. Safe where the standard library's `bytes` is not: a byte has no padding.
    @inlinable
    public var raw: RawSpan {
        @_lifetime(copy self)
        get { unsafe bytes }
    }
}

extension MutableSpan where Element == UInt8 {
    /// The same bytes, raw.
    @inlinable
    public var raw: MutableRawSpan {
        @_lifetime(&self)
        mutating get { unsafe mutableBytes }
    }
}
