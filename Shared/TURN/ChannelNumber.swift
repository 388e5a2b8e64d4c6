/// A number that stands for a peer between a client and its server: 0x4000 to 0x4FFF (RFC 8656 §12).
///
/// RFC 5766 went up to 0x7FFF; RFC 8656 keeps what is above 0x4FFF for others who share the port (DTLS, RTP, QUIC).
public struct ChannelNumber: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt16

    /// The channel of a number; nil outside of the range.
    @inlinable
    public init?(rawValue: UInt16) {
        guard rawValue & 0xf000 == 0x4000 else { return nil }
        self.rawValue = rawValue
    }

    /// The channel so many after the first; the position is cut to the range.
    @inlinable
    public init(position: Int) { rawValue = 0x4000 | UInt16(truncatingIfNeeded: position & 0xfff) }

    /// How far from the first: below `count`. For tables.
    @inlinable public var position: Int { Int(rawValue & 0xfff) }

    /// How many there are.
    public static let count = 0x1000
}

extension ChannelNumber: CustomStringConvertible {
    /// `0x4001`.
    public var description: String { "0x\(String(rawValue, radix: 16))" }
}
