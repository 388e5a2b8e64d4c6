import Addresses
import Bytes
import DTLS
import ICE
import MediaInterface
import PacketIO
import RTP
import SDP
import SRTP
import STUN
import Time

// What comes in: told apart by its first byte (RFC 7983), and followed to the track it belongs to.
extension MediaLane {
    mutating func receive(_ batch: inout ReceiveBatch, _ out: inout LoopIO, _ now: Instant) {
        for index in 0..<batch.count where !batch.isTruncated(index) {
            let path = ICEPath(socket: batch.socket.index, local: batch.local(index), remote: batch.remote(index))
            unsafe batch.forEachSegment(index) { unsafe receive($0, path, &out, now) }
        }
    }

    /// A stream's bytes: frames of RFC 4571. Returns how many are done with.
    mutating func receive(_ path: ICEPath, _ bytes: RawSpan, _ out: inout LoopIO, _ now: Instant) -> Int {
        var offset = 0
        while let frame = ICEFraming.frame(in: bytes, at: offset) {
            offset = frame.upperBound
            guard frame.count > 0, frame.count <= LoopIO.datagramBytes else { continue }
            let message = bytes.extracting(frame)
            unsafe message.withUnsafeBytes { unsafe scratch.copyMemory(from: $0) }
            unsafe receive(UnsafeMutableRawBufferPointer(rebasing: scratch[0..<frame.count]), path, &out, now)
        }
        return offset
    }

    /// A stream ended.
    mutating func closed(_ path: ICEPath) {
        guard let index = byPath[path] else { return }
        forget(path, index)
        _ = connections[index].ice.closed(path)
        connections[index].path = connections[index].ice.best
    }

