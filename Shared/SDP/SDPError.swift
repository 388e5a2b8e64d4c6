/// Why a text is not read as a session description.
public enum SDPError: Error, Equatable, Sendable {
    /// More bytes than the limit.
    case tooLong(bytes: Int, limit: Int)
    /// The bytes are not UTF-8.
    case notUTF8
    /// The first line is not `v=0`.
    case notSDP
    /// A line that is not `x=…`, or an `m=` line without kind, port and protocol. Lines count from 1.
    case malformedLine(Int)
    /// More m-lines than the limit.
    case tooManyMedia(limit: Int)
    /// More lines in one section than the limit.
    case tooManyLines(limit: Int)

    /// A sentence for whoever sent the text.
    public var reason: String {
        switch self {
        case .tooLong(let bytes, let limit): "the description has \(bytes) bytes, and at most \(limit) are read"
        case .notUTF8: "the description is not UTF-8"
        case .notSDP: "the description does not start with v=0"
        case .malformedLine(let number): "line \(number) of the description cannot be read"
        case .tooManyMedia(let limit): "the description has more than \(limit) m-lines"
        case .tooManyLines(let limit): "a section of the description has more than \(limit) lines"
        }
    }
}

/// How much of a peer's description is read before it is refused.
public struct SDPLimits: Sendable {
    /// Bytes of the whole text. An unlimited offer of Chromium with 8 + 24 slots has 127 KB.
    public var bytes: Int
    /// m-lines. A member has at most 8 + 49 slots and a handful of its own.
    public var media: Int
    /// Lines of one section. Chromium's longest has about 200.
    public var linesPerSection: Int

    /// These limits.
    public init(bytes: Int = 262_144, media: Int = 200, linesPerSection: Int = 2_000) {
        self.bytes = bytes
        self.media = media
        self.linesPerSection = linesPerSection
    }
}

/// Caps of repeated attributes in one section; what goes beyond is passed over. Each is several times what browsers send,
/// and keeps a search through such a list cheap.
enum SectionCaps {
    static let bundles = 16
    static let fingerprints = 8
    static let candidates = 64
    static let extensions = 64
    static let sources = 32
    static let sourceGroups = 32
    static let streams = 8
    static let rids = 16
    static let feedbackPerCodec = 32
    static let others = 256
}
