/// One `a=extmap` (RFC 8285 §5).
public struct ExtensionMapping: Sendable, Equatable {
    /// The id on the wire, in this m-line.
    public var id: UInt16
    /// Which way it may go; nil as `sendrecv`, but unsaid.
    public var direction: MediaDirection?
    /// What it is.
    public var uri: String

    /// A mapping.
    public init(id: UInt16, direction: MediaDirection? = nil, uri: String) {
        self.id = id
        self.direction = direction
        self.uri = uri
    }

    func write(to text: inout String) {
        text += "a=extmap:"
        text += String(id)
        if let direction {
            text += "/"
            text += direction.rawValue
        }
        text.line(" ", uri)
    }
}

/// The RTP header extensions that a node knows.
public enum ExtensionKind: UInt8, Sendable, Hashable, CaseIterable {
    /// Which m-line a packet belongs to (RFC 9143 §15).
    case mid
    /// Which simulcast layer (RFC 8852).
    case rid
    /// Which simulcast layer an RTX packet repairs (RFC 8852).
    case repairedRID
    /// How loud a packet of audio is (RFC 6464).
    case audioLevel
    /// The transport-wide sequence number.
    case transportSequenceNumber
    /// 24 bits of the sender's clock.
    case absoluteSendTime
    /// How a picture is turned (3GPP TS 26.114).
    case videoOrientation
    /// What delay the sender wishes.
    case playoutDelay
    /// When a frame was captured, by the capturer's clock.
    case absoluteCaptureTime
    /// Which frames a frame needs (AV1 RTP payload format, appendix A).
    case dependencyDescriptor
    /// Which layers a publisher sends, with sizes and rates.
    case videoLayersAllocation
    /// How long after its timestamp a packet left (RFC 5450).
    case transmissionOffset

    /// Its name in `a=extmap`.
    public var uri: String {
        switch self {
        case .mid: "urn:ietf:params:rtp-hdrext:sdes:mid"
        case .rid: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
        case .repairedRID: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
        case .audioLevel: "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
        case .transportSequenceNumber: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
        case .absoluteSendTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
        case .videoOrientation: "urn:3gpp:video-orientation"
        case .playoutDelay: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
        case .absoluteCaptureTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
        case .dependencyDescriptor:
            "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
        case .videoLayersAllocation: "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00"
        case .transmissionOffset: "urn:ietf:params:rtp-hdrext:toffset"
        }
    }

    /// The extension of this name; nil for one that a node does not know.
    public init?(uri: String) {
        guard let kind = Self.byURI[uri] else { return nil }
        self = kind
    }

    private static let byURI = Dictionary(uniqueKeysWithValues: allCases.map { ($0.uri, $0) })
}

/// The ids that one m-line uses for the extensions of `ExtensionKind`: a flat value without references.
public struct ExtensionIDs: Sendable, Hashable {
    private var ids = SIMD16<UInt8>(repeating: 0)

    /// None.
    public init() {}

    /// The id on the wire: 1 to 14, beyond 15 where the two-byte form may be used; 0 where the extension was not agreed to.
    public subscript(_ kind: ExtensionKind) -> UInt8 {
        get { ids[Int(kind.rawValue)] }
        set { ids[Int(kind.rawValue)] = newValue }
    }

    /// What has this id on the wire; nil for 0 and for ids that were not agreed to.
    public func kind(of id: UInt8) -> ExtensionKind? {
        guard id != 0 else { return nil }
        for kind in ExtensionKind.allCases where self[kind] == id { return kind }
        return nil
    }
}