    /// A datagram, or a stream's frame.
    mutating func receive(
        _ buffer: UnsafeMutableRawBufferPointer, _ path: ICEPath, _ out: inout LoopIO, _ now: Instant
    ) {
        counters.received += 1
        let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(buffer))
        switch PacketKind(bytes) {
        case .stun: receiveCheck(bytes, path, &out, now)
        case .dtls:
            guard let index = connection(path) else { return counters.drop(.unknownPath) }
            let event = connections[index].dtls.receive(bytes, now: now)
            settle(event, index, &out, now)
        case .rtp:
            guard let index = connection(path) else { return counters.drop(.unknownPath) }
            unsafe receiveRTP(buffer, index, &out, now)
        case .rtcp:
            guard let index = connection(path) else { return counters.drop(.unknownPath) }
            guard connections[index].opener != nil else { return counters.drop(.notOpen) }
            do throws(SRTPError) {
                let length = try unsafe connections[index].opener?.openRTCP(buffer) ?? 0
                connections[index].ice.heard(now: now)
                let opened = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[0..<length]))
                receiveRTCP(opened, index, &out, now)
            } catch {
                counters.drop(error == .replayed ? .replayed : .forged)
            }
        case .turnChannel, .zrtp, .unknown: counters.drop(.malformed)
        }
    }

    @inline(__always)
    private mutating func connection(_ path: ICEPath) -> Int? {
        if path == lastPath { return lastConnection }
        guard let index = byPath[path] else { return nil }
        lastPath = path
        lastConnection = index
        return index
    }

    private mutating func forget(_ path: ICEPath, _ index: Int) {
        byPath[path] = nil
        lastPath = nil
        connections[index].paths.removeAll { $0 == path }
    }

    // MARK: ICE and DTLS

    /// Consent is renewed each five seconds or so (RFC 7675 §5.1).
    private static let takeover = Interval.seconds(12)

    private mutating func receiveCheck(_ bytes: RawSpan, _ path: ICEPath, _ out: inout LoopIO, _ now: Instant) {
        guard let ufrag = ICEUfrag(of: bytes), let index = byUfrag[ufrag] else {
            return counters.drop(.unknownPath)
        }
        var outcome = ICEOutcome.dropped(.malformed)
        send(path, &out) { lane, output, _ in
            outcome = lane.connections[index].ice.receive(bytes, path: path, now: now, to: &output)
        }
        guard case .answered(let change) = outcome else { return }
        if let evicted = change.evicted, byPath[evicted] == index { forget(evicted, index) }
        if byPath[path] != index {
            if let other = byPath[path] {
                // A check proves who sent it, not from where: sources of UDP can be forged. So an address that another connection
                // is heard from stays its; one that fell silent may have been given to somebody else by a NAT.
                guard connections[other].ice.isSilent(on: path, for: MediaLane.takeover, now: now) else {
                    _ = connections[index].ice.closed(path)
                    connections[index].path = connections[index].ice.best
                    return counters.drop(.foreignPath)
                }
                forget(path, other)
            }
            byPath[path] = index
            connections[index].paths.append(path)
            lastPath = nil
        }
        if change.restarted {
            for key in connections[index].ufrags.dropLast() where byUfrag[key] == index { byUfrag[key] = nil }
            connections[index].ufrags = Array(connections[index].ufrags.suffix(1))
        }
        let wasOpen = connections[index].isOpen
        connections[index].path = connections[index].ice.best
        if !wasOpen, connections[index].isOpen { mapAnew(connections[index].room) }
    }

    /// Takes what DTLS says, and sends what it wants to.
    mutating func settle(_ event: DTLSEvent?, _ index: Int, _ out: inout LoopIO, _ now: Instant) {
        if let path = connections[index].path ?? connections[index].paths.last {
            var more = true
            while more {
                more = false
                send(path, &out) { lane, output, _ in
                    more = lane.connections[index].dtls.nextDatagram(to: &output)
                }
            }
        }
        switch event {
        case nil: break
        case .connected(let keys):
            guard let srtp = SRTPKeys(profile: keys.profile, exported: keys.exported, isClient: keys.isClient) else {
                return lose(index, "no keys")
            }
            connections[index].ice.heard(now: now)
            connected(index, srtp, now)
        case .closed: lose(index, "closed")
        case .failed(let failure): lose(index, "\(failure)")
        }
    }

    /// The connection has its keys.
    mutating func connected(_ index: Int, _ keys: SRTPKeys, _ now: Instant) {
        do throws(SRTPError) {
            connections[index].opener = try SRTPOpener(keys.remote, maximumStreams: MediaLane.sourceLimit)
            connections[index].sealer = try SRTPSealer(keys.local)
        } catch {
            return lose(index, "no keys")
        }
        mapAnew(connections[index].room)
        tickNow(now)
    }

    // MARK: RTP

    private mutating func receiveRTP(
        _ buffer: UnsafeMutableRawBufferPointer, _ index: Int, _ out: inout LoopIO, _ now: Instant
    ) {
        guard connections[index].opener != nil else { return counters.drop(.notOpen) }
        let length: Int
        do throws(SRTPError) {
            length = try unsafe connections[index].opener?.openRTP(buffer) ?? 0
        } catch {
            return counters.drop(error == .replayed ? .replayed : error == .tooManyStreams ? .tooManyStreams : .forged)
        }
        connections[index].ice.heard(now: now)
        connections[index].receivedBytes &+= UInt64(length)
        let opened = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[0..<length])
        let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(opened))
        do throws(RTPError) {
            let packet = try RTPPacket(parsing: bytes)
            let places = packet.extensions(connections[index].extensions)
            if let number = places.transportSequenceNumber(in: bytes) {
                connections[index].arrivals.receive(number, now: now)
            }
            guard connections[index].maySend else { return counters.drop(.mayNotSend) }
            let key = TrackKey(connection: index, ssrc: packet.header.ssrc)
            guard let place = byTrackSSRC[key] ?? learn(packet, places, index, now) else {
                return counters.drop(.unknownTrack)
            }
            guard place.isRTX else {
                return receive(packet, places, place.track, isRepair: false, &out, now)
            }
            try unsafe repair(opened, packet.header, place.track, &out, now)
        } catch {
            counters.drop(.malformed)
        }
    }

    /// A packet that was sent again: what it was is put back in place, and goes on as if it had come late.
    private mutating func repair(
        _ buffer: UnsafeMutableRawBufferPointer, _ header: RTPHeader, _ track: Int, _ out: inout LoopIO, _ now: Instant
    ) throws(RTPError) {
        // Probes of bandwidth are repairs of nothing.
        guard header.payloadByteCount > 2 else { return }
        var span = unsafe MutableRawSpan(_unsafeBytes: buffer)
        let start = try header.restoreRetransmitted(
            in: &span, as: tracks[track].ssrc, payloadType: tracks[track].payloadType)
        let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[start...]))
        let packet = try RTPPacket(parsing: bytes)
        counters.repaired += 1
        receive(
            packet, packet.extensions(connections[tracks[track].connection].extensions), track, isRepair: true, &out,
            now)
    }

    private mutating func receive(
        _ packet: RTPPacket, _ places: ExtensionPlaces, _ track: Int, isRepair: Bool, _ out: inout LoopIO,
        _ now: Instant
    ) {
        let header = packet.header
        var arrival = PacketArrival.newest
        var primary: RTPHeader?
        if !tracks[track].isVideo, header.payloadType != tracks[track].payloadType {
            // Nothing else than what was agreed on is sound, whatever slots would call it.
            guard header.payloadType == tracks[track].red else { return counters.drop(.noCodec) }
            primary = try? header.primary(in: packet.bytes)
            guard primary?.payloadType == tracks[track].payloadType else { return counters.drop(.malformed) }
        }
        if !tracks[track].flows(now) { tracks[track].flowsSince = now }
        tracks[track].lastPacketAt = now
        tracks[track].rate.add(bytes: packet.bytes.byteCount, now: now)
        tracks[track].statistics.receive(
            header, byteCount: packet.bytes.byteCount, isRetransmitted: isRepair, now: now)
        if tracks[track].isVideo {
            if header.payloadType != tracks[track].payloadType { changeCodec(track, header.payloadType) }
            arrival = tracks[track].losses?.receive(header.sequenceNumber, now: now) ?? .newest
            if tracks[track].losses?.nextDeadline != nil { tickOnTime() }
            _ = tracks[track].ring?.store(packet.bytes, sequenceNumber: header.sequenceNumber)
        } else if let level = places.audioLevel(in: packet.bytes) {
            let index = tracks[track].connection
            let source = tracks[track].source
            if !sources[source].isMuted, !sources[source].isSilenced, sources[source].kind == .microphone {
                rooms[connections[index].room].speakers.heard(index, level: level.level, now: now)
            }
        }
        forward(packet, primary, places, track, arrival, &out, now)
    }

    /// Finds the track of a stream that is new: by mid, and by rid or repaired rid (RFC 8852), or by its payload type's m-line.
    private mutating func learn(
        _ packet: RTPPacket, _ places: ExtensionPlaces, _ index: Int, _ now: Instant
    ) -> TrackPlace? {
        guard let mid = places.mid(in: packet.bytes) else { return nil }
        for source in connections[index].sources where sources[source].mid == mid {
            guard let media = media(index, mid),
                let found = media.wrapped(packet.header.payloadType)
            else { return nil }
            let rid = places.rid(in: packet.bytes)
            let repaired = places.repairedRID(in: packet.bytes)
            if found.isRTX {
                for track in sources[source].tracks where tracks[track].rid == (repaired ?? rid) {
                    learn(rtx: packet.header.ssrc, track)
                    return TrackPlace(track: track, isRTX: true)
                }
                return nil
            }
            // Each costs memory for its packets: a sender that changes its mind all the time is not followed.
            guard connections[index].mayBegin(now) else { return nil }
            if let rid {
                guard sources[source].rids.contains(rid) else { return nil }
                // The same layer under another SSRC: the sender began anew.
                for track in sources[source].tracks where tracks[track].rid == rid { retire(track) }
            } else {
                for track in sources[source].tracks { retire(track) }
            }
            return addTrack(source, ssrc: packet.header.ssrc, rid: rid, codec: found.codec, in: media, now: now)
                .map { TrackPlace(track: $0, isRTX: false) }
        }
        return nil
    }

    private func media(_ index: Int, _ mid: StreamLabel) -> NegotiatedMedia? {
        connections[index].session.media.first { StreamLabel($0.mid) == mid }
    }

    /// The sender took another of the agreed codecs.
    private mutating func changeCodec(_ track: Int, _ payloadType: PayloadType) {
        let source = tracks[track].source
        guard let media = media(tracks[track].connection, sources[source].mid),
            let found = media.codec(payloadType: payloadType.rawValue), !found.isRTX, let codec = found.codec.kind.media
        else { return }
        tracks[track].codec = codec
        tracks[track].payloadType = payloadType
    }
}
