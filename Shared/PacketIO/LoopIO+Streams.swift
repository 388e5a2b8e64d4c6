extension LoopIO {
    /// Sends what `write` writes to a stream, up to `datagramBytes`. What one turn sends leaves together.
    ///
    /// Returns false, and sends nothing, if the stream has ended or its send buffer is full: the caller drops what it would
    /// send, as a network would. Nothing is sent if `write` throws or writes nothing.
    @inlinable
    @inline(__always)
    public mutating func write<Failure: Error>(
        stream: StreamID, _ write: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        let buffer = unsafe reserve()
        var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
        try write(&output)
        let length = unsafe output.finalize(for: buffer)
        return commit(length, stream: stream)
    }

    /// Sends bytes on to a stream; see `forward` to a socket. Returns false as `write` does.
    public mutating func forward(_ bytes: RawSpan, stream: StreamID, padding: Int = 0) -> Bool {
        prepare(bytes)
        return enqueue(bytes, header: 0, padding: padding, stream: stream)
    }

    /// Sends bytes on to a stream behind four bytes, such as the header of ChannelData, in network order.
    public mutating func forward(_ bytes: RawSpan, header: UInt32, stream: StreamID, padding: Int = 0) -> Bool {
        prepare(bytes)
        unsafe queue.nextHeader.storeBytes(of: header.bigEndian, as: UInt32.self)
        return enqueue(bytes, header: 4, padding: padding, stream: stream)
    }

    /// Sends bytes on to a stream behind up to `headerBytes` that `header` writes.
    @inlinable
    @inline(__always)
    public mutating func forward<Failure: Error>(
        _ bytes: RawSpan, stream: StreamID, padding: Int = 0,
        header: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        let buffer = unsafe reserveHeader(bytes)
        var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
        try header(&output)
        let length = unsafe output.finalize(for: buffer)
        return enqueue(bytes, header: length, padding: padding, stream: stream)
    }

    /// How many bytes wait for a stream's peer.
    public func backlog(_ stream: StreamID) -> Int { streams.backlog(stream) }

    /// Says whether the worker knows a stream's peer, where `StreamLimits.hasStrangers`.
    public mutating func vouch(for stream: StreamID, _ isKnown: Bool) { streams.vouch(for: stream, isKnown) }

    /// Closes a stream, once what waits for its peer has left, or after `StreamLimits.closeDeadline`. Nothing more comes from
    /// it, and its index is not used again before it is gone.
    public mutating func close(stream: StreamID) { streams.close(stream) }

    @usableFromInline
    mutating func commit(_ length: Int, stream: StreamID) -> Bool {
        guard length > 0, streams.takes(length, stream) else { return false }
        let payload = unsafe UnsafeRawPointer(queue.nextWritten)
        queue.take(written: length)
        let entry = unsafe queue.add(payload: payload, length: length, header: 0, padding: 0)
        streams.link(entry, bytes: length, to: stream, in: queue)
        return true
    }

    @usableFromInline
    mutating func enqueue(_ bytes: RawSpan, header: Int, padding: Int, stream: StreamID) -> Bool {
        precondition(padding >= 0 && padding < 4, "padding is 0 to 3 bytes")
        let length = header + bytes.byteCount + padding
        guard length > 0, streams.takes(length, stream) else { return false }
        let payload = unsafe bytes.withUnsafeBytes { unsafe queue.place($0) }
        let entry = unsafe queue.add(payload: payload, length: bytes.byteCount, header: header, padding: padding)
        streams.link(entry, bytes: length, to: stream, in: queue)
        return true
    }
}
