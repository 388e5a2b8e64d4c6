internal import Bytes

/// What a datagram on a media port is, by its first bytes (RFC 7983, and RFC 5761 §4 for RTCP). Looks at two bytes.
public enum PacketKind: Sendable {
    /// A STUN message: an ICE check, or its answer.
    case stun
    /// A record of DTLS.
    case dtls
    /// SRTP.
    case rtp
    /// SRTCP.
    case rtcp
    /// TURN's ChannelData.
    case turnChannel
    /// ZRTP, which WebRTC does not use.
    case zrtp
    /// Nothing that belongs here, or empty.
    case unknown

    /// Decides; checks nothing else.
    public init(_ datagram: RawSpan) {
        guard datagram.byteCount > 1 else {
            self = .unknown
            return
        }
        switch datagram.uint8(at: 0) {
        case 0...3: self = .stun
        case 16...19: self = .zrtp
        case 20...63: self = .dtls
        case 64...79: self = .turnChannel
        case 128...191: self = (192...223).contains(datagram.uint8(at: 1)) ? .rtcp : .rtp
        default: self = .unknown
        }
    }
}
