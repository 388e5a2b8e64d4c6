import Bus
import Logging
import Messages
import Time

extension Door {
    /// `call`: finds the person, places the room, joins it, invites, rings. Who is in the room adds another person so.
    func call(
        _ session: Session, _ id: UInt64, room: String, to: String, video: Bool, media: MediaFlags
    ) async throws -> [UInt8] {
        guard session.stays.allSatisfy({ $0.key == room || !$0.value.isCall }) else {
            throw RequestError(.busySelf, "You are in a call already.")
        }
        let key = session.id
        async let ice = iceServers(session: key)
        let (person, name) = try await resolve(to, caller: session)
        let known = session.stays[room]
        let stay = known ?? newStay(session, id, room: room, media: media, isCall: true, topology: "auto")
        let state = try await enter(session, room: room, stay: stay, mustExist: false)
        var invite = Roost_Rooms_V1_InviteRequest()
        invite.room = room
        invite.byMemberID = stay.member
        invite.personID = person
        invite.name = name
        invite.video = video
        let invitation: Roost_Rooms_V1_Invitation
        do {
            invitation = try await onNode(room) { [invite] client throws(BusStatus) in try await client.invite(invite) }
                .invitation
        } catch {
            // Whoever was in the call before stays in it.
            if known == nil { try? await leave(session, room) }
            throw error
        }
        ring(invitation, room: room, caller: session, member: stay.member)
        staysChanged(session)
        return entered(id, state, room, stay, ice: await ice)
    }

    private func resolve(_ to: String, caller: Session) async throws -> (person: String, name: String) {
        var candidates: [String] = []
        if to.utf8.count == 22 { candidates.append(to) }
        if let name = try? DisplayName(parsing: to) { candidates.append(name.person) }
        for person in candidates {
            guard person != caller.person else { throw RequestError(.selfCall, "This is you.") }
            if let found = try await parts.presence.find(person) { return (person, found.name) }
        }
        throw RequestError(.notFound, "Nobody of this name is here.")
    }

    /// A member id that a repeat of the same request would get again.
    private func newStay(
        _ session: Session, _ id: UInt64, room: String, media: MediaFlags, isCall: Bool, topology: String
    ) -> Stay {
        let member = "m-" + Digest.short("\(session.id) \(room) \(id)", length: 12)
        return Stay(member: member, isCall: isCall, topology: topology, media: media, cursor: 0)
    }

    private func entered(
        _ id: UInt64, _ state: Roost_Rooms_V1_RoomState, _ room: String, _ stay: Stay,
        ice: Roost_Registry_V1_IceServersResponse?
    ) -> [UInt8] {
        let node = hubs[room]?.placement.nodeID ?? ""
        return Answers.ok(id) { writer in
            writer.field("room") { RoomTexts.room(state, node: node, into: &$0) }
            writer.field("self", stay.member)
            // A credential that lasts for the whole call, and servers that live now.
            if let ice {
                Answers.iceServers(ice.servers, into: &writer)
                writer.field("iceSeconds", ice.lifetimeS)
            }
        }
    }

    /// `join`: a room, or a call that rings here.
    func join(
        _ session: Session, _ id: UInt64, room: String, media: MediaFlags, isCall: Bool, topology: String,
        listens: Bool
    ) async throws -> [UInt8] {
        guard session.stays[room] != nil || session.stays.count < ClientMessage.roomLimit else {
            throw RequestError(.tooMany, "You are in too many rooms.")
        }
        if isCall, session.stays.contains(where: { $0.key != room && $0.value.isCall }) {
            throw RequestError(.busySelf, "You are in a call already.")
        }
        let stay =
            session.stays[room] ?? newStay(session, id, room: room, media: media, isCall: isCall, topology: topology)
        stay.media = media
        if listens { stay.listens = true }
        let ring = hubs[room]?.rings[session.person]
        if let ring, ring.answeredBy != nil, ring.answeredBy != session.id {
            throw RequestError(.gone, "This call was answered elsewhere.")
        }
        ring?.answeredBy = session.id
        let key = session.id
        async let ice = iceServers(session: key)
        do {
            stay.isOpen = false
            let state = try await enter(session, room: room, stay: stay, mustExist: isCall)
            stay.cursor = state.seq
            staysChanged(session)
            return entered(id, state, room, stay, ice: await ice)
        } catch {
            if ring?.answeredBy == session.id { ring?.answeredBy = nil }
            throw error
        }
    }

    /// `answer`: not now.
    func answer(_ session: Session, _ id: UInt64, room: String, busy: Bool) async throws -> [UInt8] {
        guard let hub = hubs[room], let ring = hub.rings[session.person] else { return Answers.ok(id) }
        ring.answeredBy = session.id
        do {
            try await tellNode(room, person: session.person, state: busy ? .busy : .declined)
        } catch let status as BusStatus where status.code == .notFound {
            // The call ended meanwhile: as good as declined.
        } catch {
            ring.answeredBy = nil
            throw error
        }
        return Answers.ok(id)
    }

