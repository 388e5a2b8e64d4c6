/// The codecs that a node forwards.
public enum CodecKind: UInt8, Sendable, Hashable, CaseIterable {
    /// RFC 7587.
    case opus
    /// Redundant Opus (RFC 2198).
    case red
    /// RFC 7741.
    case vp8
    /// RFC 9628.
    case vp9
    /// RFC 6184.
    case h264
    /// The AV1 RTP payload format.
    case av1

    /// Its name in `a=rtpmap`.
    public var name: String {
        switch self {
        case .opus: "opus"
        case .red: "red"
        case .vp8: "VP8"
        case .vp9: "VP9"
        case .h264: "H264"
        case .av1: "AV1"
        }
    }

    /// Whether it is a codec of sound.
    public var isAudio: Bool { self == .opus || self == .red }
}

/// What is sent back about a codec's packets (RFC 4585, RFC 5104).
public struct Feedback: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: UInt8

    /// These bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `nack`: lost packets are named.
    public static let nack = Feedback(rawValue: 1)
    /// `nack pli`: a picture was lost.
    public static let pli = Feedback(rawValue: 2)
    /// `ccm fir`: a key frame is wanted.
    public static let fir = Feedback(rawValue: 4)
    /// `transport-cc`: when each packet came.
    public static let transportCC = Feedback(rawValue: 8)
    /// `goog-remb`: the receiver's estimate.
    public static let remb = Feedback(rawValue: 16)

    static let values: [(Feedback, String)] = [
        (.remb, "goog-remb"), (.transportCC, "transport-cc"), (.fir, "ccm fir"), (.nack, "nack"), (.pli, "nack pli"),
    ]

    init(_ texts: [String]) {
        self = []
        for text in texts {
            for (value, name) in Self.values where name == text { insert(value) }
        }
    }

    var texts: [String] { Self.values.filter { contains($0.0) }.map(\.1) }
}

extension CodecDescription {
    /// How well this payload type suits a node as `kind`: lower is better, nil not at all. Only one is agreed to for each
    /// codec and m-line, so that what a publisher sends can be decoded by all who have the codec.
    func rank(as kind: CodecKind) -> Int? {
        switch (kind, name.lowercased()) {
        case (.opus, "opus"): clockRate == 48_000 && channels == 2 ? 0 : nil
        case (.red, "red"): clockRate == 48_000 && channels == 2 ? 0 : nil
        case (.vp8, "vp8"): clockRate == 90_000 ? 0 : nil
        case (.vp9, "vp9"): clockRate == 90_000 && parameters.number("profile-id") ?? 0 == 0 ? 0 : nil
        case (.av1, "av1"): clockRate == 90_000 && parameters.number("profile") ?? 0 == 0 ? 0 : nil
        case (.h264, "h264"): clockRate == 90_000 ? h264Rank : nil
        default: nil
        }
    }

    private var h264Rank: Int? {
        guard parameters.number("packetization-mode") == 1 else { return nil }
        return switch H264Profile(profileLevelID: parameters["profile-level-id"]) {
        case .constrainedBaseline: 0
        case .baseline: 1
        default: nil
        }
    }

    /// The payload type that this RTX repairs (RFC 4588 §8); nil if it is no RTX.
    var associatedPayloadType: UInt8? {
        guard name.lowercased() == "rtx" else { return nil }
        return parameters.number("apt").flatMap { UInt8(exactly: $0) }
    }
}
