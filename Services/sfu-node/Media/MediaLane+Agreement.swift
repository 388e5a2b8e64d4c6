import MediaInterface
import RTP
import SDP
import SRTP
import Time

// What an offer and its answer mean for sources and slots.
extension MediaLane {
    /// Makes what a new answer added. M-lines are never taken away, so nothing else changes.
    mutating func agree(_ index: Int, now: Instant) {
        let session = connections[index].session
        var map = connections[index].extensions
        for media in session.media {
            if media.allowsMixedExtensions { map.allowsTwoByteForm = true }
            for kind in ExtensionKind.allCases {
                guard let known = HeaderExtension(uri: kind.uri), media.extensions[kind] != 0 else { continue }
                map[known] = media.extensions[kind]
            }
        }
        connections[index].extensions = map
        for media in session.media {
            switch media.role {
            case .publish: agree(publishing: media, index, now: now)
            case .slot: agree(slot: media, index, now: now)
            case .application, .rejected: break
            }
        }
        label(index)
        mapAnew(connections[index].room)
    }

    private mutating func agree(publishing media: NegotiatedMedia, _ index: Int, now: Instant) {
        guard let mid = StreamLabel(media.mid) else { return }
        for source in connections[index].sources where sources[source].mid == mid { return }
        let source = sources.insert(
            Source(
                connection: index, mid: mid, isVideo: media.kind == .video,
                rids: media.rids.compactMap { StreamLabel($0.rid) }))
        connections[index].sources.append(source)
        guard media.rids.isEmpty, let declared = media.sources.first else { return }
        // Declared, so its first packet needs no extension to be known.
        guard let codec = media.codecs.first(where: { $0.kind.media != nil }) else { return }
        let ssrc = SSRC(rawValue: declared.ssrc)
        guard let track = addTrack(source, ssrc: ssrc, rid: nil, codec: codec, in: media, now: now) else { return }
        if let rtx = declared.rtx { learn(rtx: SSRC(rawValue: rtx), track) }
    }

    private mutating func agree(slot media: NegotiatedMedia, _ index: Int, now: Instant) {
        guard let source = media.slot else { return }
        for slot in connections[index].slots where slots[slot].mid == media.mid { return }
        let isVideo = media.kind == .video
        let codecs = media.codecs.compactMap { codec -> Slot.Codec? in
            guard let kind = codec.kind.media else { return nil }
            return Slot.Codec(
                codec: kind, payloadType: PayloadType(rawValue: codec.payloadType),
                rtxPayloadType: codec.rtxPayloadType.map { PayloadType(rawValue: $0) })
        }
        var ids = HeaderExtensionMap()
        ids.allowsTwoByteForm = media.allowsMixedExtensions
        for kind in ExtensionKind.allCases {
            guard let known = HeaderExtension(uri: kind.uri), media.extensions[kind] != 0 else { continue }
            ids[known] = media.extensions[kind]
        }
        let ssrc = SSRC(rawValue: source.ssrc)
        let slot = slots.insert(
            Slot(
                connection: index, number: connections[index].number, mid: media.mid, ordinal: media.ordinal,
                isVideo: isVideo, ssrc: ssrc,
                cname: Array(source.cname.utf8), codecs: codecs, red: media.red,
                extensions: ReceiverExtensions(ids: ids, mid: StreamLabel(media.mid)),
                rewriter: StreamRewriter(
                    ssrc: ssrc, codec: isVideo ? codecs.first?.codec ?? .vp8 : .opus,
                    firstSequenceNumber: SequenceNumber(rawValue: .random(in: 0...0x7fff, using: &random)),
                    firstTimestamp: RTPTimestamp(rawValue: .random(in: 0 ... .max, using: &random)),
                    history: isVideo ? 1_024 : 128),
                rtx: source.rtx.map { rtx in
                    RTXStream(
                        ssrc: SSRC(rawValue: rtx),
                        payloadType: codecs.first?.rtxPayloadType ?? PayloadType(rawValue: 0),
                        firstSequenceNumber: SequenceNumber(rawValue: .random(in: 0...0x7fff, using: &random)))
                }, reportAt: now))
        connections[index].slots.append(slot)
        bySlotSSRC[ssrc] = slot
    }

    /// Gives sources the meaning that the client told.
    mutating func label(_ index: Int) {
        for source in connections[index].sources {
            let mid = sources[source].mid
            // A camera is no sound, whatever a client says: it would take the slots of others.
            let told = connections[index].published.first {
                connections[index].maySend && StreamLabel($0.mid) == mid
                    && $0.source.isVideo == sources[source].isVideo
            }
            let isMuted = told?.muted ?? false
            if sources[source].kind != told?.source || sources[source].isMuted != isMuted {
                mapAnew(connections[index].room)
            }
            // What a host silenced goes on when its own member muted it, and unmutes it later.
            if sources[source].isMuted, !isMuted { sources[source].isSilenced = false }
            sources[source].kind = told?.source
            sources[source].isMuted = isMuted
        }
    }

