import Bytes
import MediaInterface
import PacketIO
import RTP
import SRTP
import Time

// Reports and wishes, both ways (RFC 3550 §6, RFC 4585, RFC 5104).
extension MediaLane {
    /// How often a key frame is asked for while none comes: more often floods a sender whose encoder takes its time.
    static let keyFrameEvery = Interval.milliseconds(500)

    mutating func receiveRTCP(_ bytes: RawSpan, _ index: Int, _ out: inout LoopIO, _ now: Instant) {
        var reader = RTCPReader(bytes)
        do throws(RTPError) {
            while let packet = try reader.next() {
                try receive(packet, index, &out, now)
            }
        } catch {
            counters.drop(.malformed)
        }
    }

    private mutating func receive(
        _ packet: RTCPPacket, _ index: Int, _ out: inout LoopIO, _ now: Instant
    ) throws(RTPError) {
        switch packet.kind {
        case .senderReport:
            guard let report = packet.senderReport(),
                let place = byTrackSSRC[TrackKey(connection: index, ssrc: report.ssrc)], !place.isRTX
            else { return }
            connections[index].clock.receive(report.ntp, now: now)
            tracks[place.track].clock.receive(report, now: now)
            tracks[place.track].statistics.receive(report, now: now)
            receiveBlocks(packet, index, now)
        case .receiverReport: receiveBlocks(packet, index, now)
        case .nack:
            guard let media = packet.media, let slot = bySlotSSRC[media], slots[slot].connection == index else {
                return
            }
            packet.forEachNACK { number in retransmit(number, slot, &out, now) }
        case .pictureLoss:
            guard let media = packet.media, let slot = bySlotSSRC[media], slots[slot].connection == index else {
                return
            }
            askForKeyFrame(slot, now)
        case .fullIntra:
            packet.forEachFullIntra { ssrc, number in
                guard let slot = bySlotSSRC[ssrc], slots[slot].connection == index,
                    connections[index].lastFIR[ssrc] != number
                else { return }
                connections[index].lastFIR[ssrc] = number
                askForKeyFrame(slot, now)
            }
        case .receiverBitRate:
            if let rate = packet.receiverBitRate() { connections[index].downlink.cap(rate.bitsPerSecond, now: now) }
        case .transportWide:
            if let feedback = try packet.transportFeedback() { connections[index].downlink.receive(feedback, now: now) }
        default: break
        }
    }

    private mutating func receiveBlocks(_ packet: RTCPPacket, _ index: Int, _ now: Instant) {
        for number in 0..<packet.reportBlockCount {
            let block = packet.reportBlock(at: number)
            guard let slot = bySlotSSRC[block.ssrc], slots[slot].connection == index else { continue }
            guard let roundTrip = block.roundTrip(now: NTPTime(now)) else { continue }
            connections[index].downlink.report(roundTrip: roundTrip, fractionLost: block.fractionLost, now: now)
        }
    }

    // MARK: Key frames

    /// A receiver cannot go on without a key frame: it is asked for until it comes.
    mutating func wantKeyFrame(_ track: Int) {
        tracks[track].needsKeyFrame = true
        tickOnTime()
    }

    /// Passes a receiver's wish on, or keeps it for later.
    mutating func askForKeyFrame(_ slot: Int, _ now: Instant) {
        // What is asked for already costs nothing more.
        guard let track = slots[slot].current ?? slots[slot].target, !tracks[track].needsKeyFrame,
            slots[slot].wishes.grant(now)
        else { return }
        wantKeyFrame(track)
    }

    private mutating func askForKeyFrames(_ index: Int, _ out: inout LoopIO, _ now: Instant) {
        for source in connections[index].sources {
            for track in sources[source].tracks where tracks[track].needsKeyFrame {
                if let asked = tracks[track].keyFrameAskedAt, now - asked < MediaLane.keyFrameEvery { continue }
                // Nothing comes of this layer: nobody would hear.
                guard now - tracks[track].lastPacketAt < .seconds(3) else { continue }
                tracks[track].keyFrameAskedAt = now
                counters.keyFrameRequests += 1
                let (sender, media) = (connections[index].reportSSRC, tracks[track].ssrc)
                sendRTCP(index, &out) { output throws(RTPError) in
                    try RTCPWriter.pictureLoss(sender: sender, media: media, to: &output)
                }
            }
        }
    }

    // MARK: The tick

