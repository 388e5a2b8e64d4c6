internal import Bytes

/// Seals what leaves on one connection: SRTP and SRTCP (RFC 3711, RFC 7714), in place or into an output.
///
/// A sequence number is sealed once for each SSRC, so no nonce is ever used twice: to repeat one with other bytes would give
/// away a GCM key. For the same reason an SSRC stays known as long as the keys live. Allocates only for a new SSRC.
public struct SRTPSealer: ~Copyable {
    private let packets: Transform
    private let control: Transform
    private var streams: StreamTable
    /// One count for all SSRCs: receivers want numbers that grow for each (RFC 3711 §3.4).
    private var nextControlIndex: Int64 = 0

    /// For at most `maximumStreams` SSRCs; the default is twice what 49 slots with RTX take.
    public init(_ key: SRTPMasterKey, maximumStreams: Int = 256) throws(SRTPError) {
        try self.init(
            rtp: SRTPSessionKeys(key, isControl: false), rtcp: SRTPSessionKeys(key, isControl: true),
            maximumStreams: maximumStreams)
    }

    /// With session keys as test vectors state them.
    package init(rtp: SRTPSessionKeys, rtcp: SRTPSessionKeys, maximumStreams: Int = 256) throws(SRTPError) {
        let packets = try Transform(rtp, seals: true)
        let control = try Transform(rtcp, seals: true)
        self.packets = packets
        self.control = control
        streams = StreamTable(maximum: maximumStreams)
    }

    /// Seals the RTP packet in the first `length` bytes, in place; returns how long it is now. Behind it there must be room for
    /// `SRTPLimits.longestRTPTrailer` bytes.
    ///
    /// Throws `.replayed` for a number that was sealed before, and `.tooOld` for one 960 or more behind the newest, or before
    /// the SSRC's first.
    public mutating func sealRTP(_ buffer: UnsafeMutableRawBufferPointer, length: Int) throws(SRTPError) -> Int {
        precondition((0...buffer.count).contains(length), "a packet lies in its buffer")
        guard let start = buffer.baseAddress else { throw .tooShort }
        return try unsafe sealRTP(start, length, payload: nil, 0, room: buffer.count)
    }