    private func tellNode(_ room: String, person: String, state: Roost_Rooms_V1_InviteState) async throws {
        var request = Roost_Rooms_V1_AnswerRequest()
        request.room = room
        request.personID = person
        request.state = state
        _ = try await onNode(room) { [request] client throws(BusStatus) in try await client.answer(request) }
    }

    // MARK: The caller's side of ringing

    /// A resumed caller: who was still ringing is rung from here.
    func resumeRinging(_ room: String, _ session: Session, _ stay: Stay) {
        guard let hub = hubs[room] else { return }
        for invitation in hub.replica.state.invitations
        where invitation.state == .ringing && invitation.byMemberID == stay.member {
            ring(invitation, room: room, caller: session, member: stay.member)
        }
    }

    private func ring(_ invitation: Roost_Rooms_V1_Invitation, room: String, caller: Session, member: String) {
        guard invitation.state == .ringing, let hub = hubs[room] else { return }
        var request = Roost_Signal_V1_RingRequest()
        request.room = room
        request.nodeID = hub.placement.nodeID
        request.epoch = hub.placement.epoch
        request.nodeAddresses = hub.placement.busAddresses
        request.personID = invitation.personID
        request.fromPersonID = caller.person
        request.fromName = caller.name
        request.fromMemberID = member
        request.video = invitation.video
        request.expiresMs = invitation.expiresMs
        parts.jobs.start { [request] in await self.keepRinging(request) }
    }

    /// Rings wherever the person is, until the invitation is answered: also where they turn up meanwhile, or again after their
    /// signal died.
    private func keepRinging(_ request: Roost_Signal_V1_RingRequest) async {
        let rung = RungPlaces()
        await withDiscardingTaskGroup { group in
            var missing = 0
            while isStillRinging(request) {
                if let places = try? await parts.presence.find(request.personID)?.addresses ?? [] {
                    missing = places.isEmpty ? missing + 1 : 0
                    for place in places where rung.start(place) {
                        group.addTask {
                            await self.ringOnce(place, request)
                            // Not at once again: a signal that just died is still in the list for a moment.
                            try? await Task.sleep(for: .milliseconds(500))
                            rung.end(place)
                        }
                    }
                }
                // Away for longer than a page's reload.
                if missing == 10 {
                    try? await tellNode(request.room, person: request.personID, state: .unreachable)
                }
                try? await Task.sleep(for: .milliseconds(500))
            }
            group.cancelAll()
        }
    }

    private func isStillRinging(_ request: Roost_Signal_V1_RingRequest) -> Bool {
        guard !isClosing, !Task.isCancelled, let hub = hubs[request.room], !hub.sessions.isEmpty,
            UInt64(WallTime.now.milliseconds) < request.expiresMs + 2_000
        else { return false }
        // The event of the invitation itself may still be on its way.
        guard
            let invitation = hub.replica.invitation(of: request.personID, expiring: request.expiresMs)
        else { return true }
        return invitation.state == .ringing
    }

    private func ringOnce(_ place: String, _ request: Roost_Signal_V1_RingRequest) async {
        if place == parts.presence.address {
            if startRing(request).state == .busy {
                try? await tellNode(request.room, person: request.personID, state: .busy)
                return
            }
            while isStillRinging(request), isRinging(request) { try? await Task.sleep(for: .milliseconds(250)) }
            return
        }
        do {
            let client = Roost_Signal_V1_SignalPeerClient(caller: try parts.pool.client([place]))
            for try await reply in try await client.ring(request) where reply.state == .busy {
                try await tellNode(request.room, person: request.personID, state: .busy)
            }
        } catch {
            parts.logger.debug(
                "ringing at another signal failed",
                metadata: ["room": "\(request.room)", "peer": "\(place)", "reason": "\(error)"])
        }
    }

    // MARK: The callee's side of ringing

    /// Rings a person's sessions here.
    func startRing(_ request: Roost_Signal_V1_RingRequest) -> Roost_Signal_V1_RingResponse {
        var response = Roost_Signal_V1_RingResponse()
        let here = (persons[request.personID] ?? []).compactMap { sessions[$0] }
        guard !here.isEmpty, !isClosing else {
            response.state = .notHere
            return response
        }
        guard here.allSatisfy({ isFree($0, for: request) }) else {
            for session in here { tellMissed(request, session) }
            response.state = .busy
            return response
        }
        let hub = hubs[request.room] ?? watch(request)
        let ring = hub.rings[request.personID] ?? Ring(request)
        hub.rings[request.personID] = ring
        if hub.stream == nil { startStream(hub) }
        for session in here where session.stays[request.room] == nil { tell(ring, session) }
        response.state = .ringing
        response.sessions = UInt32(here.count)
        return response
    }