    /// What a connection is owed by now.
    mutating func report(_ index: Int, _ out: inout LoopIO, _ now: Instant) {
        guard connections[index].sealer != nil, connections[index].path != nil else { return }
        askForKeyFrames(index, &out, now)
        askForLosses(index, &out, now)
        if now >= connections[index].feedbackAt, !connections[index].arrivals.isEmpty {
            connections[index].feedbackAt = now + .milliseconds(100)
            feedBack(index, &out)
        }
        if now >= connections[index].reportAt {
            // Not all at the same time.
            connections[index].reportAt = now + .milliseconds(.random(in: 800...1_200, using: &random))
            reportReception(index, &out, now)
        }
        reportSending(index, &out, now)
    }

    private mutating func askForLosses(_ index: Int, _ out: inout LoopIO, _ now: Instant) {
        for source in connections[index].sources {
            for track in sources[source].tracks {
                guard let due = tracks[track].losses?.nextDeadline else { continue }
                tickOnTime()
                guard due <= now else { continue }
                let (sender, media) = (connections[index].reportSSRC, tracks[track].ssrc)
                // Until the client reports: what is far for a call.
                let roundTrip = connections[index].downlink.roundTrip ?? .milliseconds(100)
                guard var losses = tracks[track].losses.take() else { continue }
                var gaveUp = 0
                sendRTCP(index, &out) { output throws(RTPError) in
                    let outcome = try losses.writeNACK(
                        sender: sender, media: media, roundTrip: roundTrip, now: now, to: &output)
                    gaveUp = outcome.gaveUp
                }
                tracks[track].losses = consume losses
                // Nobody can show what builds on it: sooner than receivers find out, who wait for it some seconds.
                if gaveUp > 0, isShown(track) { wantKeyFrame(track) }
            }
        }
    }

    private func isShown(_ track: Int) -> Bool {
        let subscribers = sources[tracks[track].source].subscribers.span
        for index in subscribers.indices where slots[subscribers[index]].current == track { return true }
        return false
    }

    /// Transport-wide feedback: what came when, for the sender's estimate.
    private mutating func feedBack(_ index: Int, _ out: inout LoopIO) {
        guard let media = connections[index].ssrcs.first else { return }
        let sender = connections[index].reportSSRC
        var more = true
        var tries = 0
        while more, tries < 8 {
            more = false
            tries += 1
            guard let path = connections[index].path else { return }
            send(path, &out) { lane, output, start in
                do {
                    more = try lane.connections[index].arrivals.write(sender: sender, media: media, to: &output)
                    guard output.byteCount > start else { return output.removeAll() }
                    try lane.connections[index].sealer?.sealRTCP(&output, from: start)
                } catch {
                    output.removeAll()
                }
            }
        }
    }

    private mutating func reportReception(_ index: Int, _ out: inout LoopIO, _ now: Instant) {
        var blocks: [ReportBlock] = []
        for source in connections[index].sources {
            for track in sources[source].tracks where now - tracks[track].lastPacketAt < .seconds(5) {
                guard blocks.count < RTCPWriter.blockLimit, let block = tracks[track].statistics.nextReport(now: now)
                else { continue }
                blocks.append(block)
            }
        }
        guard !blocks.isEmpty else { return }
        let sender = connections[index].reportSSRC
        sendRTCP(index, &out) { output throws(RTPError) in
            try RTCPWriter.receiverReport(sender: sender, blocks: blocks.span, to: &output)
        }
    }

    /// A sender report for each slot: what keeps lips in step, also right after what it shows changed.
    private mutating func reportSending(_ index: Int, _ out: inout LoopIO, _ now: Instant) {
        guard connections[index].isOpen, now >= connections[index].slotsReportAt else { return }
        // A slot that shows something new sets this back, so what shows nothing need not be looked at.
        connections[index].slotsReportAt = now + .seconds(1)
        for slot in connections[index].slots {
            guard let track = slots[slot].current, slots[slot].rewriter.packetCount > 0 else { continue }
            guard now >= slots[slot].reportAt else {
                connections[index].slotsReportAt = min(connections[index].slotsReportAt, slots[slot].reportAt)
                continue
            }
            let publisher = tracks[track].connection
            let report = tracks[track].clock.report(
                for: slots[slot].rewriter, publisher: connections[publisher].clock, now: now)
            slots[slot].reportAt = now + .seconds(1)
            let (ssrc, cname) = (slots[slot].ssrc, slots[slot].cname)
            sendRTCP(index, &out) { output throws(RTPError) in
                try RTCPWriter.senderReport(report, to: &output)
                try unsafe RTCPWriter.sourceDescription(ssrc, cname: cname.span.bytes, to: &output)
            }
        }
    }
}
