/// What a node agreed to, seen by a client that made the offer.
public struct AnsweredSession: Sendable, Equatable {
    /// The node's credentials.
    public var remoteICE: ICECredentials
    /// Of the node's certificate.
    public var remoteFingerprints: [Fingerprint]
    /// Who starts DTLS, as the node says: `passive` means the client does.
    public var setup: Setup
    /// The node's addresses.
    public var candidates: [CandidateDescription]
    /// Whether the node leaves checks to the client.
    public var isICELite: Bool
    /// In the order of the m-lines.
    public var media: [AnsweredMedia]

    /// Reads the answer to an offer.
    public init(offer: SessionDescription, answer: SessionDescription) throws(NegotiationError) {
        guard answer.media.count == offer.media.count else {
            throw .mediaRemoved(had: offer.media.count, has: answer.media.count)
        }
        let transport = answer.bundleTransport
        guard let ice = transport.ice, ice.isWellFormed else { throw .noICECredentials }
        remoteICE = ice
        remoteFingerprints = transport.fingerprints.filter(\.isStrong)
        guard !remoteFingerprints.isEmpty else { throw .noFingerprint }
        setup = transport.setup ?? .active
        // The same stand on more than one m-line of the bundle.
        candidates = answer.media.first { !$0.candidates.isEmpty }?.candidates ?? []
        isICELite = answer.isICELite
        media = []
        for (index, pair) in zip(offer.media, answer.media).enumerated() {
            guard pair.0.mid == pair.1.mid, pair.0.kind == pair.1.kind else {
                throw .mediaChanged(mid: pair.0.mid ?? String(index))
            }
            let isMixed = answer.allowsMixedExtensions || pair.1.allowsMixedExtensions
            media.append(AnsweredMedia(index, offered: pair.0, answered: pair.1, isMixed: isMixed))
        }
    }

    /// The m-line of this mid.
    public subscript(mid mid: String) -> AnsweredMedia? { media.first { $0.mid == mid } }
}

/// One m-line, seen by the client.
public struct AnsweredMedia: Sendable, Equatable {
    /// Which m-line it is, from 0.
    public var index: Int
    /// Its name.
    public var mid: String
    /// Audio, video or application.
    public var kind: MediaKind
    /// `publish`: the client sends; `slot`: it receives.
    public var role: NegotiatedMedia.Role
    /// Whether media may go.
    public var isActive: Bool
    /// Both ends have these; the first one is what to send.
    public var codecs: [NegotiatedCodec]
    /// Both ends know these.
    public var extensions: ExtensionIDs
    /// The layers that the node takes.
    public var rids: [NegotiatedRID]
    /// What the node will send into a slot.
    public var sources: [DeclaredSource]
    /// The slot's MediaStream and track.
    public var stream: MediaStreamID?

    init(_ index: Int, offered: MediaDescription, answered: MediaDescription, isMixed: Bool) {
        self.index = index
        mid = answered.mid ?? ""
        kind = answered.kind
        isActive = answered.port != 0 && answered.direction != .inactive
        let sends = offered.direction.sends
        role = kind == .application ? .application : answered.port == 0 ? .rejected : sends ? .publish : .slot
        codecs = []
        extensions = ExtensionIDs()
        rids = []
        sources = answered.declaredSources
        stream = answered.streams.first
        guard role == .publish || role == .slot else { return }
        codecs = answered.agreedCodecs(
            answered.codecs.compactMap { CodecKind(name: $0.name.lowercased()) }, feedback: .all)
        extensions = answered.agreedExtensions(
            Set(ExtensionKind.allCases), clientSends: !sends, isMixed: isMixed)
        rids = (answered.simulcast?.recv ?? []).compactMap(\.first).map {
            NegotiatedRID(rid: $0.rid, isPaused: $0.isPaused)
        }
    }
}

extension Feedback {
    static let all: Feedback = [.nack, .pli, .fir, .transportCC, .remb]
}
