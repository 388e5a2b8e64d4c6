/// Answers the offers of a client, as a node does (RFC 9429 §5.3, RFC 9143, RFC 8853): a pure function.
///
/// The client always offers. m-lines by which it sends are answered `recvonly`, receive-only ones are slots and answered
/// `sendonly` with a source that stays the same; data channels and what nobody here understands are refused with port 0.
public struct Negotiator: Sendable {
    /// What is agreed to.
    public let capabilities: NodeCapabilities

    private let slotExtensions: Set<ExtensionKind>

    /// A negotiator with these capabilities.
    public init(capabilities: NodeCapabilities = NodeCapabilities()) {
        self.capabilities = capabilities
        slotExtensions = capabilities.extensions.subtracting(Self.publisherOnly)
    }

    /// Answers an offer.
    ///
    /// - Parameters:
    ///   - offer: the client's offer.
    ///   - local: the node's side; ask `offer.relation(to:)` whether its ICE credentials must be new.
    ///   - previous: what the answer before agreed on; nil for the first offer of a connection.
    ///   - sessionID: goes into `o=` of the first answer.
    ///   - slotSource: called once for each slot that is new, in the order of m-lines.
    public func answer(
        _ offer: SessionDescription, local: LocalTransport, previous: NegotiatedSession?, sessionID: UInt64,
        slotSource: (SlotRequest) -> SlotSource
    ) throws(NegotiationError) -> Answer {
        try check(offer, previous)
        let transport = offer.bundleTransport
        let bundled = offer.bundledMids
        guard !bundled.isEmpty else { throw .noBundle }
        guard let remoteICE = transport.ice, remoteICE.isWellFormed else { throw .noICECredentials }
        let fingerprints = transport.fingerprints.filter(\.isStrong)
        guard !fingerprints.isEmpty else { throw .noFingerprint }
        guard transport.setup != .passive, transport.setup != .holdconn else { throw .cannotBePassive }

        var places = Places(previous)
        let media = offer.media.enumerated().map { index, section in
            var section = section
            // Said once, it is said of each m-line (RFC 8285 §6).
            section.allowsMixedExtensions = section.allowsMixedExtensions || offer.allowsMixedExtensions
            return agree(section, index, bundled, previous, &places, slotSource)
        }
        let session = NegotiatedSession(
            sessionID: previous?.sessionID ?? sessionID, version: (previous?.version ?? 0) &+ 1, remoteICE: remoteICE,
            remoteFingerprints: fingerprints, media: media)
        guard let description = describe(session, offer, local) else { throw .noBundle }
        return Answer(description: description, session: session)
    }

    /// What must hold before any m-line is looked at: names, and m-lines that stay where they were.
    private func check(_ offer: SessionDescription, _ previous: NegotiatedSession?) throws(NegotiationError) {
        guard !offer.media.isEmpty else { throw .noMedia }
        var seen: Set<String> = []
        for (index, section) in offer.media.enumerated() {
            guard let mid = section.mid, mid.fitsHeaderExtension else {
                if section.isRefused, section.mid == nil { continue }
                throw .noMid(index: index)
            }
            guard seen.insert(mid).inserted else { throw .duplicateMid(mid) }
        }
        guard let previous else { return }
        guard previous.media.count <= offer.media.count else {
            throw .mediaRemoved(had: previous.media.count, has: offer.media.count)
        }
        // A refused m-line may be used again for something new (RFC 9429 §5.2.2), as browsers do with refused data channels.
        for (old, new) in zip(previous.media, offer.media) where old.role == .publish || old.role == .slot {
            guard old.mid == new.mid, old.kind == new.kind else { throw .mediaChanged(mid: old.mid) }
        }
    }

