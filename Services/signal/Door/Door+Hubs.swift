import Bus
import Logging
import Messages
import ServiceKit
import Time

extension Door {
    /// A room whose node died is looked for this long: as long as a client may be away.
    private static let recoverFor = Interval.seconds(30)

    /// A session is in a room now, as `state` says: its events come from here on.
    func follow(
        _ room: String, _ placement: Roost_Registry_V1_Placement, _ state: Roost_Rooms_V1_RoomState, _ session: Session
    ) {
        let hub: RoomHub
        if let known = hubs[room] {
            hub = known
            let wasWatching = hub.sessions.isEmpty
            hub.sessions.insert(session.id)
            if placement.epoch >= hub.placement.epoch { hub.placement = placement }
            // A stream that follows goes on; one that only watched knows less than this state.
            if wasWatching {
                _ = hub.replica.replace(with: state)
                startStream(hub)
            }
        } else {
            hub = RoomHub(room: room, placement: placement, replica: RoomReplica(state: state))
            hub.sessions.insert(session.id)
            hubs[room] = hub
            startStream(hub)
        }
        session.stays[room]?.cursor = state.seq
        parts.metrics.rooms.set(Double(hubs.count))
    }

    /// Starts the stream of a room's events, instead of an earlier one.
    func startStream(_ hub: RoomHub) {
        hub.generation += 1
        let old = hub.stream
        let (room, generation) = (hub.room, hub.generation)
        hub.stream = Task { await self.read(room, generation) }
        old?.cancel()
    }

    private func current(_ room: String, _ generation: Int) -> RoomHub? {
        guard let hub = hubs[room], hub.generation == generation, !isClosing else { return nil }
        return hub
    }

    private func read(_ room: String, _ generation: Int) async {
        guard let hub = current(room, generation) else { return }
        var request = Roost_Rooms_V1_EventsRequest()
        request.room = room
        request.signalID = parts.id
        request.epoch = hub.placement.epoch
        request.watchOnly = hub.sessions.isEmpty
        // Who resumed with an older position gets what it missed by the same stream.
        let positions = hub.sessions.compactMap { sessions[$0]?.stays[room] }.filter(\.isOpen).map(\.cursor)
        request.afterSeq = min(hub.replica.state.seq, positions.min() ?? .max)
        var end = BusStatus(.ok)
        do throws(BusStatus) {
            for try await reply in try await rooms(hub.placement).events(request) {
                guard current(room, generation) === hub else { return }
                receive(reply, hub)
                if hubs[room] == nil { return }
            }
        } catch {
            end = error
        }
        guard !Task.isCancelled, current(room, generation) === hub else { return }
        parts.logger.info(
            "a room's events ended, looking for its node", metadata: ["room": "\(room)", "reason": "\(end)"])
        await recover(hub, generation, end)
    }

    private func receive(_ reply: Roost_Rooms_V1_EventsResponse, _ hub: RoomHub) {
        switch reply.kind {
        case .snapshot(let state):
            guard hub.replica.replace(with: state) else { return }
            tellWhole(hub, recovering: false)
            settleRings(hub, snapshot: true)
        case .event(let event):
            switch hub.replica.apply(event) {
            case .gap: return startStream(hub)
            case .applied, .repeated: deliver([event], hub)
            case .saidBefore: break
            }
            settleRings(hub, snapshot: false)
            if hub.replica.isEnded { drop(hub) }
        case .notice(let notice): deliver(notice, hub)
        case nil: break
        }
    }

    /// Gives events to every session here that lacks them; each is written as text once.
    private func deliver(_ events: [Roost_Rooms_V1_RoomEvent], _ hub: RoomHub) {
        for event in events {
            guard let text = RoomTexts.eventMessage(event, room: hub.room) else { continue }
            for id in hub.sessions {
                guard let session = sessions[id], let stay = session.stays[hub.room] else { continue }
                deliver(event, text, hub.room, stay, session)
            }
        }
    }

