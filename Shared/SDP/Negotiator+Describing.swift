/// An answer, and what it means.
public struct Answer: Sendable {
    /// For the client.
    public let description: SessionDescription
    /// For the media worker, and for the answer after this one.
    public let session: NegotiatedSession

    /// The text for the client.
    public var text: String { description.text }
}

extension Negotiator {
    /// Puts what was agreed into a description; nil if every m-line is refused.
    func describe(_ session: NegotiatedSession, _ offer: SessionDescription, _ local: LocalTransport)
        -> SessionDescription?
    {
        var answer = SessionDescription(sessionID: session.sessionID, version: session.version)
        answer.isICELite = true
        answer.allowsMixedExtensions = offer.allowsMixedExtensions
        answer.attributes = [Attribute("msid-semantic", " WMS *")]
        answer.media = zip(session.media, offer.media).map { agreed, section in
            switch agreed.role {
            case .application, .rejected: section.refused
            case .publish, .slot: describe(agreed, section, offer)
            }
        }
        let accepted = answer.media.indices.filter { answer.media[$0].port != 0 }
        guard let first = accepted.first else { return nil }
        answer.bundles = [accepted.compactMap { answer.media[$0].mid }]
        // By RFC 9143 §7.1.3 all of the transport stands in the first m-line of the bundle alone. But Firefox 153 crashes (the
        // whole page) on a bundled m-line for which it finds no fingerprint, and aiortc wants ICE credentials on each.
        answer.transport = TransportAttributes(fingerprints: local.fingerprints, setup: .passive)
        for index in accepted { answer.media[index].transport.ice = local.ice }
        // On the first for browsers, on the last for aiortc 1.16, which keeps those of the last m-line of a bundle.
        for index in [first, accepted.last ?? first] {
            answer.media[index].candidates = local.candidates
            answer.media[index].hasEndOfCandidates = true
        }
        // RFC 8839 §4.2.1.2: the m-line itself names a candidate, for whoever knows no ICE.
        if let candidate = local.candidates.first(where: { $0.transport == .udp }) {
            answer.media[first].port = max(candidate.port, 1)
            answer.media[first].connectionAddress = candidate.address
        }
        return answer
    }

    private func describe(_ agreed: NegotiatedMedia, _ section: MediaDescription, _ offer: SessionDescription)
        -> MediaDescription
    {
        // Port 9 stands for "see ICE" (RFC 9429 §5.3.1).
        var media = MediaDescription(kind: agreed.kind, port: 9, protocolName: section.protocolName)
        media.mid = agreed.mid
        media.isRTCPMultiplexed = true
        media.isRTCPReducedSize = section.isRTCPReducedSize
        media.allowsMixedExtensions = section.allowsMixedExtensions && !offer.allowsMixedExtensions
        media.extensions = section.extensions.compactMap { mapping in
            guard let kind = ExtensionKind(uri: mapping.uri), UInt16(agreed.extensions[kind]) == mapping.id else {
                return nil
            }
            return ExtensionMapping(id: mapping.id, direction: mapping.direction?.reversed, uri: mapping.uri)
        }
        for codec in agreed.codecs {
            media.add(codec, like: section, usesDTX: capabilities.usesDTX && agreed.role == .publish)
        }
        if let slot = agreed.slot {
            media.direction = agreed.isActive ? .sendonly : .inactive
            media.declare(slot, withRTX: agreed.codecs.contains { $0.rtxPayloadType != nil })
        } else {
            media.direction = agreed.isActive ? .recvonly : .inactive
            media.rids = agreed.rids.map { RIDDescription(id: $0.rid, direction: .recv) }
            if section.simulcast != nil, !agreed.rids.isEmpty {
                media.simulcast = SimulcastDescription(recv: agreed.rids.map { [.init(rid: $0.rid)] })
            }
        }
        return media
    }
}

extension MediaDescription {
    /// The answer that says no, but keeps place and name (RFC 9429 §5.3.1).
    fileprivate var refused: MediaDescription {
        var media = MediaDescription(kind: kind, port: 0, protocolName: protocolName, formats: [formats.first ?? "0"])
        media.mid = mid
        media.direction = .inactive
        return media
    }

    /// Adds a codec and its RTX with the payload types and names that the offer gave them.
    fileprivate mutating func add(_ codec: NegotiatedCodec, like offered: MediaDescription, usesDTX: Bool) {
        let name = offered.codecs.first { $0.payloadType == codec.payloadType }?.name ?? codec.kind.name
        append(
            CodecDescription(
                payloadType: codec.payloadType, name: name, clockRate: codec.clockRate,
                channels: codec.kind.isAudio ? codec.channels : nil,
                parameters: codec.answerParameters(usesDTX: usesDTX),
                feedback: codec.feedback.texts))
        if let rtx = codec.rtxPayloadType {
            append(
                CodecDescription(
                    payloadType: rtx, name: "rtx", clockRate: codec.clockRate,
                    parameters: FormatParameters("apt=\(codec.payloadType)")))
        }
    }

    mutating func append(_ codec: CodecDescription) {
        codecs.append(codec)
        formats.append(String(codec.payloadType))
    }

    /// Declares what goes into a slot.
    fileprivate mutating func declare(_ slot: SlotSource, withRTX: Bool) {
        let stream = MediaStreamID(stream: slot.stream, track: slot.track)
        streams = [stream]
        sources = [SourceDescription(ssrc: slot.ssrc, cname: slot.cname, stream: stream)]
        if withRTX, let rtx = slot.rtx {
            sourceGroups = [SourceGroup(semantics: "FID", ssrcs: [slot.ssrc, rtx])]
            sources.append(SourceDescription(ssrc: rtx, cname: slot.cname, stream: stream))
        }
    }
}

extension NegotiatedCodec {
    /// What our `a=fmtp` says. The same as the offer's, but for what a receiver says of its own limits (RFC 7741 §6.1): those
    /// are the client's, and a node has none.
    func answerParameters(usesDTX: Bool) -> FormatParameters {
        switch kind {
        case .vp8: FormatParameters("")
        case .vp9: FormatParameters(parameters["profile-id"].map { "profile-id=\($0)" } ?? "")
        case .opus where usesDTX && parameters["usedtx"] == nil:
            FormatParameters(parameters.text.isEmpty ? "usedtx=1" : parameters.text + ";usedtx=1")
        default: parameters
        }
    }
}