    /// What one m-line comes to.
    private func agree(
        _ section: MediaDescription, _ index: Int, _ bundled: Set<String>, _ previous: NegotiatedSession?,
        _ places: inout Places, _ slotSource: (SlotRequest) -> SlotSource
    ) -> NegotiatedMedia {
        let mid = section.mid ?? ""
        let refusal = NegotiatedMedia(
            index: index, mid: mid, kind: section.kind, role: section.kind == .application ? .application : .rejected,
            isActive: false)
        guard section.kind == .audio || section.kind == .video, bundled.contains(mid), section.isRTCPMultiplexed,
            section.protocolName.hasSuffix("RTP/SAVPF")
        else { return refusal }

        var earlier: NegotiatedMedia?
        if let previous, index < previous.media.count, previous.media[index].mid == mid {
            earlier = previous.media[index]
        }
        let isSlot: Bool
        switch earlier?.role {
        case .publish: isSlot = false
        case .slot: isSlot = true
        default:
            isSlot = section.direction == .recvonly
            guard places.hasRoom(isSlot, section.kind, capabilities) else { return refusal }
            earlier = nil
        }

        var agreed = NegotiatedMedia(
            index: index, mid: mid, kind: section.kind, role: isSlot ? .slot : .publish,
            isActive: isSlot ? section.direction.receives : section.direction.sends)
        let wanted = section.kind == .audio ? capabilities.audio : capabilities.video
        agreed.codecs = section.agreedCodecs(wanted, feedback: capabilities.feedback)
        guard !agreed.codecs.isEmpty else { return refusal }
        agreed.isReducedSizeRTCP = section.isRTCPReducedSize
        let isMixed = section.allowsMixedExtensions
        agreed.allowsMixedExtensions = isMixed
        if isSlot {
            agreed.extensions = section.agreedExtensions(slotExtensions, clientSends: false, isMixed: isMixed)
            agreed.ordinal = earlier?.ordinal ?? places.take(section.kind)
            agreed.slot =
                earlier?.slot
                ?? slotSource(SlotRequest(mid: mid, index: index, kind: section.kind, ordinal: agreed.ordinal))
        } else {
            agreed.extensions = section.agreedExtensions(
                capabilities.extensions, clientSends: true, isMixed: isMixed)
            agreed.rids = section.kind == .video ? section.sentLayers(atMost: capabilities.maximumLayers) : []
            agreed.sources = section.declaredSources
            agreed.stream = section.streams.first
            if earlier == nil { places.published(section.kind) }
        }
        return agreed
    }

    /// A slot shows one layer, and which one is the node's affair. The dependency descriptor counts frames of the publisher's stream,
    /// not of what a slot makes of several: Chromium 156 believed it, and decoded 2 frames in 12 s.
    private static let publisherOnly: Set<ExtensionKind> = [
        .rid, .repairedRID, .videoLayersAllocation, .dependencyDescriptor,
    ]
}

/// How many m-lines of each use a connection has.
private struct Places {
    private var slots: [MediaKind: Int] = [:]
    private var sending: [MediaKind: Int] = [:]
    private var nextOrdinal: [MediaKind: Int] = [:]

    init(_ previous: NegotiatedSession?) {
        for media in previous?.media ?? [] {
            if media.role == .slot {
                slots[media.kind, default: 0] += 1
                nextOrdinal[media.kind] = max(nextOrdinal[media.kind] ?? 0, media.ordinal + 1)
            } else if media.role == .publish {
                sending[media.kind, default: 0] += 1
            }
        }
    }

    func hasRoom(_ isSlot: Bool, _ kind: MediaKind, _ capabilities: NodeCapabilities) -> Bool {
        guard isSlot else { return sending[kind, default: 0] < capabilities.maximumPublished }
        return slots[kind, default: 0]
            < (kind == .audio ? capabilities.maximumAudioSlots : capabilities.maximumVideoSlots)
    }

    mutating func take(_ kind: MediaKind) -> Int {
        slots[kind, default: 0] += 1
        defer { nextOrdinal[kind, default: 0] += 1 }
        return nextOrdinal[kind, default: 0]
    }

    mutating func published(_ kind: MediaKind) { sending[kind, default: 0] += 1 }
}
