import Bytes
import CongestionControl
import ICE
import MediaInterface
import PacketIO
import RTP
import SRTP
import Time

// What goes out: rewritten for each receiver, sealed where it leaves from.
extension MediaLane {
    /// Sends on a path what `write` writes from its start on. Over TCP the length goes before it (RFC 4571).
    @inline(__always)
    mutating func send(
        _ path: ICEPath, _ out: inout LoopIO, _ write: (inout MediaLane, inout OutputRawSpan, Int) -> Void
    ) {
        switch path.transport {
        case .udp:
            out.append(socket: SocketID(path.socket), from: path.local, to: path.remote) { output in
                write(&self, &output, 0)
            }
        case .tcp:
            _ = out.write(stream: StreamID(path.socket)) { output in
                // Room for the length, known afterwards.
                guard (try? output.write(UInt16(0))) != nil else { return }
                write(&self, &output, 2)
                let length = output.byteCount - 2
                guard length > 0 else { return output.removeAll() }
                var bytes = output.mutableBytes
                bytes.store(UInt16(truncatingIfNeeded: length), at: 0)
            }
        }
    }

    /// A track's packet goes to every slot that shows it, and may be the key frame that others wait for.
    ///
    /// `primary` is for receivers that take no RED: the header of the same packet without its earlier sound; nil: it has none.
    @inline(__always)
    mutating func forward(
        _ packet: RTPPacket, _ primary: RTPHeader?, _ places: ExtensionPlaces, _ track: Int, _ arrival: PacketArrival,
        _ out: inout LoopIO,
        _ now: Instant
    ) {
        let source = tracks[track].source
        guard !sources[source].subscribers.isEmpty else { return }
        // What is muted is not heard, whatever its client sends.
        guard tracks[track].isVideo || !(sources[source].isSilenced || sources[source].isMuted) else {
            return hush(track)
        }
        let codec = tracks[track].codec
        var isKeyFrame = false
        var vp8: VP8Descriptor?
        if tracks[track].isVideo {
            if codec == .vp8 { vp8 = VP8Descriptor(parsing: packet.payload) }
            isKeyFrame = codec.isKeyFrameStart(
                packet.payload, dependencyDescriptor: places.value(.dependencyDescriptor, in: packet.bytes))
            // A key frame that starts late would begin a slot with a hole that nothing fills: what came behind it is gone by.
            // Whoever waits gets the next one.
            if isKeyFrame, arrival == .filledGap || arrival == .known { isKeyFrame = false }
            if isKeyFrame {
                tracks[track].needsKeyFrame = false
                if let vp8, let size = vp8.pictureSize(in: packet.payload) {
                    (tracks[track].width, tracks[track].height) = size
                }
            }
        }
        for number in sources[source].subscribers.indices {
            let slot = sources[source].subscribers[number]
            var equivalent: RTPTimestamp?
            if slots[slot].current != track {
                guard slots[slot].target == track, isKeyFrame || !slots[slot].isVideo,
                    connections[slots[slot].connection].isOpen, slots[slot].codec(codec) != nil
                else { continue }
                equivalent = begin(slot, track, packet.header.timestamp)
            }
            if let primary, !slots[slot].takesRED(wrapping: primary.payloadType) {
                let stripped = RTPPacket(packet.bytes, checked: primary)
                forward(stripped, isRED: false, places, vp8, codec, equivalent, to: slot, &out, now)
            } else {
                forward(packet, isRED: primary != nil, places, vp8, codec, equivalent, to: slot, &out, now)
            }
        }
    }

    /// Lets the slots of a muted sound rest: it goes on without a gap later.
    private mutating func hush(_ track: Int) {
        let subscribers = sources[tracks[track].source].subscribers.indices
        for number in subscribers {
            let slot = sources[tracks[track].source].subscribers[number]
            guard slots[slot].current != nil else { continue }
            slots[slot].rewriter.stop()
            slots[slot].current = nil
        }
    }

