import Bus
import Foundation
import Logging
import Messages
import Time

extension Door {
    private static let resumeFailed = RequestError(.resumeFailed, "This session is over. Sign in again.")

    /// `resume`: a session of this door, of a living sibling, or of a dead one.
    func resume(_ socket: Socket, _ id: UInt64, token: String, seq: UInt64, rooms: [RoomPosition]) async {
        let pieces = token.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard pieces.count == 2 else { return refuseEntry(socket, id, Self.resumeFailed) }
        await CallID.$current.withValue(pieces[0]) {
            await resume(socket, id, session: pieces[0], secret: pieces[1], seq: seq, rooms: rooms)
        }
    }

    private func resume(
        _ socket: Socket, _ id: UInt64, session key: String, secret old: String, seq: UInt64, rooms: [RoomPosition]
    ) async {
        do {
            let hash = Digest.secretHash(old)
            let secret = Digest.randomText(length: 22)
            let session: Session
            if let here = sessions[key] {
                guard here.accepts(tokenHash: hash) else { throw Self.resumeFailed }
                guard here.machine.resumed(after: seq) != nil else { throw Self.resumeFailed }
                here.isCatchingUp = true
                here.socket?.send(.cut(.replaced, "This session goes on in another connection."))
                here.rotate(tokenHash: Digest.secretHash(secret))
                session = here
                enter(session, socket)
                // With the new token, before the client has it. While the store is away nobody else could read it, and it is written
                // with all records when the store is back.
                if parts.presence.isReachable { await writeRecord(session) }
            } else {
                guard !isClosing else { throw RequestError(.unavailable, "This server is closing.") }
                session = try await takeOver(key, hash: hash, newHash: Digest.secretHash(secret), seq: seq)
                enter(session, socket)
            }
            let ice = await iceServers(session: session.id)
            guard sessions[session.id] === session, session.socket?.id == socket.id else { return }
            socket.send(.entered(true, welcome(session, id, secret: secret, ice: ice)))
            for frame in session.machine.unacknowledged(after: seq) ?? [] { socket.send(.text(frame)) }
            session.isCatchingUp = false
            greet(session)
            await returnToRooms(session, positions: rooms)
        } catch {
            refuseEntry(socket, id, error)
        }
    }

    private func enter(_ session: Session, _ socket: Socket) {
        session.socket = nil
        if sockets[socket.id] != nil {
            session.socket = socket
            sockets[socket.id] = (socket, session.id)
        } else {
            session.machine.socketLost(now: MonotonicClock.now)
        }
    }

    /// Takes a session over from where it was.
    private func takeOver(_ id: String, hash: String, newHash: String, seq: UInt64) async throws -> Session {
        guard let (owner, data) = try await parts.presence.takeRecord(session: id, tokenHash: hash, newHash: newHash),
            var record = SessionRecord(parsing: Array(data.utf8))
        else { throw Self.resumeFailed }
        var frames = record.frames.enumerated().compactMap { index, frame in
            record.firstSeq + UInt64(index) > seq ? frame : nil
        }
        if owner != parts.presence.address {
            var request = Roost_Signal_V1_TakeSessionRequest()
            request.sessionID = id
            request.tokenHash = Data(hash.utf8)
            request.receivedSeq = seq
            // A sibling that lives answers within milliseconds; a dead one must not cost the resume.
            if let client = try? parts.pool.client([owner]),
                let reply = try? await Roost_Signal_V1_SignalPeerClient(caller: client)
                    .takeSession(request, options: CallOptions(timeout: .milliseconds(400))),
                let newer = SessionRecord(parsing: Array(reply.record))
            {
                record = newer
                frames = reply.unacknowledged.map { Array($0) }
            }
        }
        guard sessions[id] == nil else { throw Self.resumeFailed }
        var machine = SessionMachine(limits: parts.sessionLimits, lastSeq: seq)
        machine.adopt(frames)
        let session = Session(
            id: id, person: record.person, name: record.name, keyHash: record.keyHash, tokenHash: newHash,
            machine: machine)
        session.tokenBefore = hash
        session.isCatchingUp = true
        let told = RoomTexts.positions(in: frames)
        for room in record.rooms {
            let stay = Stay(
                member: room.member, isCall: room.isCall, topology: room.topology, media: room.media,
                cursor: told[room.room] ?? 0)
            stay.mediaEpoch = room.mediaEpoch
            stay.listens = room.listens
            session.stays[room.room] = stay
        }
        add(session)
        await renewClaim(session)
        await writeRecord(session)
        return session
    }

    /// Hands a session over to a sibling: silently, its rooms see nothing.
    func handOver(_ request: Roost_Signal_V1_TakeSessionRequest) throws -> Roost_Signal_V1_TakeSessionResponse {
        let hash = String(decoding: request.tokenHash, as: UTF8.self)
        guard let session = sessions[request.sessionID], session.accepts(tokenHash: hash),
            let frames = session.machine.unacknowledged(after: request.receivedSeq)
        else { throw BusStatus(.notFound, "no such session here") }
        var response = Roost_Signal_V1_TakeSessionResponse()
        response.record = Data(SessionRecord(session).bytes)
        response.unacknowledged = frames.map { Data($0) }
        session.socket?.send(.cut(.replaced, "This session goes on in another connection."))
        session.socket = nil
        session.isHandedOver = true
        sessions[session.id] = nil
        forget(session)
        for room in session.stays.keys { dropFromHub(room, session: session.id) }
        session.stays = [:]
        return response
    }

