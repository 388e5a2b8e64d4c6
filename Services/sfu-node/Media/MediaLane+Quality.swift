import CongestionControl
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

    private static let tickEvery = Interval.milliseconds(10)
    /// How much longer a tick waits for packets where nothing presses.
    private static let tickSlack = Interval.milliseconds(20)

    /// Everything that is due: called when packets came, and at `nextDeadline`.
    mutating func timeout(_ out: inout LoopIO, _ now: Instant) {
        guard now >= tickAt else { return }
        tickAt = now + MediaLane.tickEvery
        wakeBy = tickAt + MediaLane.tickSlack
        mapRooms(now)
        for index in 0..<connections.endIndex where connections.contains(index) {
            settleTimers(index, &out, now)
            guard connections.contains(index) else { continue }
            report(index, &out, now)
            if let bytes = connections[index].downlink.probe(now: now) { probe(index, bytes, &out, now) }
            if let due = connections[index].downlink.probeDeadline {
                tickAt = min(tickAt, due)
                wakeBy = min(wakeBy, due)
            }
            if now >= connections[index].downlink.chooseAt {
                connections[index].downlink.chooseAt = now + .milliseconds(200)
                connections[index].downlink.timeout(now: now)
                choose(index, now)
            }
        }
        for room in 0..<rooms.endIndex where rooms.contains(room) && now >= rooms[room].speakersAt {
            rooms[room].speakersAt = now + .milliseconds(200)
            tellSpeakers(room, now)
            tellTotals(room, now)
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
        // Before it is open, key frames would be asked for that nobody gets; opening maps anew.
        guard connections[index].isOpen else { return }
        var requests: [Downlink.Request] = []
        var sound = 0
        for slot in connections[index].slots {
            guard let source = slots[slot].source else { continue }
            if slots[slot].wishes.isWaiting { askForKeyFrame(slot, now) }
            guard slots[slot].isVideo else {
                for track in sources[source].tracks { sound += tracks[track].rate.bitsPerSecond(now: now) }
                continue
            }
            guard slots[slot].width > 0, slots[slot].height > 0 else {
                pause(slot, .hidden)
                continue
            }
            let layers = layers(of: source, now)
            guard !layers.isEmpty else { continue }
            guard sources[source].tracks.contains(where: { takes(slot, $0, now) }) else {
                pause(slot, .codec)
                continue
            }
            requests.append(
                Downlink.Request(
                    slot: slot, source: source, width: slots[slot].width, height: slots[slot].height, layers: layers))
        }
        let estimate = BitRate(bitsPerSecond: max(300_000, connections[index].downlink.estimate))
        connections[index].repairs.setRate(estimate, now: now)
        for choice in connections[index].downlink.choose(requests, sound: sound, now: now) { take(choice, now) }
        tellQuality(index, now)
    }

    /// A source's layers, also those that do not flow now: whoever wants one gets it from the sender.
    private mutating func layers(of source: Int, _ now: Instant) -> [Downlink.LayerRequest] {
        var layers: [Downlink.LayerRequest] = []
        for place in 0..<sources[source].layerCount {
            let size = sources[source].usualSize(of: place)
            // A layer that never flowed: what such pictures usually take.
            let rate = sources[source].usualRates[place]
            layers.append(
                Downlink.LayerRequest(
                    place: place, rate: rate > 0 ? rate : size.width * size.height * 2, width: size.width,
                    height: size.height))
        }
        var isAlive = false
        for track in sources[source].tracks where tracks[track].flows(now) {
            isAlive = true
            let place = sources[source].place(of: tracks[track].rid)
            let measured = max(
                tracks[track].rate.bitsPerSecond(now: now), tracks[track].width * tracks[track].height / 4)
            let rate = learn(measured, of: place, source, isSteady: tracks[track].isSteady(now))
            layers[place] = Downlink.LayerRequest(
                place: place, rate: rate > 0 ? rate : layers[place].rate, width: tracks[track].width,
                height: tracks[track].height)
        }
        return isAlive ? layers : []
    }

    /// What a layer usually takes. Its meter looks back a second, so it says too little of one that began or stopped within that
    /// time: taken for cheap, such a layer was chosen for a link that could not carry it. Returns 0 where nothing is known.
    private mutating func learn(_ measured: Int, of place: Int, _ source: Int, isSteady: Bool) -> Int {
        let usual = sources[source].usualRates[place]
        if usual > 0 ? measured > usual : isSteady {
            sources[source].usualRates[place] = measured
        } else if isSteady {
            sources[source].usualRates[place] = usual - (usual - measured) / 8
        }
        return sources[source].usualRates[place]
    }

    /// Whether a track flows that the slot's receiver can decode.
    private func takes(_ slot: Int, _ track: Int, _ now: Instant) -> Bool {
        tracks[track].flows(now) && slots[slot].codec(tracks[track].codec) != nil
    }

    private mutating func take(_ choice: Downlink.Choice, _ now: Instant) {
        let slot = choice.slot
        guard let place = choice.place, let source = slots[slot].source else { return pause(slot, .bandwidth) }
        slots[slot].wish = place
        slots[slot].pause = nil
        // The layer itself, or until it flows the next lower one; any rather than none.
        var best: Int?
        for track in sources[source].tracks where takes(slot, track, now) {
            if best == nil || sources[source].place(of: tracks[track].rid) <= place { best = track }
        }
        guard let best, slots[slot].target != best || slots[slot].current == nil else { return }
        slots[slot].target = best
        if slots[slot].current != best { wantKeyFrame(best) }
    }

    /// Sends nothing of what a slot shows, until a choice says otherwise.
    private mutating func pause(_ slot: Int, _ reason: MediaPauseReason) {
        slots[slot].pause = reason
        slots[slot].rewriter.stop()
        slots[slot].wish = nil
        slots[slot].current = nil
        slots[slot].target = nil
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
        for slot in sources[source].subscribers {
            if let place = slots[slot].wish { taken[place] = true }
            for track in [slots[slot].current, slots[slot].target].compactMap({ $0 }) {
                taken[sources[source].place(of: tracks[track].rid)] = true
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
        // What begins is told at once; what ends, when nobody came back to it for a while.
        if let told, !active.contains(where: { !told.contains($0) }) {
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

    private mutating func tellTotals(_ room: Int, _ now: Instant) {
        var (received, sent) = (UInt64(0), UInt64(0))
        for index in rooms[room].connections {
            received &+= connections[index].receivedBytes
            sent &+= connections[index].sentBytes
            connections[index].link.add(
                received: connections[index].receivedBytes, sent: connections[index].sentBytes)
            connections[index].receivedBytes = 0
            connections[index].sentBytes = 0
        }
        guard var totals = rooms[room].totals.add(received: received, sent: sent, now: now) else { return }
        totals.links = links(room, now)
        for index in rooms[room].connections where connections[index].appliedNumber > 0 {
            notices.post(connections[index].member, .totals(totals))
        }
    }

    // MARK: Speakers

    private mutating func tellSpeakers(_ room: Int, _ now: Instant) {
        let changed = rooms[room].speakers.decide(now: now)
        mapUnheardVoices(room)
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
    }
}
