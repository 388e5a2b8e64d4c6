public import Bytes

/// One ChannelData message, as a view of the bytes it came in (RFC 8656 §12.4).
public struct ChannelData: ~Escapable {
    /// Which peer it comes from or goes to.
    public let channel: ChannelNumber
    /// What the peer sent or is to get. May be empty.
    public let data: RawSpan

    /// How many bytes come before the data: channel and length, two each.
    public static let headerByteCount = 4

    /// Whether the first byte is that of a channel: tells it from STUN without reading more.
    @inlinable
    public static func looksLikeChannelData(_ bytes: RawSpan) -> Bool {
        bytes.byteCount >= headerByteCount && bytes.uint8(at: 0) & 0xc0 == 0x40
    }

    /// Checks a datagram, or a message that `StreamFraming` cut out of a stream. Bytes after the stated length are
    /// padding, which is allowed over UDP too (RFC 8656 §12.5), and not looked at.
    @inlinable
    @_lifetime(copy bytes)
    public init(parsing bytes: RawSpan) throws(TURNError) {
        guard bytes.byteCount >= ChannelData.headerByteCount else {
            throw .cutChannelData(stated: nil, actual: bytes.byteCount)
        }
        let number = bytes.uint16(at: 0)
        guard let channel = ChannelNumber(rawValue: number) else { throw .notAChannel(number) }
        let length = Int(bytes.uint16(at: 2))
        guard length <= bytes.byteCount &- ChannelData.headerByteCount else {
            throw .cutChannelData(stated: length, actual: bytes.byteCount &- ChannelData.headerByteCount)
        }
        self.channel = channel
        data = bytes.extracting(ChannelData.headerByteCount..<(ChannelData.headerByteCount &+ length))
    }

    /// How many bytes of padding follow so much data on a stream, where messages are multiples of four bytes.
    @inlinable
    public static func padding(after byteCount: Int) -> Int { -byteCount & 3 }

    /// How many bytes a message with so much data takes.
    @inlinable
    public static func byteCount(data byteCount: Int, padded: Bool) -> Int {
        headerByteCount + byteCount + (padded ? padding(after: byteCount) : 0)
    }

    /// The four bytes before so much data, as one big-endian number. More than 65,535 bytes is a programming error.
    @inlinable
    public static func header(_ channel: ChannelNumber, byteCount: Int) -> UInt32 {
        UInt32(channel.rawValue) << 16 | UInt32(UInt16(byteCount))
    }

    /// Writes a message: with padding for a stream (where it is a must), without for a datagram.
    public static func write(
        _ channel: ChannelNumber, _ data: RawSpan, padded: Bool, to output: inout OutputRawSpan
    ) throws(TURNError) {
        guard data.byteCount <= Int(UInt16.max) else { throw .tooLong(bytes: data.byteCount) }
        let needed = byteCount(data: data.byteCount, padded: padded)
        guard needed <= output.freeCapacity else { throw .noRoom(needed: needed, left: output.freeCapacity) }
        do throws(BytesError) {
            try output.write(header(channel, byteCount: data.byteCount))
            try output.write(data)
            if padded { try output.writeZeros(padding(after: data.byteCount)) }
        } catch {
            preconditionFailure("a message was checked to fit and does not: \(error)")
        }
    }
}
