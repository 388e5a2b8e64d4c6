internal import Bytes
internal import STUN

/// Where the next message on a stream ends.
public enum StreamFrame: Equatable, Sendable {
    /// A STUN message of so many bytes, header included; nothing is between it and the next.
    case stun(byteCount: Int)
    /// A ChannelData message of so many bytes, header included, after which `padding` bytes are skipped.
    case channelData(byteCount: Int, padding: Int)
    /// The message is not whole yet; it can be judged again once so many bytes are there.
    case incomplete(needed: Int)

    /// How many bytes the whole message takes on the stream; nil while it is not whole.
    @inlinable public var consumed: Int? {
        switch self {
        case .stun(let byteCount): byteCount
        case .channelData(let byteCount, let padding): byteCount &+ padding
        case .incomplete: nil
        }
    }
}

/// Splits what comes over TCP or TLS into STUN and ChannelData messages (RFC 8656 §3.1 and §12.5, RFC 8489 §6.2.2).
///
/// It keeps nothing: the caller holds the bytes that were not whole and gives them again from the message's first one. A
/// stream that breaks the rules has lost its frames for good: close it.
public enum StreamFraming {
    /// The longest message on any stream: a full STUN length field and its header. Larger than any datagram that can be
    /// relayed (65,507 bytes), so a receiver may well take less.
    public static let longest = STUNHeader.byteCount + Int(UInt16.max & ~3)

    /// Looks at the front of what has come. Wrong first bytes are refused as soon as they are there; a message of more
    /// than `limit` bytes as soon as its length is, so that a receiver's buffer needs `limit` bytes and no more.
    ///
    /// Padding counts into the limit; with an incomplete message `needed` is more than is there and at most `limit`.
    public static func next(in bytes: RawSpan, limit: Int = longest) throws(TURNError) -> StreamFrame {
        precondition(limit >= STUNHeader.byteCount, "no message fits \(limit) bytes")
        guard bytes.byteCount > 0 else { return .incomplete(needed: ChannelData.headerByteCount) }
        let first = bytes.uint8(at: 0)
        // STUN begins with 0 to 3 (RFC 7983; RFC 8489 §18.2 reserves the methods beyond), a channel with 0x40 to 0x7F
        // (`ChannelNumber`). So a TLS ClientHello, 0x16, is told from both by one byte.
        let isChannel = first & 0xc0 == 0x40
        guard isChannel || first < 4 else { throw .notTURN(firstByte: first) }
        guard bytes.byteCount >= 4 else { return .incomplete(needed: 4) }
        let stated = Int(bytes.uint16(at: 2))
        return try isChannel ? channelData(stated, in: bytes, limit) : stun(stated, in: bytes, limit)
    }

    private static func channelData(_ stated: Int, in bytes: RawSpan, _ limit: Int) throws(TURNError) -> StreamFrame {
        let padding = ChannelData.padding(after: stated)
        let byteCount = ChannelData.headerByteCount + stated
        guard byteCount + padding <= limit else { throw .tooLong(bytes: byteCount + padding) }
        // It is whole only with its padding, so that the next message always begins at a message's first byte.
        guard bytes.byteCount >= byteCount + padding else { return .incomplete(needed: byteCount + padding) }
        return .channelData(byteCount: byteCount, padding: padding)
    }

    private static func stun(_ stated: Int, in bytes: RawSpan, _ limit: Int) throws(TURNError) -> StreamFrame {
        guard stated.isMultiple(of: 4) else { throw .impossibleLength(stated) }
        let byteCount = STUNHeader.byteCount + stated
        guard byteCount <= limit else { throw .tooLong(bytes: byteCount) }
        guard bytes.byteCount >= 8 else { return .incomplete(needed: 8) }
        // Every message of RFC 8489 has it: without, this is another protocol, or the frames are lost.
        let cookie = bytes.uint32(at: 4)
        guard cookie == STUNHeader.magicCookie else { throw .noMagicCookie(cookie) }
        guard bytes.byteCount >= byteCount else { return .incomplete(needed: byteCount) }
        return .stun(byteCount: byteCount)
    }
}
