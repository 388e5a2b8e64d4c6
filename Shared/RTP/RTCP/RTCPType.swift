/// The type of an RTCP packet: its second byte.
public struct RTCPType: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt8

    /// The type of a number.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// SR: what a sender has sent, and the relation of its clocks (RFC 3550 §6.4.1).
    public static let senderReport = RTCPType(rawValue: 200)
    /// RR: how well streams arrive (RFC 3550 §6.4.2).
    public static let receiverReport = RTCPType(rawValue: 201)
    /// SDES: names of sources (RFC 3550 §6.5).
    public static let sourceDescription = RTCPType(rawValue: 202)
    /// BYE: sources that have ended (RFC 3550 §6.6).
    public static let goodbye = RTCPType(rawValue: 203)
    /// APP (RFC 3550 §6.7).
    public static let application = RTCPType(rawValue: 204)
    /// RTPFB: feedback about packets (RFC 4585 §6.2).
    public static let transportFeedback = RTCPType(rawValue: 205)
    /// PSFB: feedback about pictures (RFC 4585 §6.3).
    public static let payloadFeedback = RTCPType(rawValue: 206)
    /// XR (RFC 3611).
    public static let extendedReport = RTCPType(rawValue: 207)
}

/// What an RTCP packet is, by its type and, for feedback, by its format.
public enum RTCPKind: Sendable {
    /// A sender's report.
    case senderReport
    /// A receiver's report.
    case receiverReport
    /// Names of sources.
    case sourceDescription
    /// Sources that have ended.
    case goodbye
    /// Lost packets that are wanted again (RFC 4585 §6.2.1).
    case nack
    /// Arrival times of packets (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    case transportWide
    /// A picture is lost: a key frame is wanted (RFC 4585 §6.3.1).
    case pictureLoss
    /// A key frame is wanted, to begin (RFC 5104 §4.3.1).
    case fullIntra
    /// The bit rate that a receiver believes it can take (draft-alvestrand-rmcat-remb-03).
    case receiverBitRate
    /// Something that is passed over.
    case other
}

/// The formats of feedback packets.
enum FeedbackFormat {
    static let nack: UInt8 = 1
    static let transportWide: UInt8 = 15
    static let pictureLoss: UInt8 = 1
    static let fullIntra: UInt8 = 4
    static let application: UInt8 = 15
    /// "REMB" (draft-alvestrand-rmcat-remb-03 §2.2).
    static let remb: UInt32 = 0x5245_4d42
}
