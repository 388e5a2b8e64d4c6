public import Bytes

/// The fixed fields of a packet, and where its parts are: a value that may be kept beside the bytes (RFC 3550 §5.1).
public struct RTPHeader: Hashable, Sendable {
    /// The form of the header extension, by its first two bytes.
    public enum ExtensionForm: UInt8, Sendable {
        /// There is none.
        case none
        /// Elements with one byte of id and length (RFC 8285 §4.2).
        case oneByte
        /// Elements with two bytes of id and length (RFC 8285 §4.3).
        case twoByte
        /// Something else, which is not understood and not passed on.
        case other
    }

    /// What the bit means is the profile's: for video, the last packet of a frame.
    public let marker: Bool
    /// How the payload is coded.
    public private(set) var payloadType: PayloadType
    /// The packet's place in its stream.
    public let sequenceNumber: SequenceNumber
    /// The moment of its first sample.
    public let timestamp: RTPTimestamp
    /// The stream.
    public let ssrc: SSRC
    /// How many contributing sources are listed.
    public let csrcCount: Int
    /// How the extension's elements are written.
    public let extensionForm: ExtensionForm
    /// Where the extension's elements begin, after its four bytes of head.
    public let extensionOffset: Int
    /// How long the elements are, padding among them.
    public let extensionByteCount: Int
    /// Where the payload begins.
    public private(set) var payloadOffset: Int
    /// How long the payload is, without padding. Zero in a packet of mere padding.
    public private(set) var payloadByteCount: Int
    /// How long the padding is.
    public let paddingByteCount: Int

    /// How many bytes the fixed fields take.
    public static let fixedByteCount = 12

    /// Whether it is RTCP that came to the port where RTP comes too (RFC 5761 §4); false if too short for either.
    @inlinable
    public static func isRTCP(_ bytes: RawSpan) -> Bool {
        bytes.byteCount >= 4 && (192...223).contains(bytes.uint8(at: 1))
    }

    /// Checks the bytes of one packet.
    public init(parsing bytes: RawSpan) throws(RTPError) {
        guard bytes.byteCount >= RTPHeader.fixedByteCount else { throw .notRTP }
        let first = bytes.uint8(at: 0)
        guard first >> 6 == 2 else { throw .notRTP }
        let second = bytes.uint8(at: 1)
        marker = second & 0x80 != 0
        payloadType = PayloadType(rawValue: second)
        sequenceNumber = SequenceNumber(rawValue: bytes.uint16(at: 2))
        timestamp = RTPTimestamp(rawValue: bytes.uint32(at: 4))
        ssrc = SSRC(rawValue: bytes.uint32(at: 8))
        csrcCount = Int(first & 0xf)

        var offset = RTPHeader.fixedByteCount &+ csrcCount &* 4
        guard offset <= bytes.byteCount else { throw .cutPacket }
        if first & 0x10 != 0 {
            guard offset &+ 4 <= bytes.byteCount else { throw .cutPacket }
            let profile = bytes.uint16(at: offset)
            extensionByteCount = Int(bytes.uint16(at: offset &+ 2)) &* 4
            extensionOffset = offset &+ 4
            // RFC 8285 §4.3: the last four bits of the two-byte form are the application's.
            extensionForm = profile == 0xbede ? .oneByte : profile & 0xfff0 == 0x1000 ? .twoByte : .other
            offset = extensionOffset &+ extensionByteCount
            guard offset <= bytes.byteCount else { throw .cutPacket }
        } else {
            extensionForm = .none
            extensionOffset = offset
            extensionByteCount = 0
        }

        payloadOffset = offset
        if first & 0x20 != 0 {
            // Without a payload and without padding there is no last byte to count it.
            guard offset < bytes.byteCount else { throw .wrongPadding }
            paddingByteCount = Int(bytes.uint8(at: bytes.byteCount &- 1))
            guard paddingByteCount > 0, paddingByteCount <= bytes.byteCount &- offset else { throw .wrongPadding }
        } else {
            paddingByteCount = 0
        }
        payloadByteCount = bytes.byteCount &- offset &- paddingByteCount
    }

    /// The header of a packet whose payload begins with something that is not wanted.
    func withoutFirst(_ byteCount: Int, payloadType: PayloadType) -> RTPHeader {
        var header = self
        header.payloadType = payloadType
        header.payloadOffset += byteCount
        header.payloadByteCount -= byteCount
        return header
    }
}

/// A well-formed packet, as a view of the bytes it came in. Nothing is copied or allocated.
public struct RTPPacket: ~Escapable {
    /// All bytes of the packet.
    public let bytes: RawSpan
    /// The fixed fields, and where the parts are.
    public let header: RTPHeader

    /// Checks the bytes of one packet.
    @inlinable
    @_lifetime(copy bytes)
    public init(parsing bytes: RawSpan) throws(RTPError) {
        self.header = try RTPHeader(parsing: bytes)
        self.bytes = bytes
    }

    /// The packet of bytes that were checked before, by making `header` from them. Other bytes are a programming error.
    @inlinable
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan, checked header: RTPHeader) {
        let end = header.payloadOffset &+ header.payloadByteCount &+ header.paddingByteCount
        precondition(end == bytes.byteCount, "the header belongs to other bytes")
        self.bytes = bytes
        self.header = header
    }

    /// The payload, without padding.
    @inlinable public var payload: RawSpan {
        @_lifetime(copy self)
        get {
            bytes.extracting(header.payloadOffset..<(header.payloadOffset &+ header.payloadByteCount))
        }
    }

    /// The contributing source at an index below `header.csrcCount`.
    @inlinable
    public func csrc(at index: Int) -> SSRC {
        precondition(index >= 0 && index < header.csrcCount, "only \(header.csrcCount) sources are listed")
        return SSRC(rawValue: bytes.uint32(at: RTPHeader.fixedByteCount + index * 4))
    }
}