    /// The slot shows this track from its next packet on. Returns that packet's time on the clock of the layer before.
    private mutating func begin(_ slot: Int, _ track: Int, _ timestamp: RTPTimestamp) -> RTPTimestamp? {
        // Another layer of the same picture may still be asked for again; another picture may not.
        let before = slots[slot].current.flatMap { tracks[$0].source == tracks[track].source ? $0 : nil }
        slots[slot].rewriter.switchSource(to: tracks[track].ssrc, keepingHistory: before != nil)
        slots[slot].current = track
        slots[slot].reportAt = .zero
        connections[slots[slot].connection].slotsReportAt = .zero
        return before.flatMap { tracks[track].clock.translate(timestamp, to: tracks[$0].clock) }
    }

    @inline(__always)
    private mutating func forward(
        _ packet: RTPPacket, isRED: Bool, _ places: ExtensionPlaces, _ vp8: VP8Descriptor?, _ codec: MediaCodec,
        _ equivalent: RTPTimestamp?, to slot: Int, _ out: inout LoopIO, _ now: Instant
    ) {
        let index = slots[slot].connection
        guard connections[index].isOpen, let path = connections[index].path else { return counters.drop(.notOpen) }
        guard let numbering = slots[slot].codec(codec) else { return counters.drop(.noCodec) }
        var outgoing: OutgoingRTP
        switch slots[slot].rewriter.rewrite(packet.header, vp8: vp8, equivalent: equivalent, now: now) {
        case .forward(let rewritten): outgoing = rewritten
        case .fill(var filling):
            filling.payloadType = numbering.payloadType
            return pad(filling, byteCount: 1, slot, index, path, &out, now)
        case .drop(.sourceJumped):
            // Nobody could follow: on with the next key frame.
            slots[slot].target = slots[slot].current
            if let track = slots[slot].current { wantKeyFrame(track) }
            slots[slot].current = nil
            return counters.drop(.late)
        case .drop(.notCurrentSource), .drop(.beforeSwitch): return counters.drop(.beforeSwitch)
        case .drop(.skipped): return
        case .drop: return counters.drop(.late)
        }
        outgoing.payloadType = isRED ? slots[slot].red ?? numbering.payloadType : numbering.payloadType
        transmit(packet, places, &outgoing, slot, index, path, &out, now)
    }

    /// Writes, seals and sends one packet to one receiver.
    @inline(__always)
    mutating func transmit(
        _ packet: RTPPacket, _ places: ExtensionPlaces, _ outgoing: inout OutgoingRTP, _ slot: Int, _ index: Int,
        _ path: ICEPath, _ out: inout LoopIO, _ now: Instant
    ) {
        // Before it is written: what sealing adds is known to be at most this.
        if slots[slot].isNumbered {
            let number = connections[index].downlink.send(bytes: packet.header.payloadByteCount + 56, now: now)
            outgoing.transportSequenceNumber = SequenceNumber(rawValue: number)
        }
        outgoing.absoluteSendTime = AbsoluteSendTime(now)
        let written = outgoing
        var sent = 0
        send(path, &out) { lane, output, start in
            do {
                _ = try packet.write(written, from: places, for: lane.slots[slot].extensions, to: &output)
                try lane.connections[index].sealer?.sealRTP(&output, from: start)
                sent = output.byteCount - start
            } catch {
                lane.counters.drop(.noRoom)
                output.removeAll()
            }
        }
        guard sent > 0 else { return }
        connections[index].sentBytes &+= UInt64(sent)
        counters.forwarded += 1
    }

    /// What a repair counts for, whatever it measures: it is asked before it is looked up.
    private static let repairSize = ByteCount(1_200)

