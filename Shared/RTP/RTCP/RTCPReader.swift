internal import Bytes

/// Goes through the packets of a compound, or of a reduced-size one (RFC 5506), which need not begin with a report.
///
/// Each packet is checked as it is reached; after a bad one nothing more can be found.
public struct RTCPReader: ~Escapable {
    private let bytes: RawSpan
    private var offset = 0

    /// A reader at the first packet.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { self.bytes = bytes }

    /// The next packet; nil at the end. Throws where the bytes are no whole packet, and gives nil from then on.
    @_lifetime(copy self)
    public mutating func next() throws(RTPError) -> RTCPPacket? {
        guard offset < bytes.byteCount else { return nil }
        let start = offset
        offset = bytes.byteCount
        guard bytes.byteCount - start >= 4, bytes.uint8(at: start) >> 6 == 2 else { throw .notRTCP }
        let type = RTCPType(rawValue: bytes.uint8(at: start + 1))
        let end = start + 4 + Int(bytes.uint16(at: start + 2)) * 4
        guard end <= bytes.byteCount else { throw .cutCompound(type) }
        var bodyEnd = end
        if bytes.uint8(at: start) & 0x20 != 0 {
            // Padding belongs to the last packet (RFC 3550 §6.4.1); elsewhere it does no harm.
            let padding = Int(bytes.uint8(at: end - 1))
            guard end - start > 4, padding > 0, padding <= end - start - 4 else { throw .wrongPadding }
            bodyEnd = end - padding
        }
        let packet = try RTCPPacket(
            type: type, format: bytes.uint8(at: start) & 0x1f, body: bytes.extracting((start + 4)..<bodyEnd))
        offset = end
        return packet
    }
}

/// One packet of a compound, as a view of its bytes.
public struct RTCPPacket: ~Escapable {
    /// The type.
    public let type: RTCPType
    /// The five bits before it: a count of blocks, or the format of a feedback.
    public let format: UInt8
    /// What it is, by type and format.
    public let kind: RTCPKind
    /// Everything behind the first four bytes, without padding.
    public let body: RawSpan

    /// How many bytes a report block takes.
    static let blockByteCount = 24

    @_lifetime(copy body)
    init(type: RTCPType, format: UInt8, body: RawSpan) throws(RTPError) {
        self.type = type
        self.format = format
        self.body = body
        let count = body.byteCount
        switch (type, format) {
        case (.senderReport, _):
            guard count >= 24 + Int(format) * RTCPPacket.blockByteCount else { throw .malformed(type) }
            kind = .senderReport
        case (.receiverReport, _):
            guard count >= 4 + Int(format) * RTCPPacket.blockByteCount else { throw .malformed(type) }
            kind = .receiverReport
        case (.sourceDescription, _):
            kind = .sourceDescription
        case (.goodbye, _):
            guard count >= Int(format) * 4 else { throw .malformed(type) }
            kind = .goodbye
        case (.transportFeedback, FeedbackFormat.nack):
            guard count >= 12, count.isMultiple(of: 4) else { throw .malformed(type) }
            kind = .nack
        case (.transportFeedback, FeedbackFormat.transportWide):
            guard count >= 16 else { throw .malformed(type) }
            kind = .transportWide
        case (.payloadFeedback, FeedbackFormat.pictureLoss):
            guard count >= 8 else { throw .malformed(type) }
            kind = .pictureLoss
        case (.payloadFeedback, FeedbackFormat.fullIntra):
            guard count >= 16, (count - 8).isMultiple(of: 8) else { throw .malformed(type) }
            kind = .fullIntra
        case (.payloadFeedback, FeedbackFormat.application):
            guard count >= 8 else { throw .malformed(type) }
            guard count >= 16, body.uint32(at: 8) == FeedbackFormat.remb else {
                kind = .other
                return
            }
            guard count >= 16 + Int(body.uint8(at: 12)) * 4 else { throw .malformed(type) }
            kind = .receiverBitRate
        case (.transportFeedback, _), (.payloadFeedback, _):
            guard count >= 8 else { throw .malformed(type) }
            kind = .other
        default:
            kind = .other
        }
    }

    /// Who sends it: the first word of reports and feedback; nil for other kinds.
    public var sender: SSRC? {
        switch type {
        case .senderReport, .receiverReport, .transportFeedback, .payloadFeedback:
            SSRC(rawValue: body.uint32(at: 0))
        default: nil
        }
    }

    /// Which stream a feedback is about: 0 where the entries say it (FIR, REMB); nil for what is no feedback.
    public var media: SSRC? {
        switch type {
        case .transportFeedback, .payloadFeedback: SSRC(rawValue: body.uint32(at: 4))
        default: nil
        }
    }
}
