/// A number that stands for a peer between a client and its server: 0x4000 to 0x7FFF.
///
/// RFC 8656 §12 lets clients choose from 0x4000 to 0x4FFF, and so does ours. Clients of RFC 5766 (coturn's among them) go up
/// to 0x7FFF, and are taken: a server's own port is shared with nobody who begins a datagram with those bytes (RFC 7983).
public struct ChannelNumber: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt16

    /// The channel of a number; nil outside of the range.
    @inlinable
    public init?(rawValue: UInt16) {
        guard rawValue & 0xc000 == 0x4000 else { return nil }
        self.rawValue = rawValue
    }

    /// The channel so many after the first; the position is cut to what RFC 8656 lets a client choose from.
    @inlinable
    public init(position: Int) { rawValue = 0x4000 | UInt16(truncatingIfNeeded: position & 0xfff) }

    /// How far from the first: below `count` for a channel that RFC 8656 knows.
    @inlinable public var position: Int { Int(rawValue & 0x3fff) }

    /// How many a client may choose from.
    public static let count = 0x1000
}

extension ChannelNumber: CustomStringConvertible {
    /// `0x4001`.
    public var description: String { "0x\(String(rawValue, radix: 16))" }
}
