/// What one connection agreed on: for the media worker to work by, and for the next offer to be answered alike.
public struct NegotiatedSession: Sendable, Equatable {
    /// The id in our `o=`; the same for all answers of a connection.
    public var sessionID: UInt64
    /// The version in our `o=`: one more with each answer.
    public var version: UInt64
    /// The client's credentials, for all that is bundled.
    public var remoteICE: ICECredentials
    /// The client's certificate has one of these: at least one is strong (`Fingerprint.isStrong`), weak ones are left out.
    public var remoteFingerprints: [Fingerprint]
    /// In the order of the m-lines.
    public var media: [NegotiatedMedia]

    /// What the client sends.
    public var publishing: [NegotiatedMedia] { media.filter { $0.role == .publish } }
    /// Where the client receives.
    public var slots: [NegotiatedMedia] { media.filter { $0.role == .slot } }

    /// The m-line of this mid.
    public subscript(mid mid: String) -> NegotiatedMedia? { media.first { $0.mid == mid } }
}

/// One m-line, agreed on.
public struct NegotiatedMedia: Sendable, Equatable {
    /// What an m-line is for. It lasts as long as the m-line.
    public enum Role: Sendable {
        /// The client sends, the node receives.
        case publish
        /// The node sends, the client receives.
        case slot
        /// Data channels: refused.
        case application
        /// Refused, or stopped by the client.
        case rejected
    }

    /// Which m-line it is, from 0.
    public var index: Int
    /// Its name.
    public var mid: String
    /// Audio or video, where it is in use.
    public var kind: MediaKind
    /// What it is for.
    public var role: Role
    /// False while the client says that nothing goes its way, and for refused m-lines.
    public var isActive: Bool
    /// One for each codec, in the node's order of preference; payload types as the client numbers them.
    public var codecs: [NegotiatedCodec] = []
    /// Ids as the client numbers them, of those that may go the m-line's way.
    public var extensions = ExtensionIDs()
    /// Whether packets may have the two-byte form of the header extension (`a=extmap-allow-mixed`).
    public var allowsMixedExtensions = false
    /// Simulcast layers that the client sends, in its order; empty without simulcast.
    public var rids: [NegotiatedRID] = []
    /// The sources that the client says it sends. With simulcast Firefox says them (in the order of `rids`), Chromium does not.
    public var sources: [DeclaredSource] = []
    /// What the node sends into this slot; nil for other roles.
    public var slot: SlotSource?
    /// For a slot: which of its kind, from 0.
    public var ordinal = 0
    /// Whether RTCP may come and go without a report in front (RFC 5506).
    public var isReducedSizeRTCP = false
    /// The MediaStream and track of a publishing m-line, where the client says them.
    public var stream: MediaStreamID?

    init(index: Int, mid: String, kind: MediaKind, role: Role, isActive: Bool) {
        self.index = index
        self.mid = mid
        self.kind = kind
        self.role = role
        self.isActive = isActive
    }

    /// The codec of a payload type, and whether that is its RTX.
    public func codec(payloadType: UInt8) -> (codec: NegotiatedCodec, isRTX: Bool)? {
        for codec in codecs {
            if codec.payloadType == payloadType { return (codec, false) }
            if codec.rtxPayloadType == payloadType { return (codec, true) }
        }
        return nil
    }

    /// The codec, if both have it.
    public func codec(_ kind: CodecKind) -> NegotiatedCodec? { codecs.first { $0.kind == kind } }
}

/// A codec of an m-line, agreed on.
public struct NegotiatedCodec: Sendable, Equatable {
    /// Which it is.
    public var kind: CodecKind
    /// Its packets.
    public var payloadType: UInt8
    /// Its packets sent again; nil if not agreed on.
    public var rtxPayloadType: UInt8?
    /// Ticks of the RTP timestamp a second.
    public var clockRate: UInt32
    /// Channels of sound; 0 for video.
    public var channels: UInt8
    /// What the client's `a=fmtp` says.
    public var parameters: FormatParameters
    /// What both ends understand.
    public var feedback: Feedback
}

/// One simulcast layer.
public struct NegotiatedRID: Sendable, Equatable {
    /// Its name, at most 16 bytes.
    public var rid: String
    /// Whether the client does not send it at first.
    public var isPaused: Bool

    /// A layer.
    public init(rid: String, isPaused: Bool = false) {
        self.rid = rid
        self.isPaused = isPaused
    }
}

/// A source that its sender declared.
public struct DeclaredSource: Sendable, Equatable {
    /// Its packets.
    public var ssrc: UInt32
    /// Its packets sent again.
    public var rtx: UInt32?
    /// What binds it to others of the same clock.
    public var cname: String?

    /// A source.
    public init(ssrc: UInt32, rtx: UInt32? = nil, cname: String? = nil) {
        self.ssrc = ssrc
        self.rtx = rtx
        self.cname = cname
    }
}

extension MediaDescription {
    /// The sources with their RTX (the second of a FID group), in the order of the lines.
    var declaredSources: [DeclaredSource] {
        var repairs: [UInt32: UInt32] = [:]
        var isRepair: Set<UInt32> = []
        for group in sourceGroups where group.semantics == "FID" && group.ssrcs.count == 2 {
            repairs[group.ssrcs[0]] = group.ssrcs[1]
            isRepair.insert(group.ssrcs[1])
        }
        return sources.filter { !isRepair.contains($0.ssrc) }
            .map { DeclaredSource(ssrc: $0.ssrc, rtx: repairs[$0.ssrc], cname: $0.cname) }
    }
}
