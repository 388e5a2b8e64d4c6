/// Why a packet was not sealed, or not opened. One that was not opened is to be dropped: its bytes may be changed.
public enum SRTPError: Error, Equatable, Sendable {
    /// Shorter than a header, or than header and tag.
    case tooShort
    /// Not version 2, or its header runs beyond its end.
    case malformed
    /// Behind the packet there is less room than its protection takes.
    case noRoom(needed: Int, left: Int)
    /// Its number was used before.
    case replayed
    /// So far behind the newest that nobody can tell whether it was used before.
    case tooOld
    /// Its tag is not right: forged, damaged, for other keys, or too far from the last one to guess its rollover.
    case forged
    /// As many SSRCs as may be are known, and this is another.
    case tooManyStreams
    /// An SRTCP packet that says that it is not encrypted: not done in WebRTC.
    case unencrypted
    /// All numbers are used up: 2⁴⁸ packets, or 2³¹ of RTCP.
    case exhausted
    /// OpenSSL would not do it: out of memory, or a configuration without these ciphers.
    case refusedByOpenSSL
}

/// What protection adds to a packet, at most.
public enum SRTPLimits {
    /// Bytes behind an RTP packet.
    public static let longestRTPTrailer = 16
    /// Bytes behind an RTCP packet: tag and index.
    public static let longestRTCPTrailer = 20
    /// A number so far behind the newest of its SSRC, or more, is too old. Retransmissions of a lost packet pass within it: at
    /// 1,000 packets/s it is a second. (Fifteen of the window's sixteen words: the newest is being filled.)
    public static let window = 960
}