    private func deliver(
        _ event: Roost_Rooms_V1_RoomEvent, _ text: [UInt8], _ room: String, _ stay: Stay, _ session: Session
    ) {
        guard stay.isOpen, event.seq > stay.cursor else { return }
        stay.cursor = event.seq
        if case .message(let message) = event.kind {
            let isForOther = !message.toMemberID.isEmpty && message.toMemberID != stay.member
            if isForOther || message.fromMemberID == stay.member { return }
        }
        push(text, to: session)
        if case .updated(let member) = event.kind, member.memberID == stay.member,
            stay.listens != (member.role == .listener)
        {
            stay.listens = member.role == .listener
            if stay.listens { stay.media = MediaFlags() }
            staysChanged(session)
        }
        if case .left(let left) = event.kind, left.memberID == stay.member, left.reason == .removed {
            expel(session, from: room)
        }
    }

    /// The answer that lets a client in was written: what happened since follows.
    func open(_ stay: Stay, _ room: String, _ session: Session) {
        stay.isOpen = true
        replay(room, stay, session)
        let held = stay.takeHeld()
        if session.stays[room] === stay { for text in held { push(text, to: session) } }
    }

    /// Gives a session what the room's history has beyond its position, or the whole room.
    func replay(_ room: String, _ stay: Stay, _ session: Session) {
        guard let hub = hubs[room] else {
            if session.stays[room] != nil {
                session.stays[room] = nil
                push(Self.endedEvent(room, after: stay.cursor), to: session)
                staysChanged(session)
            }
            return
        }
        guard hub.replica.state.seq > stay.cursor else { return }
        if let events = hub.replica.events(after: stay.cursor) {
            for event in events {
                if let text = RoomTexts.eventMessage(event, room: room) { deliver(event, text, room, stay, session) }
            }
        } else {
            stay.cursor = hub.replica.state.seq
            push(RoomTexts.roomMessage(hub.replica.state, node: hub.placement.nodeID, recovering: false), to: session)
        }
    }

    private func tellWhole(_ hub: RoomHub, recovering: Bool) {
        let text = RoomTexts.roomMessage(hub.replica.state, node: hub.placement.nodeID, recovering: recovering)
        for id in hub.sessions {
            guard let session = sessions[id], let stay = session.stays[hub.room], stay.isOpen else { continue }
            guard recovering || stay.cursor < hub.replica.state.seq else { continue }
            if hub.replica.state.removedPersonIds.contains(session.person) {
                push(Self.removedEvent(hub.room, stay, name: session.name), to: session)
                expel(session, from: hub.room)
                continue
            }
            stay.cursor = hub.replica.state.seq
            push(text, to: session)
        }
    }

    /// Finds the room's node, or gets it a new one, and brings this signal's members back in.
    private func recover(_ hub: RoomHub, _ generation: Int, _ end: BusStatus) async {
        hub.isRecovering = true
        defer { hub.isRecovering = false }
        let deadline = MonotonicClock.now + Self.recoverFor
        let dead = hub.placement
        while MonotonicClock.now < deadline, current(hub.room, generation) === hub {
            do {
                let placement = try await place(hub.room, not: dead.bootID.isEmpty ? nil : dead).placement
                guard current(hub.room, generation) === hub else { return }
                if hub.sessions.isEmpty {
                    // Only ringing here: the caller's signal brings the room back; until then the node knows nothing of it.
                    hub.placement = placement
                    try await Task.sleep(for: .milliseconds(300))
                    if current(hub.room, generation) === hub { startStream(hub) }
                    return
                }
                if try await rejoin(hub, placement, generation) { return }
            } catch {
                parts.logger.debug(
                    "a room has no node yet", metadata: ["room": "\(hub.room)", "reason": "\(error)"])
            }
            try? await Task.sleep(for: .milliseconds(150))
        }
        guard current(hub.room, generation) === hub else { return }
        parts.logger.warning("a room is lost: no node took it", metadata: ["room": "\(hub.room)"])
        for id in hub.sessions {
            guard let session = sessions[id], let stay = session.stays[hub.room] else { continue }
            push(Self.endedEvent(hub.room, after: stay.cursor), to: session)
        }
        drop(hub)
    }