    /// Sends again what a receiver misses.
    mutating func retransmit(_ number: SequenceNumber, _ slot: Int, _ out: inout LoopIO, _ now: Instant) {
        let index = slots[slot].connection
        guard connections[index].isOpen, let path = connections[index].path, let source = slots[slot].source,
            let current = slots[slot].current,
            let repair = slots[slot].codec(tracks[current].codec)?.rtxPayloadType
        else { return }
        guard connections[index].repairs.take(MediaLane.repairSize, now: now) else { return counters.drop(.tooMany) }
        switch slots[slot].rewriter.retransmission(of: number) {
        case .notYet, .gone: return
        case .fill(let filling):
            guard var outgoing = slots[slot].rtx?.wrap(filling) else { return }
            outgoing.payloadType = repair
            pad(outgoing, byteCount: 1, slot, index, path, &out, now)
        case .packet(let origin):
            // By its place, as a loop over the array would retain it.
            for place in sources[source].tracks.indices {
                let track = sources[source].tracks[place]
                guard tracks[track].ssrc == origin.source else { continue }
                // The ring's bytes must stay where they are while they are written: taken out for the time being.
                guard let ring = tracks[track].ring.take() else { return }
                resend(origin, from: ring, track, repair, slot, path, &out, now)
                tracks[track].ring = consume ring
                return
            }
        }
    }

    private mutating func resend(
        _ origin: PacketOrigin, from ring: borrowing PacketRing, _ track: Int, _ repair: PayloadType, _ slot: Int,
        _ path: ICEPath, _ out: inout LoopIO, _ now: Instant
    ) {
        guard let bytes = ring.packet(origin.sequenceNumber), let packet = try? RTPPacket(parsing: bytes),
            var outgoing = slots[slot].rtx?.wrap(origin.outgoing(for: packet.header))
        else { return }
        outgoing.payloadType = repair
        let places = packet.extensions(connections[tracks[track].connection].extensions)
        transmit(packet, places, &outgoing, slot, slots[slot].connection, path, &out, now)
        counters.retransmitted += 1
    }

    /// Sends a packet of mere padding.
    private mutating func pad(
        _ outgoing: OutgoingRTP, byteCount: Int, _ slot: Int, _ index: Int, _ path: ICEPath, _ out: inout LoopIO,
        _ now: Instant
    ) {
        var outgoing = outgoing
        if slots[slot].isNumbered {
            let number = connections[index].downlink.send(bytes: byteCount + 56, now: now)
            outgoing.transportSequenceNumber = SequenceNumber(rawValue: number)
        }
        outgoing.absoluteSendTime = AbsoluteSendTime(now)
        let written = outgoing
        send(path, &out) { lane, output, start in
            do {
                _ = try RTPPacket.writePadding(
                    written, byteCount: byteCount, for: lane.slots[slot].extensions, to: &output)
                try lane.connections[index].sealer?.sealRTP(&output, from: start)
            } catch {
                output.removeAll()
            }
        }
    }

    /// Sends padding, to find out whether the downlink takes more: on a repair stream, where it disturbs nothing.
    mutating func probe(_ index: Int, _ bytes: Int, _ out: inout LoopIO, _ now: Instant) {
        guard connections[index].isOpen, let path = connections[index].path else { return }
        for slot in connections[index].slots where slots[slot].isVideo {
            // Also where everything is paused: nothing else could tell that there is room again.
            guard let payloadType = slots[slot].codecs.first?.rtxPayloadType else { continue }
            var left = bytes
            while left > 0 {
                let count = min(255, left)
                left -= count + 56
                let timestamp = slots[slot].rewriter.timestamp(at: now)
                guard var outgoing = slots[slot].rtx?.nextPadding(timestamp: timestamp) else { return }
                outgoing.payloadType = payloadType
                pad(outgoing, byteCount: count, slot, index, path, &out, now)
            }
            return
        }
    }

    /// Sends a report or a wish, sealed.
    mutating func sendRTCP(
        _ index: Int, _ out: inout LoopIO, _ write: (inout OutputRawSpan) throws(RTPError) -> Void
    ) {
        guard let path = connections[index].path, connections[index].sealer != nil else { return }
        send(path, &out) { lane, output, start in
            do {
                try write(&output)
                guard output.byteCount > start else { return output.removeAll() }
                try lane.connections[index].sealer?.sealRTCP(&output, from: start)
            } catch {
                output.removeAll()
            }
        }
    }
}