    /// Puts a resumed session back into its rooms, and gives it the events it missed.
    private func returnToRooms(_ session: Session, positions: [RoomPosition]) async {
        let known = Dictionary(positions.map { ($0.room, $0) }, uniquingKeysWith: { first, _ in first })
        for (room, stay) in session.stays {
            await CallID.$current.withValue(room) {
                await returnTo(room, session, stay, position: known[room])
            }
        }
        setAway(session, false)
        staysChanged(session)
    }

    private func returnTo(_ room: String, _ session: Session, _ stay: Stay, position: RoomPosition?) async {
        // What the frames above bring the client to, where another signal had got further than the client had heard.
        let told = stay.cursor
        if hubs[room]?.sessions.contains(session.id) ?? false {
            // The frames above hold what it missed; a page that was loaded anew knows nothing of the room.
            if position == nil, let hub = hubs[room] {
                push(
                    RoomTexts.roomMessage(hub.replica.state, node: hub.placement.nodeID, recovering: false),
                    to: session)
                stay.cursor = hub.replica.state.seq
            }
            return
        }
        do {
            let state = try await enter(session, room: room, stay: stay, mustExist: true)
            guard sessions[session.id] === session, session.stays[room] === stay else { return }
            stay.isOpen = true
            if let position, position.epoch == state.epoch, position.seq <= state.seq {
                stay.cursor = min(max(position.seq, told), state.seq)
                if hubs[room]?.replica.events(after: stay.cursor) != nil {
                    replay(room, stay, session)
                } else if let hub = hubs[room] {
                    startStream(hub)
                }
            } else if let hub = hubs[room] {
                push(
                    RoomTexts.roomMessage(hub.replica.state, node: hub.placement.nodeID, recovering: false),
                    to: session)
                stay.cursor = hub.replica.state.seq
            }
            tellMediaLost(room, epoch: state.epoch, session)
            resumeRinging(room, session, stay)
        } catch let status as BusStatus where status.code == .permissionDenied {
            push(Self.removedEvent(room, stay, name: session.name), to: session)
            expel(session, from: room)
        } catch {
            parts.logger.info("a room could not be resumed", metadata: ["room": "\(room)", "reason": "\(error)"])
            session.stays[room] = nil
            push(Self.endedEvent(room, after: position?.seq ?? 0), to: session)
        }
    }

    /// Tells a client that a room is over, when its node can no longer do so.
    static func endedEvent(_ room: String, after seq: UInt64) -> [UInt8] {
        var event = Roost_Rooms_V1_RoomEvent()
        event.seq = seq + 1
        event.atMs = UInt64(WallTime.now.milliseconds)
        event.ended.reason = .empty
        return RoomTexts.eventMessage(event, room: room) ?? []
    }

    /// Tells the nodes whether a session's client is there.
    func setAway(_ session: Session, _ away: Bool) {
        for (room, stay) in session.stays {
            // The node knows that a listener sends nothing.
            let (member, media, id) = (stay.member, stay.listens ? nil : stay.media, session.id)
            parts.jobs.start { await self.tellAway(room, member: member, media: media, session: id, away: away) }
        }
    }

    private func tellAway(_ room: String, member: String, media: MediaFlags?, session: String, away: Bool) async {
        guard sessions[session]?.machine.isHere != away else { return }
        var request = Roost_Rooms_V1_UpdateRequest()
        request.room = room
        request.memberID = member
        if let media { request.media = media.message }
        request.away = away
        _ = try? await onNode(room) { [request] client throws(BusStatus) in try await client.update(request) }
    }

    /// Going down: every client is told to go elsewhere, where its record already waits. Rooms see nobody leave.
    func close() async {
        isClosing = true
        for session in Array(sessions.values) {
            await writeRecord(session, frames: session.machine.unacknowledged() ?? [])
            session.socket?.send(.close(1012, Answers.bye(reason: "restart")))
            session.socket = nil
        }
        for (socket, _) in sockets.values { socket.send(.close(1012, Answers.bye(reason: "restart"))) }
        for hub in hubs.values { hub.stream?.cancel() }
    }
}

extension SessionMachine {
    /// Everything not acknowledged.
    func unacknowledged() -> [[UInt8]]? { unacknowledged(after: lastSeq - UInt64(unacknowledgedCount)) }
}

extension MediaFlags {
    /// As the bus carries it.
    var message: Roost_Rooms_V1_MediaState {
        var state = Roost_Rooms_V1_MediaState()
        state.audio = audio
        state.video = video
        state.screen = screen
        return state
    }
}
