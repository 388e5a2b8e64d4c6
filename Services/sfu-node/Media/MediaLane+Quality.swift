import DTLS
import ICE
import MediaInterface
import PacketIO
import RTP
import Time

// Which layer each slot gets, who is paused and why, and which layers nobody takes.
extension MediaLane {
    /// How long a layer that nobody takes goes on: a tile that grows again finds it there.
    private static let layerHold = Interval.seconds(2)

    /// Everything that is due.
    mutating func timeout(_ out: inout LoopIO, _ now: Instant) {
        guard now >= nextTick else { return }
        nextTick = now + .milliseconds(10)
        mapRooms(now)
        for index in 0..<connections.endIndex where connections.contains(index) {
            settleTimers(index, &out, now)
            guard connections.contains(index) else { continue }
            report(index, &out, now)
            if let bytes = connections[index].downlink.probe(now: now) { probe(index, bytes, &out, now) }
            if let due = connections[index].downlink.probeDeadline { nextTick = min(nextTick, due) }
            if now >= connections[index].downlink.chooseAt {
                connections[index].downlink.chooseAt = now + .milliseconds(200)
                connections[index].downlink.timeout(now: now)
                choose(index, now)
            }
        }
        for room in 0..<rooms.endIndex where rooms.contains(room) && now >= rooms[room].speakersAt {
            rooms[room].speakersAt = now + .milliseconds(200)
            tellSpeakers(room, now)
            pauseLayers(room, now)
        }
    }

    private mutating func settleTimers(_ index: Int, _ out: inout LoopIO, _ now: Instant) {
        if let due = connections[index].ice.nextDeadline, due <= now, connections[index].ice.timeout(now: now) != nil {
            return lose(index, "no packets")
        }
        if let due = connections[index].dtls.nextDeadline, due <= now {
            let event = connections[index].dtls.timeout(now: now)
            settle(event, index, &out, now)
        }
    }

    // MARK: Layers

    /// Chooses for each picture of a receiver the layer that fits its tile and, over all, the estimate of its downlink.
    mutating func choose(_ index: Int, _ now: Instant) {
        guard connections[index].appliedNumber > 0 else { return }
        var requests: [Downlink.Request] = []
        var sound = 0
        for slot in connections[index].slots {
            guard let source = slots[slot].source else { continue }
            guard slots[slot].isVideo else {
                for track in sources[source].tracks { sound += tracks[track].rate.bitsPerSecond(now: now) }
                continue
            }
            let rids = sources[source].rids
            var layers: [Downlink.LayerRequest] = []
            for track in sources[source].tracks where now - tracks[track].lastPacketAt < .seconds(2) {
                layers.append(
                    Downlink.LayerRequest(
                        track: track, place: tracks[track].rid.flatMap { rids.firstIndex(of: $0) } ?? 0,
                        rate: tracks[track].rate.bitsPerSecond(now: now), width: tracks[track].width,
                        height: tracks[track].height))
            }
            guard !layers.isEmpty else { continue }
            requests.append(
                Downlink.Request(
                    slot: slot, source: source, width: slots[slot].width, height: slots[slot].height, layers: layers))
        }
        for choice in connections[index].downlink.choose(requests, sound: sound, now: now) { take(choice, now) }
        tellQuality(index, now)
    }

    private mutating func take(_ choice: Downlink.Choice, _ now: Instant) {
        let slot = choice.slot
        guard let track = choice.track else {
            slots[slot].pause = .bandwidth
            slots[slot].rewriter.stop()
            slots[slot].current = nil
            slots[slot].target = nil
            return
        }
        slots[slot].pause = nil
        guard slots[slot].target != track || slots[slot].current == nil else { return }
        slots[slot].target = track
        if slots[slot].current != track { wantKeyFrame(track) }
    }

    private mutating func tellQuality(_ index: Int, _ now: Instant) {
        var paused: [MediaPause] = []
        var layers: [MediaLayer] = []
        for slot in connections[index].slots where slots[slot].isVideo {
            guard let source = slots[slot].source, let kind = sources[source].kind else { continue }
            let member = connections[sources[source].connection].member.member
            if let reason = slots[slot].pause {
                paused.append(MediaPause(member: member, source: kind, reason: reason))
            } else if let track = slots[slot].current, let rid = tracks[track].rid {
                layers.append(MediaLayer(member: member, source: kind, rid: "\(rid)"))
            }
        }
        let told = connections[index].quality
        let rate = connections[index].downlink.estimate
        // The rate alone is told when it changed by a fifth.
        let isNews = abs(Double(rate) - Double(told.downBitsPerSecond)) > 0.2 * Double(max(told.downBitsPerSecond, 1))
        guard isNews || paused != told.paused || layers != told.layers else { return }
        let quality = MediaQuality(paused: paused, layers: layers, downBitsPerSecond: UInt64(max(0, rate)))
        connections[index].quality = quality
        notices.post(connections[index].member, .quality(quality))
    }

    /// Tells publishers which of their layers somebody takes.
    private mutating func pauseLayers(_ room: Int, _ now: Instant) {
        for index in rooms[room].connections {
            for source in connections[index].sources where sources[source].rids.count > 1 {
                pauseLayers(source: source, index, now)
            }
        }
    }

    private mutating func pauseLayers(source: Int, _ index: Int, _ now: Instant) {
        let rids = sources[source].rids
        var taken: [Bool] = Array(repeating: false, count: rids.count)
        var wantsMore = false
        for slot in sources[source].subscribers {
            for track in [slots[slot].current, slots[slot].target].compactMap({ $0 }) {
                if let rank = tracks[track].rid.flatMap({ rids.firstIndex(of: $0) }) { taken[rank] = true }
            }
            // A large tile wants a layer that may be paused just now.
            if slots[slot].height > 0 {
                let rank = Downlink.wantedRank(height: slots[slot].height, layers: rids.count)
                taken[rank] = true
                wantsMore = true
            }
        }
        // The lowest goes on: whoever comes gets something at once.
        taken[0] = true
        let active = rids.indices.filter { taken[$0] }.map { "\(rids[$0])" }
        let told = sources[source].activeLayers
        guard active != told else {
            sources[source].layersShrinkAt = nil
            return
        }
        let grows = active.contains { !(told ?? []).contains($0) }
        if !grows, !wantsMore || told != nil {
            guard let due = sources[source].layersShrinkAt else {
                sources[source].layersShrinkAt = now + MediaLane.layerHold
                return
            }
            guard now >= due else { return }
        }
        sources[source].layersShrinkAt = nil
        sources[source].activeLayers = active
        notices.post(connections[index].member, .layers(mid: "\(sources[source].mid)", active: active))
    }

    // MARK: Speakers

    private mutating func tellSpeakers(_ room: Int, _ now: Instant) {
        let changed = rooms[room].speakers.decide(now: now)
        var levels: [MediaLevel] = []
        for voice in rooms[room].speakers.voices where voice.level < 70 {
            let level = (SpeakerDetector.meter(voice.level) * 20).rounded() / 20
            levels.append(MediaLevel(member: connections[voice.connection].member.member, level: level))
        }
        guard changed || levels != rooms[room].toldLevels else { return }
        rooms[room].toldLevels = levels
        let dominant = rooms[room].speakers.dominant.map { connections[$0].member.member }
        for index in rooms[room].connections where connections[index].appliedNumber > 0 {
            notices.post(connections[index].member, .speakers(dominant: dominant, levels: levels))
        }
        // More voices than slots: who speaks now should be heard.
        if changed { rooms[room].needsMapping = true }
    }
}