    // MARK: Tracks

    /// A stream of packets is known now. Nil where one connection has too many.
    mutating func addTrack(
        _ source: Int, ssrc: SSRC, rid: StreamLabel?, codec: NegotiatedCodec, in agreed: NegotiatedMedia, now: Instant
    ) -> Int? {
        let index = sources[source].connection
        guard connections[index].ssrcs.count < MediaLane.streamLimit, let media = codec.kind.media else { return nil }
        let isVideo = sources[source].isVideo
        let place = sources[source].place(of: rid)
        let size = sources[source].usualSize(of: place)
        // 512 packets of 2.5 Mbit/s video are 2 s: more than any retransmission is worth waiting for. A lower layer has fewer.
        let capacity = max(64, 512 >> (sources[source].layerCount - 1 - place))
        let track = tracks.insert(
            Track(
                source: source, connection: index, ssrc: ssrc, rid: rid, isVideo: isVideo, clockRate: codec.clockRate,
                codec: media, payloadType: PayloadType(rawValue: codec.payloadType), red: agreed.red,
                statistics: ReceptionStatistics(ssrc: ssrc, clockRate: codec.clockRate),
                losses: isVideo ? LossDetector() : nil, ring: isVideo ? PacketRing(capacity: capacity) : nil,
                clock: SenderReportClock(clockRate: codec.clockRate), lastPacketAt: now, flowsSince: now,
                width: size.width, height: size.height))
        // Lowest layer first.
        var at = 0
        for other in sources[source].tracks {
            if sources[source].place(of: tracks[other].rid) < place { at += 1 }
        }
        sources[source].tracks.insert(track, at: at)
        byTrackSSRC[TrackKey(connection: index, ssrc: ssrc)] = TrackPlace(track: track, isRTX: false)
        connections[index].ssrcs.append(ssrc)
        mapAnew(connections[index].room)
        return track
    }

    mutating func learn(rtx ssrc: SSRC, _ track: Int) {
        let index = tracks[track].connection
        // Another one than before: the old one would point to whatever comes under the track's number later.
        if let old = tracks[track].rtx { forget(old, of: index) }
        guard connections[index].ssrcs.count < MediaLane.streamLimit else { return }
        tracks[track].rtx = ssrc
        byTrackSSRC[TrackKey(connection: index, ssrc: ssrc)] = TrackPlace(track: track, isRTX: true)
        connections[index].ssrcs.append(ssrc)
    }

    mutating func remove(source: Int) {
        for slot in sources[source].subscribers { clear(slot) }
        for track in sources[source].tracks { remove(track: track) }
        sources.remove(source)
    }

    private mutating func remove(track: Int) {
        let index = tracks[track].connection
        for ssrc in [tracks[track].ssrc, tracks[track].rtx].compactMap({ $0 }) { forget(ssrc, of: index) }
        tracks.remove(track)
    }

    /// A track that another took the place of.
    mutating func retire(_ track: Int) {
        let source = tracks[track].source
        for slot in sources[source].subscribers {
            if slots[slot].current == track { slots[slot].current = nil }
            if slots[slot].target == track { slots[slot].target = nil }
        }
        sources[source].tracks.removeAll { $0 == track }
        remove(track: track)
    }

    private mutating func forget(_ ssrc: SSRC, of index: Int) {
        byTrackSSRC[TrackKey(connection: index, ssrc: ssrc)] = nil
        connections[index].ssrcs.removeAll { $0 == ssrc }
        connections[index].opener?.forget(ssrc: ssrc.rawValue)
    }

    mutating func remove(slot: Int) {
        if let source = slots[slot].source { sources[source].subscribers.removeAll { $0 == slot } }
        bySlotSSRC[slots[slot].ssrc] = nil
        slots.remove(slot)
    }

    /// The slot shows nothing.
    mutating func clear(_ slot: Int) {
        slots[slot].rewriter.stop()
        slots[slot].source = nil
        slots[slot].current = nil
        slots[slot].target = nil
        slots[slot].wish = nil
        slots[slot].pause = nil
    }
}

extension NegotiatedMedia {
    /// The number of Opus with earlier sound beside it; nil: not agreed on.
    var red: PayloadType? { codec(.red).map { PayloadType(rawValue: $0.payloadType) } }

    /// The codec of a stream's first packet, or that of its RTX: Opus also where earlier sound stands beside it.
    func wrapped(_ payloadType: PayloadType) -> (codec: NegotiatedCodec, isRTX: Bool)? {
        guard let found = codec(payloadType: payloadType.rawValue) else { return nil }
        guard found.codec.kind == .red else { return found }
        return codec(.opus).map { ($0, false) }
    }
}

extension CodecKind {
    /// As packets know it; nil for what only wraps another.
    var media: MediaCodec? {
        switch self {
        case .opus: .opus
        case .vp8: .vp8
        case .vp9: .vp9
        case .h264: .h264
        case .av1: .av1
        case .red: nil
        }
    }
}
