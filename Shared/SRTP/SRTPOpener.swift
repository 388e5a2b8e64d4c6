internal import Bytes

/// Opens what comes on one connection: SRTP and SRTCP (RFC 3711, RFC 7714), in place or into an output.
///
/// Each packet is refused that came before, that is too old to tell, or whose tag is wrong; an SSRC becomes known with its
/// first right packet. Allocates only for a new SSRC.
public struct SRTPOpener: ~Copyable {
    private let packets: Transform
    private let control: Transform
    private var streams: StreamTable

    /// For at most `maximumStreams` SSRCs; the default is several times what one member sends: sound, three layers and a screen
    /// with sound, RTX, probes.
    public init(_ key: SRTPMasterKey, maximumStreams: Int = 64) throws(SRTPError) {
        try self.init(
            rtp: SRTPSessionKeys(key, isControl: false), rtcp: SRTPSessionKeys(key, isControl: true),
            maximumStreams: maximumStreams)
    }

    /// With session keys as test vectors state them.
    package init(rtp: SRTPSessionKeys, rtcp: SRTPSessionKeys, maximumStreams: Int = 64) throws(SRTPError) {
        let packets = try Transform(rtp, seals: false)
        let control = try Transform(rtcp, seals: false)
        self.packets = packets
        self.control = control
        streams = StreamTable(maximum: maximumStreams)
    }

    /// Opens an SRTP packet in place; returns the length of the RTP packet, which starts at the same place.
    public mutating func openRTP(_ packet: UnsafeMutableRawBufferPointer) throws(SRTPError) -> Int {
        guard let start = packet.baseAddress else { throw .tooShort }
        return try unsafe openRTP(start, packet.count, to: start)
    }

    /// Opens an SRTP packet, writing the RTP packet at the end of `output`. If it throws, `output` is as it was.
    @_lifetime(output: copy output)
    public mutating func openRTP(_ packet: RawSpan, to output: inout OutputRawSpan) throws(SRTPError) {
        guard output.freeCapacity >= packet.byteCount else {
            throw .noRoom(needed: packet.byteCount, left: output.freeCapacity)
        }
        try unsafe output.withUnsafeMutableBytes { (buffer, count) throws(SRTPError) in
            let place = count
            count += try unsafe packet.withUnsafeBytes { (source) throws(SRTPError) in
                guard let start = source.baseAddress, let room = buffer.baseAddress else {
                    throw .tooShort
                }
                return try unsafe openRTP(start, source.count, to: room + place)
            }
        }
    }

    /// Opens an SRTCP packet in place; returns the length of the RTCP packet, which starts at the same place.
    public mutating func openRTCP(_ packet: UnsafeMutableRawBufferPointer) throws(SRTPError) -> Int {
        guard let start = packet.baseAddress else { throw .tooShort }
        return try unsafe openRTCP(start, packet.count, to: start)
    }

    /// Opens an SRTCP packet, writing the RTCP packet at the end of `output`. If it throws, `output` is as it was.
    @_lifetime(output: copy output)
    public mutating func openRTCP(_ packet: RawSpan, to output: inout OutputRawSpan) throws(SRTPError) {
        guard output.freeCapacity >= packet.byteCount else {
            throw .noRoom(needed: packet.byteCount, left: output.freeCapacity)
        }
        try unsafe output.withUnsafeMutableBytes { (buffer, count) throws(SRTPError) in
            let place = count
            count += try unsafe packet.withUnsafeBytes { (source) throws(SRTPError) in
                guard let start = source.baseAddress, let room = buffer.baseAddress else {
                    throw .tooShort
                }
                return try unsafe openRTCP(start, source.count, to: room + place)
            }
        }
    }

    /// Forgets an SSRC that has ended, so that another may come in its place. Packets of it that somebody recorded would be
    /// taken as new ones afterwards.
    public mutating func forget(ssrc: UInt32) { streams.remove(ssrc) }

    private mutating func openRTP(
        _ source: UnsafeRawPointer, _ count: Int, to destination: UnsafeMutableRawPointer
    ) throws(SRTPError) -> Int {
        let packet = unsafe UnsafeRawBufferPointer(start: source, count: count).bytes
        let header = try PacketLayout.headerLength(packet)
        let end = count - packets.tagLength
        guard end >= header else { throw .tooShort }
        let sequence = packet.uint16(at: 2)
        let ssrc = packet.uint32(at: 8)
        let known = streams.position(of: ssrc)
        let index: Int64
        if let known {
            index = streams[known].packets.guess(sequence)
            try streams[known].packets.check(index)
        } else {
            guard !streams.isFull else { throw .tooManyStreams }
            index = Int64(sequence)
        }

        if packets.isAEAD {
            try packets.begin(ssrc: ssrc, index: index)
            try unsafe packets.authenticate(source, header)
            try unsafe packets.crypt(source + header, to: destination + header, end - header)
            guard unsafe packets.hasTag(source + end) else { throw .forged }
        } else {
            let rollover = UInt32(truncatingIfNeeded: index >> 16)
            guard unsafe packets.hasHMAC(source, end, rollover: rollover, at: source + end) else { throw .forged }
            try packets.begin(ssrc: ssrc, index: index)
            try unsafe packets.crypt(source + header, to: destination + header, end - header)
        }
        if unsafe UnsafeRawPointer(destination) != source {
            unsafe destination.copyMemory(from: source, byteCount: header)
        }
        streams[known ?? streams.insert(ssrc)].packets.accept(index)
        return end
    }

    private mutating func openRTCP(
        _ source: UnsafeRawPointer, _ count: Int, to destination: UnsafeMutableRawPointer
    ) throws(SRTPError) -> Int {
        let header = PacketLayout.rtcpHeader
        let end = count - control.tagLength - PacketLayout.rtcpIndex
        guard end >= header else { throw .tooShort }
        let packet = unsafe UnsafeRawBufferPointer(start: source, count: count).bytes
        guard packet.uint8(at: 0) >> 6 == 2 else { throw .malformed }
        let ssrc = packet.uint32(at: 4)
        // The index is behind the tag of GCM (RFC 7714 §9.2) and before that of HMAC (RFC 3711 §3.4).
        let place = control.isAEAD ? end + control.tagLength : end
        let flagged = packet.uint32(at: place)
        guard flagged >> 31 == 1 else { throw .unencrypted }
        let index = Int64(flagged & 0x7fff_ffff)
        let known = streams.position(of: ssrc)
        if let known {
            try streams[known].control.check(index)
        } else {
            guard !streams.isFull else { throw .tooManyStreams }
        }

        if control.isAEAD {
            try control.begin(ssrc: ssrc, index: index)
            try unsafe control.authenticate(source, header)
            try unsafe control.authenticate(source + place, PacketLayout.rtcpIndex)
            try unsafe control.crypt(source + header, to: destination + header, end - header)
            guard unsafe control.hasTag(source + end) else { throw .forged }
        } else {
            let authenticated = end + PacketLayout.rtcpIndex
            guard unsafe control.hasHMAC(source, authenticated, rollover: nil, at: source + authenticated) else {
                throw .forged
            }
            try control.begin(ssrc: ssrc, index: index)
            try unsafe control.crypt(source + header, to: destination + header, end - header)
        }
        if unsafe UnsafeRawPointer(destination) != source {
            unsafe destination.copyMemory(from: source, byteCount: header)
        }
        streams[known ?? streams.insert(ssrc)].control.accept(index)
        return end
    }
}
