internal import Bytes

/// Where the parts of a packet are.
enum PacketLayout {
    /// Bytes of the fixed header of RTP (RFC 3550 §5.1).
    static let rtpHeader = 12
    /// Bytes of RTCP that stay readable: the first four and the SSRC (RFC 3711 §3.4).
    static let rtcpHeader = 8
    /// The E flag and the index (RFC 3711 §3.4).
    static let rtcpIndex = 4

    /// How long the RTP header is, with CSRCs and extension: what is not encrypted. The bytes may end in a payload or before it.
    static func headerLength(_ packet: RawSpan) throws(SRTPError) -> Int {
        guard packet.byteCount >= rtpHeader else { throw .tooShort }
        let first = packet.uint8(at: 0)
        guard first >> 6 == 2 else { throw .malformed }
        var length = rtpHeader + 4 * Int(first & 15)
        if first & 0x10 != 0 {
            guard packet.byteCount >= length + 4 else { throw .malformed }
            length += 4 + 4 * Int(packet.uint16(at: length + 2))
        }
        guard packet.byteCount >= length else { throw .malformed }
        return length
    }
}