    func isRinging(_ request: Roost_Signal_V1_RingRequest) -> Bool {
        hubs[request.room]?.rings[request.personID] != nil
    }

    /// Free to be rung: in no room, in this one, or calling the caller just now (both hear the other's ring then).
    private func isFree(_ session: Session, for request: Roost_Signal_V1_RingRequest) -> Bool {
        session.stays.allSatisfy { room, stay in
            if room == request.room { return true }
            guard let hub = hubs[room] else { return true }
            let calling = hub.replica.invitation(of: request.fromPersonID)
            return hub.replica.state.members.count <= 1 && (calling == nil || calling?.state == .ringing)
                && (calling != nil || hub.replica.state.invitations.isEmpty)
        }
    }

    private func watch(_ request: Roost_Signal_V1_RingRequest) -> RoomHub {
        var placement = Roost_Registry_V1_Placement()
        placement.room = request.room
        placement.nodeID = request.nodeID
        placement.epoch = request.epoch
        placement.busAddresses = request.nodeAddresses
        var state = Roost_Rooms_V1_RoomState()
        state.room = request.room
        state.epoch = request.epoch
        let hub = RoomHub(room: request.room, placement: placement, replica: RoomReplica(state: state))
        hubs[request.room] = hub
        return hub
    }

    /// `ring`, once to each session.
    func tell(_ ring: Ring, _ session: Session) {
        ring.told.insert(session.id)
        push(
            JSONWriter.object { writer in
                writer.field("type", "ring")
                writer.field("room", ring.request.room)
                writer.field("from") { Self.caller(ring.request, into: &$0) }
                writer.field("video", ring.request.video)
                writer.field("expires", ring.request.expiresMs)
            }, to: session)
    }

    /// `missed`: somebody called who was answered "busy" without a ring. A repeat is harmless: clients know calls by their room.
    private func tellMissed(_ request: Roost_Signal_V1_RingRequest, _ session: Session) {
        push(
            JSONWriter.object { writer in
                writer.field("type", "missed")
                writer.field("room", request.room)
                writer.field("from") { Self.caller(request, into: &$0) }
                writer.field("video", request.video)
                writer.field("at", UInt64(WallTime.now.milliseconds))
                writer.field("reason", "busy")
            }, to: session)
    }

    private static func caller(_ request: Roost_Signal_V1_RingRequest, into writer: inout JSONWriter) {
        writer.field("person", request.fromPersonID)
        writer.field("name", request.fromName)
        writer.field("member", request.fromMemberID)
    }

    /// Ends the rings that the room's state no longer backs. A snapshot without the invitation means that it is over.
    func settleRings(_ hub: RoomHub, snapshot: Bool) {
        for (person, ring) in hub.rings {
            if let invitation = hub.replica.invitation(of: person, expiring: ring.request.expiresMs) {
                guard invitation.state != .ringing else { continue }
                endRing(hub, ring, reason: Self.endReason(invitation.state))
            } else if snapshot || hub.replica.isEnded {
                endRing(hub, ring, reason: "ended")
            }
        }
    }

    private static func endReason(_ state: Roost_Rooms_V1_InviteState) -> String {
        switch state {
        case .accepted: "answered-elsewhere"
        case .declined: "declined-elsewhere"
        case .busy: "busy"
        case .noAnswer: "no-answer"
        case .callerGone: "caller-gone"
        case .cancelled: "cancelled"
        case .ringing, .unreachable, .unspecified, .UNRECOGNIZED: "ended"
        }
    }

    /// `ring-end`, to all but the session that answered.
    func endRing(_ hub: RoomHub, _ ring: Ring, reason: String) {
        guard hub.rings[ring.request.personID] === ring else { return }
        hub.rings[ring.request.personID] = nil
        let text = JSONWriter.object { writer in
            writer.field("type", "ring-end")
            writer.field("room", ring.request.room)
            writer.field("reason", reason)
            writer.field("from") { Self.caller(ring.request, into: &$0) }
        }
        for id in ring.told where id != ring.answeredBy {
            if let session = sessions[id] { push(text, to: session) }
        }
        dropIfUnused(hub)
    }

    /// A caller here left: whom it rings here hears it at once, without the way over the node.
    func dropRing(_ room: String, byCaller member: String) {
        guard let hub = hubs[room] else { return }
        for ring in hub.rings.values where ring.request.fromMemberID == member {
            endRing(hub, ring, reason: "cancelled")
        }
    }

    /// Rings whose time is over though no node said so (it is gone, and so is the caller's signal).
    func expireRings() {
        let now = UInt64(WallTime.now.milliseconds)
        for hub in Array(hubs.values) {
            for ring in hub.rings.values where now > ring.request.expiresMs + 3_000 {
                endRing(hub, ring, reason: "no-answer")
            }
        }
    }
}