    private func rejoin(
        _ hub: RoomHub, _ placement: Roost_Registry_V1_Placement, _ generation: Int
    ) async throws -> Bool {
        let client = try rooms(placement)
        let known = hub.replica.state
        var newest: Roost_Rooms_V1_RoomState?
        for id in Array(hub.sessions) {
            guard let session = sessions[id], let stay = session.stays[hub.room] else { continue }
            let state = try await joinAgain(session, stay, placement, client, known)
            guard current(hub.room, generation) === hub else { return true }
            if let state {
                newest = state
            } else {
                push(Self.removedEvent(hub.room, stay, name: session.name), to: session)
                expel(session, from: hub.room)
            }
        }
        guard let newest else { return true }
        hub.placement = placement
        // The same life of the room goes on where it was; another one is told whole.
        if newest.epoch != known.epoch {
            // Its numbers go on from what was re-asserted, and a sibling may have been faster: what its members said there since
            // follows as events, so the position stays.
            var state = newest
            state.seq = min(known.seq, newest.seq)
            _ = hub.replica.replace(with: state)
            tellWhole(hub, recovering: true)
            for id in hub.sessions {
                if let session = sessions[id] { tellMediaLost(hub.room, epoch: newest.epoch, session) }
            }
        }
        startStream(hub)
        for id in hub.sessions {
            if let session = sessions[id], !session.machine.isHere { setAway(session, true) }
        }
        return true
    }

    /// Nil: it may not, for others knew more: a host removed it, or locked the room.
    private func joinAgain(
        _ session: Session, _ stay: Stay, _ placement: Roost_Registry_V1_Placement,
        _ client: Roost_Rooms_V1_RoomsClient, _ known: Roost_Rooms_V1_RoomState
    ) async throws(BusStatus) -> Roost_Rooms_V1_RoomState? {
        var request = Roost_Rooms_V1_JoinRequest()
        request.room = known.room
        request.epoch = placement.epoch
        request.member = member(stay, session)
        request.kind = stay.isCall ? .call : .room
        request.topology = RoomTexts.topology(stay.topology)
        // Where the registry still names the place whose stream ended, its node lives and has the room, or was restarted within
        // a moment: that one would make an empty room in the old epoch. It says that it knows none, and the registry is asked again.
        if placement.epoch == known.epoch {
            request.mustExist = true
        } else {
            request.reassert = known
        }
        do {
            return try await client.join(request, options: CallOptions(timeout: .seconds(2))).state
        } catch {
            guard error.code == .permissionDenied else { throw error }
            return nil
        }
    }

    /// A session left a room.
    func dropFromHub(_ room: String, session: String) {
        guard let hub = hubs[room] else { return }
        hub.sessions.remove(session)
        dropIfUnused(hub)
    }

    func dropIfUnused(_ hub: RoomHub) {
        guard hub.isUnused, hubs[hub.room] === hub else { return }
        hub.stream?.cancel()
        hub.generation += 1
        hubs[hub.room] = nil
        parts.metrics.rooms.set(Double(hubs.count))
    }

    /// A room is over.
    func drop(_ hub: RoomHub) {
        for ring in hub.rings.values { endRing(hub, ring, reason: "ended") }
        for id in hub.sessions {
            // Who is not let in yet hears of the end right after its answer.
            guard let session = sessions[id], let stay = session.stays[hub.room], stay.isOpen else { continue }
            session.stays[hub.room] = nil
            staysChanged(session)
        }
        hub.sessions = []
        hub.rings = [:]
        dropIfUnused(hub)
    }
}
