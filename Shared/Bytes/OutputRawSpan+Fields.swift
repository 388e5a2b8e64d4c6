// Big-endian fields, appended to what is already written. A write that does not fit throws and leaves the output as it was.

extension OutputRawSpan {
    /// Appends one byte.
    @inlinable
    public mutating func write(_ value: UInt8) throws(BytesError) {
        try need(1)
        append(value)
    }

    /// Appends two bytes.
    @inlinable
    public mutating func write(_ value: UInt16) throws(BytesError) {
        try need(2)
        unsafe append(value.bigEndian, as: UInt16.self)
    }

    /// Appends four bytes.
    @inlinable
    public mutating func write(_ value: UInt32) throws(BytesError) {
        try need(4)
        unsafe append(value.bigEndian, as: UInt32.self)
    }

    /// Appends eight bytes.
    @inlinable
    public mutating func write(_ value: UInt64) throws(BytesError) {
        try need(8)
        unsafe append(value.bigEndian, as: UInt64.self)
    }

    /// Appends a copy of `bytes`.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func write(_ bytes: RawSpan) throws(BytesError) {
        try need(bytes.byteCount)
        unsafe withUnsafeMutableBytes { buffer, count in
            unsafe bytes.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyMemory(from: source)
            }
            count += bytes.byteCount
        }
    }

    /// Appends the UTF-8 form of `text`, without a length or an end mark.
    @inlinable
    public mutating func write(_ text: String) throws(BytesError) {
        try need(text.utf8.count)
        for byte in text.utf8 { append(byte) }
    }

    /// Appends `count` zeros, so that padding never carries what was in memory before.
    @inlinable
    public mutating func writeZeros(_ count: Int) throws(BytesError) {
        try need(count)
        for _ in 0..<count { append(0) }
    }

    /// Replaces the two bytes at `offset`, which must be written already.
    @inlinable
    public mutating func replace(_ value: UInt16, at offset: Int) {
        var bytes = mutableBytes
        bytes.store(value, at: offset)
    }

    @inlinable
    func need(_ count: Int) throws(BytesError) {
        guard count <= freeCapacity else { throw .noRoom(needed: count, left: freeCapacity) }
    }
}

extension MutableRawSpan {
    /// Puts the number big-endian at `offset`. Out of bounds is a programming error.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func store(_ value: UInt16, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
    }

    /// Puts the number big-endian at `offset`. Out of bounds is a programming error.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func store(_ value: UInt32, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
    }
}