    /// Seals the RTP packet that `output` holds from `start` on.
    @_lifetime(output: copy output)
    public mutating func sealRTP(_ output: inout OutputRawSpan, from start: Int = 0) throws(SRTPError) {
        try unsafe output.withUnsafeMutableBytes { (buffer, count) throws(SRTPError) in
            let packet = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start...])
            count = start + (try unsafe sealRTP(packet, length: count - start))
        }
    }

    /// Seals an RTP packet whose header, with CSRCs and extension, `output` holds from `start` on, and whose payload is what
    /// `output` holds behind that (an RTX number, a rewritten descriptor: often nothing), then `payload`.
    ///
    /// The cheapest form to send one payload to many: it is read where it lies and written sealed.
    @_lifetime(output: copy output)
    public mutating func sealRTP(
        _ output: inout OutputRawSpan, from start: Int = 0, payload: RawSpan
    ) throws(SRTPError) {
        try unsafe output.withUnsafeMutableBytes { (buffer, count) throws(SRTPError) in
            let packet = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start...])
            let length = count - start
            guard let first = packet.baseAddress else { throw .tooShort }
            let sealed = try unsafe payload.withUnsafeBytes { (source) throws(SRTPError) in
                try unsafe sealRTP(first, length, payload: source.baseAddress, source.count, room: packet.count)
            }
            count = start + sealed
        }
    }

    /// Seals the RTCP packet, compound or of reduced size, in the first `length` bytes, in place; returns how long it is now.
    /// Behind it there must be room for `SRTPLimits.longestRTCPTrailer` bytes.
    public mutating func sealRTCP(_ buffer: UnsafeMutableRawBufferPointer, length: Int) throws(SRTPError) -> Int {
        precondition((0...buffer.count).contains(length), "a packet lies in its buffer")
        guard length >= PacketLayout.rtcpHeader, let start = buffer.baseAddress else { throw .tooShort }
        let trailer = control.tagLength + PacketLayout.rtcpIndex
        guard buffer.count - length >= trailer else { throw .noRoom(needed: trailer, left: buffer.count - length) }
        let header = unsafe UnsafeRawBufferPointer(start: start, count: length).bytes
        guard header.uint8(at: 0) >> 6 == 2 else { throw .malformed }
        let index = nextControlIndex
        guard index < 1 << 31 else { throw .exhausted }
        nextControlIndex += 1

        try control.begin(ssrc: header.uint32(at: 4), index: index)
        let encrypted = unsafe start + PacketLayout.rtcpHeader
        let encryptedLength = length - PacketLayout.rtcpHeader
        var flagged = (UInt32(1) << 31 | UInt32(truncatingIfNeeded: index)).bigEndian
        if control.isAEAD {
            try unsafe control.authenticate(start, PacketLayout.rtcpHeader)
            try unsafe control.authenticate(&flagged, PacketLayout.rtcpIndex)
            try unsafe control.crypt(encrypted, to: encrypted, encryptedLength)
            try unsafe control.putTag(start + length)
            unsafe start.storeBytes(of: flagged, toByteOffset: length + control.tagLength, as: UInt32.self)
        } else {
            try unsafe control.crypt(encrypted, to: encrypted, encryptedLength)
            unsafe start.storeBytes(of: flagged, toByteOffset: length, as: UInt32.self)
            let end = length + PacketLayout.rtcpIndex
            unsafe control.putHMAC(start, end, rollover: nil, to: start + end)
        }
        return length + trailer
    }

    /// Seals the RTCP packet that `output` holds from `start` on.
    @_lifetime(output: copy output)
    public mutating func sealRTCP(_ output: inout OutputRawSpan, from start: Int = 0) throws(SRTPError) {
        try unsafe output.withUnsafeMutableBytes { (buffer, count) throws(SRTPError) in
            let packet = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start...])
            count = start + (try unsafe sealRTCP(packet, length: count - start))
        }
    }

    /// `length` bytes at `start`, in `room`, then a payload from elsewhere.
    private mutating func sealRTP(
        _ start: UnsafeMutableRawPointer, _ length: Int, payload: UnsafeRawPointer?, _ payloadLength: Int, room: Int
    ) throws(SRTPError) -> Int {
        let written = unsafe UnsafeRawBufferPointer(start: start, count: length).bytes
        let header = try PacketLayout.headerLength(written)
        let needed = payloadLength + packets.tagLength
        guard room - length >= needed else { throw .noRoom(needed: needed, left: room - length) }
        let ssrc = written.uint32(at: 8)
        let stream = try position(of: ssrc)
        let index = streams[stream].packets.nearest(written.uint16(at: 2))
        // Before an SSRC's first cycle there is none. A receiver that has not seen this packet could not follow.
        guard index >= 0 else { throw .tooOld }
        try streams[stream].packets.check(index)
        // Before sealing, so that a failure cannot lead to a second use of the nonce.
        streams[stream].packets.accept(index)

        try packets.begin(ssrc: ssrc, index: index)
        if packets.isAEAD { try unsafe packets.authenticate(start, header) }
        try unsafe packets.crypt(start + header, to: start + header, length - header)
        if let payload = unsafe payload { try unsafe packets.crypt(payload, to: start + length, payloadLength) }
        let end = length + payloadLength
        if packets.isAEAD {
            try unsafe packets.putTag(start + end)
        } else {
            unsafe packets.putHMAC(
                start, end, rollover: UInt32(truncatingIfNeeded: index >> 16), to: start + end)
        }
        return end + packets.tagLength
    }

    private mutating func position(of ssrc: UInt32) throws(SRTPError) -> Int {
        if let position = streams.position(of: ssrc) { return position }
        guard !streams.isFull else { throw .tooManyStreams }
        return streams.insert(ssrc)
    }
}
