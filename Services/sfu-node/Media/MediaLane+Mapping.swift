import MediaInterface
import RTP
import Time

// Which slot shows what. A slot keeps what it shows for as long as that is wanted: every change costs a key frame.
extension MediaLane {
    /// Video slots grow in these steps, each a square of tiles.
    static let steps = [4, 9, 16, 25, 36, 49]

    /// Gives out the slots of each room where something changed.
    mutating func mapRooms(_ now: Instant) {
        for room in 0..<rooms.endIndex where rooms.contains(room) && rooms[room].needsMapping {
            rooms[room].needsMapping = false
            for index in rooms[room].connections where connections[index].appliedNumber > 0 {
                map(index, now)
            }
        }
    }

    private mutating func map(_ index: Int, _ now: Instant) {
        let room = connections[index].room
        mapSound(index, room)
        mapPictures(index, room, now)
        var mapped: [MediaSlot] = []
        for slot in connections[index].slots {
            guard let source = slots[slot].source, let kind = sources[source].kind else { continue }
            let member = connections[sources[source].connection].member.member
            mapped.append(MediaSlot(mid: slots[slot].mid, member: member, source: kind))
        }
        guard mapped != connections[index].mapped else { return }
        connections[index].mapped = mapped
        connections[index].mapVersion += 1
        notices.post(connections[index].member, .map(version: connections[index].mapVersion, slots: mapped))
    }

    /// Screens whose sound comes before voices.
    private static let screenSounds = 2

    /// Sound: everybody while there are slots, else who was heard last; screens' sound first, but not all that there may be.
    private mutating func mapSound(_ index: Int, _ room: Int) {
        var wanted: [Int] = []
        for other in rooms[room].connections where other != index {
            for source in connections[other].sources
            where sources[source].kind == .screenAudio && !sources[source].isMuted {
                wanted.append(source)
            }
        }
        let surplus = wanted.dropFirst(MediaLane.screenSounds)
        wanted = Array(wanted.prefix(MediaLane.screenSounds))
        var voices: [(source: Int, level: Double, joined: Int)] = []
        for (joined, other) in rooms[room].connections.enumerated() where other != index {
            let level = rooms[room].speakers.voices.first { $0.connection == other }?.level ?? 127
            for source in connections[other].sources where sources[source].kind == .microphone {
                // Who has a slot keeps it unless somebody is louder by 10 dB.
                let bonus = subscription(of: source, by: index) == nil ? 0.0 : 10
                voices.append((source, level - bonus, joined))
            }
        }
        voices.sort { ($0.level, $0.joined) < ($1.level, $1.joined) }
        let places = connections[index].slots.count { !slots[$0].isVideo && isApplied($0) }
        wanted += voices.map(\.source) + surplus
        assign(Array(wanted.prefix(places)), index, isVideo: false)
    }

    private mutating func mapPictures(_ index: Int, _ room: Int, _ now: Instant) {
        var wanted: [Int] = []
        var sizes: [Int: (width: Int, height: Int)] = [:]
        if let tiles = connections[index].tiles {
            for tile in tiles {
                guard let source = self.source(of: tile.member, tile.source, in: room, not: index) else { continue }
                wanted.append(source)
                sizes[source] = (tile.width, tile.height)
            }
        } else {
            // Until the page says what it shows: screens, then everybody as they came.
            for kind in [MediaSource.screen, .camera] {
                for other in rooms[room].connections where other != index {
                    for source in connections[other].sources
                    where sources[source].kind == kind && sources[source].isVideo {
                        wanted.append(source)
                    }
                }
            }
        }
        // A camera that is off takes no slot.
        wanted.removeAll { sources[$0].isMuted }
        let offered = connections[index].slots.count { slots[$0].isVideo }
        let places = connections[index].slots.count { slots[$0].isVideo && isApplied($0) }
        if wanted.count > offered,
            let step = MediaLane.steps.first(where: { $0 >= wanted.count }) ?? MediaLane.steps.last,
            step > offered, step != connections[index].slotsWanted
        {
            connections[index].slotsWanted = step
            notices.post(connections[index].member, .slotsWanted(video: step))
        }
        assign(Array(wanted.prefix(places)), index, isVideo: true)
        for slot in connections[index].slots where slots[slot].isVideo {
            guard let source = slots[slot].source else { continue }
            // Without a word, a quarter of a common screen.
            let size = sizes[source] ?? (640, 360)
            slots[slot].width = size.width
            slots[slot].height = size.height
        }
        choose(index, now)
    }

