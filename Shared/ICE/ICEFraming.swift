internal import Bytes

/// The frames of ICE over TCP: two bytes of length, then a packet (RFC 4571 §2, RFC 6544 §3).
public enum ICEFraming {
    /// Bytes before each packet.
    public static let headerLength = 2

    /// Where the packet is whose frame begins at `offset`; nil as long as it is not whole. The next frame begins at its end.
    public static func frame(in bytes: RawSpan, at offset: Int) -> Range<Int>? {
        guard offset >= 0, bytes.byteCount - offset >= headerLength else { return nil }
        let start = offset + headerLength
        let length = Int(bytes.uint16(at: offset))
        guard bytes.byteCount - start >= length else { return nil }
        return start..<(start + length)
    }
}
