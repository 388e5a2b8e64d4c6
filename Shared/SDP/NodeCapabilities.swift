/// What a node agrees to.
public struct NodeCapabilities: Sendable {
    /// Codecs of sound, best first: the first one that both have is what the client sends.
    public var audio: [CodecKind] = [.opus, .red]
    /// Codecs of pictures, best first.
    public var video: [CodecKind] = [.vp8, .vp9, .h264, .av1]
    /// Header extensions that are understood or passed on.
    public var extensions = Set(ExtensionKind.allCases)
    /// Feedback that is understood.
    public var feedback: Feedback = [.nack, .pli, .fir, .transportCC, .remb]
    /// Simulcast layers of one m-line: browsers send three.
    public var maximumLayers = 4
    /// Audio slots of a client: more are refused.
    public var maximumAudioSlots = 8
    /// Video slots of a client: more are refused.
    public var maximumVideoSlots = 49
    /// m-lines of each kind by which a client sends; camera and screen, and room for two more. More are refused.
    public var maximumPublished = 4
    /// Whether publishers are asked to send little while nobody speaks.
    public var usesDTX = false

    /// All that Roost can do.
    public init() {}
}

/// What the node says of itself in an answer.
public struct LocalTransport: Sendable {
    /// Its credentials: the same ones until an offer restarts ICE.
    public var ice: ICECredentials
    /// Of its certificate.
    public var fingerprints: [Fingerprint]
    /// Its addresses.
    public var candidates: [CandidateDescription]

    /// These values.
    public init(ice: ICECredentials, fingerprints: [Fingerprint], candidates: [CandidateDescription]) {
        self.ice = ice
        self.fingerprints = fingerprints
        self.candidates = candidates
    }
}

/// A slot that wants a source, the first time its m-line is answered.
public struct SlotRequest: Sendable {
    /// Its name.
    public let mid: String
    /// Which m-line it is.
    public let index: Int
    /// Audio or video.
    public let kind: MediaKind
    /// Which of its kind it is, from 0: audio slot k and video slot k make a pair.
    public let ordinal: Int
}

/// What the node sends into a slot, as the answer declares it; for as long as the connection lasts.
public struct SlotSource: Sendable, Equatable {
    /// Its packets.
    public var ssrc: UInt32
    /// Its packets sent again; nil for sound.
    public var rtx: UInt32?
    /// Shared by a pair, so that browsers keep lips in sync.
    public var cname: String
    /// The MediaStream's id: shared by a pair.
    public var stream: String
    /// The track's id: its own.
    public var track: String

    /// These values.
    public init(ssrc: UInt32, rtx: UInt32?, cname: String, stream: String, track: String) {
        self.ssrc = ssrc
        self.rtx = rtx
        self.cname = cname
        self.stream = stream
        self.track = track
    }

    /// Names made of the ordinal, so that audio slot k and video slot k share cname and stream.
    public init(_ request: SlotRequest, ssrc: UInt32, rtx: UInt32?) {
        let pair = "slot-\(request.ordinal)"
        self.init(ssrc: ssrc, rtx: rtx, cname: pair, stream: pair, track: "\(request.kind.name)-\(request.ordinal)")
    }
}
