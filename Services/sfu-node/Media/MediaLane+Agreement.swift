import MediaInterface
import RTP
import SDP
import Time

// What an offer and its answer mean for sources and slots.
extension MediaLane {
    /// Makes what a new answer added. M-lines are never taken away, so nothing else changes.
    mutating func agree(_ index: Int, now: Instant) {
        let session = connections[index].session
        var map = connections[index].extensions
        map.allowsTwoByteForm = false
        for media in session.media {
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
        rooms[connections[index].room].needsMapping = true
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
        guard let track = addTrack(source, ssrc: ssrc, rid: nil, codec: codec, now: now) else { return }
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
        for kind in ExtensionKind.allCases {
            guard let known = HeaderExtension(uri: kind.uri), media.extensions[kind] != 0 else { continue }
            ids[known] = media.extensions[kind]
        }
        let ssrc = SSRC(rawValue: source.ssrc)
        let slot = slots.insert(
            Slot(
                connection: index, mid: media.mid, ordinal: media.ordinal, isVideo: isVideo, ssrc: ssrc,
                cname: Array(source.cname.utf8), codecs: codecs,
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
            let told = connections[index].published.first { StreamLabel($0.mid) == mid }
            if sources[source].kind != told?.source || sources[source].isMuted != (told?.muted ?? false) {
                rooms[connections[index].room].needsMapping = true
            }
            sources[source].kind = told?.source
            sources[source].isMuted = told?.muted ?? false
            sources[source].isSilenced = false
        }
    }

    // MARK: Tracks

    /// A stream of packets is known now. Nil where one connection has too many.
    mutating func addTrack(
        _ source: Int, ssrc: SSRC, rid: StreamLabel?, codec: NegotiatedCodec, now: Instant
    ) -> Int? {
        let index = sources[source].connection
        guard connections[index].ssrcs.count < 48, let media = codec.kind.media else { return nil }
        let isVideo = sources[source].isVideo
        // As pages of ours name them: the lowest first, each half as high as the next.
        let rids = sources[source].rids
        let rank = rid.flatMap { rids.firstIndex(of: $0) } ?? 0
        // 512 packets of 2.5 Mbit/s video are 2 s: more than any retransmission is worth waiting for.
        let track = tracks.insert(
            Track(
                source: source, connection: index, ssrc: ssrc, rid: rid, isVideo: isVideo, clockRate: codec.clockRate,
                codec: media, payloadType: PayloadType(rawValue: codec.payloadType),
                statistics: ReceptionStatistics(ssrc: ssrc, clockRate: codec.clockRate),
                losses: isVideo ? LossDetector() : nil, ring: isVideo ? PacketRing(capacity: 512) : nil,
                clock: SenderReportClock(clockRate: codec.clockRate), lastPacketAt: now,
                width: 1_280 >> max(0, rids.count - 1 - rank), height: 720 >> max(0, rids.count - 1 - rank)))
        // Lowest layer first.
        var at = 0
        for other in sources[source].tracks {
            let otherRank = tracks[other].rid.flatMap { rids.firstIndex(of: $0) } ?? 0
            if otherRank < rank { at += 1 }
        }
        sources[source].tracks.insert(track, at: at)
        byTrackSSRC[TrackKey(connection: index, ssrc: ssrc)] = TrackPlace(track: track, isRTX: false)
        connections[index].ssrcs.append(ssrc)
        rooms[connections[index].room].needsMapping = true
        return track
    }

    mutating func learn(rtx ssrc: SSRC, _ track: Int) {
        let index = tracks[track].connection
        guard connections[index].ssrcs.count < 48 else { return }
        tracks[track].rtx = ssrc
        byTrackSSRC[TrackKey(connection: index, ssrc: ssrc)] = TrackPlace(track: track, isRTX: true)
        connections[index].ssrcs.append(ssrc)
    }

    mutating func remove(source: Int) {
        for slot in sources[source].subscribers { clear(slot) }
        let index = sources[source].connection
        for track in sources[source].tracks {
            byTrackSSRC[TrackKey(connection: index, ssrc: tracks[track].ssrc)] = nil
            if let rtx = tracks[track].rtx { byTrackSSRC[TrackKey(connection: index, ssrc: rtx)] = nil }
            tracks.remove(track)
        }
        sources.remove(source)
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
        slots[slot].pause = nil
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