    /// Frees slots of what is not wanted, then gives the free ones out: to a member's picture the pair of its sound.
    private mutating func assign(_ wanted: [Int], _ index: Int, isVideo: Bool) {
        for slot in connections[index].slots where slots[slot].isVideo == isVideo {
            guard let source = slots[slot].source, !wanted.contains(source) else { continue }
            sources[source].subscribers.removeAll { $0 == slot }
            clear(slot)
        }
        let others = ordinals(of: index, isVideo: !isVideo)
        for source in wanted where subscription(of: source, by: index) == nil {
            let pair = pair(of: source, for: index)
            var chosen: Int?
            for slot in connections[index].slots
            where slots[slot].isVideo == isVideo && slots[slot].source == nil && isApplied(slot) {
                let ordinal = slots[slot].ordinal
                if ordinal == pair {
                    chosen = slot
                    break
                }
                // What has no other half does not take the place beside somebody else's: that one's may come back.
                if let before = chosen, !others.contains(slots[before].ordinal) || others.contains(ordinal) { continue }
                chosen = slot
            }
            guard let slot = chosen else { continue }
            slots[slot].source = source
            slots[slot].current = nil
            sources[source].subscribers.append(slot)
            if !isVideo { slots[slot].target = sources[source].tracks.first }
        }
        // A microphone's stream may be known only after it was given a slot.
        if !isVideo {
            for slot in connections[index].slots where !slots[slot].isVideo && slots[slot].target == nil {
                guard let source = slots[slot].source else { continue }
                slots[slot].target = sources[source].tracks.first
            }
        }
    }

    /// The ordinals of a receiver's slots of one kind that show something.
    private func ordinals(of index: Int, isVideo: Bool) -> Set<Int> {
        var ordinals: Set<Int> = []
        for slot in connections[index].slots where slots[slot].isVideo == isVideo && slots[slot].source != nil {
            ordinals.insert(slots[slot].ordinal)
        }
        return ordinals
    }

    /// The ordinal of the slot of the other kind that this receiver has for the same member: the two keep lips in step.
    private func pair(of source: Int, for index: Int) -> Int? {
        guard let kind = sources[source].kind else { return nil }
        let other: MediaSource? =
            switch kind {
            case .camera: .microphone
            case .microphone: .camera
            case .screen: .screenAudio
            case .screenAudio: .screen
            }
        for sibling in connections[sources[source].connection].sources where sources[sibling].kind == other {
            guard let slot = subscription(of: sibling, by: index) else { continue }
            return slots[slot].ordinal
        }
        return nil
    }

    /// Whether the client has applied the answer that this slot came with.
    private func isApplied(_ slot: Int) -> Bool {
        slots[slot].number <= connections[slots[slot].connection].appliedNumber
    }

    /// Whether somebody speaks whom a receiver has no slot for: then slots are to be given out anew.
    mutating func mapUnheardVoices(_ room: Int) {
        for voice in rooms[room].speakers.voices where voice.level < SpeakerDetector.quiet {
            for source in connections[voice.connection].sources
            where sources[source].kind == .microphone && !sources[source].isMuted && !sources[source].isSilenced {
                // Everybody but itself hears who has a slot everywhere.
                if sources[source].subscribers.count < rooms[room].connections.count - 1 {
                    mapAnew(room)
                    return
                }
            }
        }
    }

    func subscription(of source: Int, by index: Int) -> Int? {
        for slot in sources[source].subscribers where slots[slot].connection == index { return slot }
        return nil
    }

    private func source(of member: String, _ kind: MediaSource, in room: Int, not index: Int) -> Int? {
        for other in rooms[room].connections where other != index && connections[other].member.member == member {
            for source in connections[other].sources where sources[source].kind == kind { return source }
        }
        return nil
    }
}
