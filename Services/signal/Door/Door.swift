import Bus
import Logging
import Messages
import ServiceKit
import Time

/// What a door works with.
struct DoorParts: Sendable {
    /// Names this process to nodes, as no process before it: what a signal that died had open is not this one's.
    let id: String
    let region: String
    let presence: Presence
    let registry: Roost_Registry_V1_RegistryClient
    let pool: PeerPool
    let jobs: Jobs
    let metrics: SignalMetrics
    let logger: Logger
    let sessionLimits: SessionLimits
    /// How often one source may sign in: a session outlives its socket for 30 s.
    let signIns: SourceGate
}

/// Everybody who is at this signal's door: sessions, the rooms they are in, who is rung.
///
/// One actor: each step between two awaits is whole. What an await may have changed (a session over, a room left) is asked again
/// after it.
actor Door {
    let parts: DoorParts
    var sockets: [UInt64: (socket: Socket, session: String?)] = [:]
    var sessions: [String: Session] = [:]
    /// The sessions of a person.
    var persons: [String: Set<String>] = [:]
    var hubs: [String: RoomHub] = [:]
    var roster = Roster()
    var isClosing = false

    init(parts: DoorParts) { self.parts = parts }

    /// Sessions at most: memory of each is bounded by its outbox.
    static let sessionLimit = 20_000

    /// Takes what a socket says, in order.
    func receive(_ event: SocketEvent) {
        switch event {
        case .opened(let socket):
            sockets[socket.id] = (socket, nil)
            parts.metrics.sockets.set(Double(sockets.count))
            if isClosing { socket.send(.close(1012, Answers.bye(reason: "restart"))) }
        case .closed(let id, let leaving): closed(id, leaving: leaving)
        case .action(let id, let action): act(id, action)
        }
    }

    private func act(_ id: UInt64, _ action: ConnectionMachine.Action) {
        guard let entry = sockets[id] else { return }
        switch action {
        case .signIn(let request, let version, let name, let key):
            parts.metrics.messages.increment(["hello"])
            parts.jobs.start {
                await self.signIn(entry.socket, request, version: version, name: name, key: key)
            }
        case .resume(let request, let token, let seq, let rooms):
            parts.metrics.messages.increment(["resume"])
            parts.jobs.start { await self.resume(entry.socket, request, token: token, seq: seq, rooms: rooms) }
        case .ack(let seq):
            guard let session = entry.session.flatMap({ sessions[$0] }) else { return }
            session.machine.acknowledge(seq)
        case .request(let request, let what):
            guard let session = entry.session.flatMap({ sessions[$0] }) else { return }
            parts.metrics.messages.increment([what.type])
            take(what, request, session)
        case .pong, .refuse, .cut, .ask, .nothing: break
        }
    }

    private func closed(_ id: UInt64, leaving: Bool) {
        let entry = sockets.removeValue(forKey: id)
        parts.metrics.sockets.set(Double(sockets.count))
        guard !isClosing, let session = entry?.session.flatMap({ sessions[$0] }), session.socket?.id == id else {
            return
        }
        session.socket = nil
        if leaving { return end(session, reason: .hungUp) }
        session.machine.socketLost(now: MonotonicClock.now)
        setAway(session, true)
    }

    /// Runs a request after the earlier ones of its room; other rooms do not wait for it.
    private func take(_ request: ClientRequest, _ id: UInt64, _ session: Session) {
        switch session.machine.begin(id) {
        case .run: break
        case .wait: return
        case .repeatAnswer(let bytes): return session.socket?.send(.text(bytes)) ?? ()
        case .refuse(let error): return session.socket?.send(.text(Answers.error(id, error))) ?? ()
        }
        if case .signOut = request {
            _ = session.machine.answered(id, Answers.ok(id))
            session.socket?.send(.close(1000, Answers.ok(id)))
            session.socket = nil
            return end(session, reason: .hungUp)
        }
        let room = request.room ?? ""
        session.queues[room, default: []].append((id, request))
        guard session.queues[room]?.count == 1 else { return }
        let key = session.id
        parts.jobs.start { await self.drain(key, room) }
    }

    private func drain(_ sessionID: String, _ room: String) async {
        while let session = sessions[sessionID], let (id, request) = session.queues[room]?.first {
            let answer: [UInt8]
            do {
                answer = try await CallID.$current.withValue(room.isEmpty ? sessionID : room) {
                    parts.logger.debug("a request", metadata: ["room": "\(room)", "request": "\(request.type)"])
                    return try await perform(request, id, session)
                }
            } catch {
                // Going down: nobody knows how it went, and where its client resumes it is said again.
                guard !Task.isCancelled else { return }
                let refusal = Self.refusal(error)
                parts.metrics.errors.increment([refusal.code.rawValue])
                // Whoever is told "try again" met a fault of ours.
                parts.logger.log(
                    level: refusal.code == .unavailable ? .warning : .debug,
                    "request refused", metadata: ["room": "\(room)", "reason": "\(request.type): \(error)"])
                answer = Answers.error(id, refusal)
            }
            session.queues[room]?.removeFirst()
            if session.queues[room]?.isEmpty ?? false { session.queues[room] = nil }
            if session.machine.answered(id, answer) { session.socket?.send(.text(answer)) }
            if let stay = session.stays[room], !stay.isOpen { open(stay, room, session) }
        }
    }

    private func perform(_ request: ClientRequest, _ id: UInt64, _ session: Session) async throws -> [UInt8] {
        switch request {
        case .signOut: return Answers.ok(id)
        case .iceServers: return try await renewIceServers(session, id)
        case .call(let room, let to, let video, let media):
            do {
                let answer = try await call(session, id, room: room, to: to, video: video, media: media)
                parts.metrics.calls.increment(["placed"])
                return answer
            } catch {
                parts.metrics.calls.increment([Self.refusal(error).code.rawValue])
                throw error
            }
        case .join(let room, let media, let isCall, let topology, let listens):
            return try await join(
                session, id, room: room, media: media, isCall: isCall, topology: topology, listens: listens)
        case .answer(let room, let busy): return try await answer(session, id, room: room, busy: busy)
        case .leave(let room):
            try await leave(session, room)
            return Answers.ok(id)
        case .update(let room, let media): return try await update(session, id, room: room, media: media)
        case .send(let room, let to, let type, let body):
            return try await send(session, id, room: room, to: to, type: type, body: body)
        case .offer(let room, let number, let sdp):
            return try await offer(session, id, room: room, number: number, sdp: sdp)
        case .answered(let room, let number):
            return try await answered(session, id, room: room, number: number)
        case .publish(let room, let tracks): return try await publish(session, id, room: room, tracks: tracks)
        case .view(let room, let tiles): return try await view(session, id, room: room, tiles: tiles)
        case .moderate(let room, let member, let action):
            return try await moderate(session, id, room: room, member: member, action: action)
        case .topology(let room, let topology):
            return try await setTopology(session, id, room: room, topology: topology)
        }
    }

    /// What a client reads of an error.
    static func refusal(_ error: any Error) -> RequestError {
        switch error {
        case let error as RequestError: error
        case is PresenceAway:
            RequestError(.unavailable, "The list of people cannot be reached just now. Try again in a moment.")
        case let status as BusStatus:
            switch status.code {
            case .notFound: RequestError(.gone, "This call or room is over.")
            case .permissionDenied: denial(status.message)
            case .outOfRange: RequestError(.stale, "This is older than what the node knows: \(status.message).")
            case .unimplemented: RequestError(.unavailable, "This cannot be done here: \(status.message).")
            case .resourceExhausted where status.message.hasPrefix("mesh-full:"):
                RequestError(
                    .meshFull, "This room is full: all in it are connected to each other. Make one of topology sfu.")
            case .resourceExhausted: RequestError(.tooMany, "That was too much at once: \(status.message)")
            case .invalidArgument: RequestError(.badRequest, "This request is not as agreed: \(status.message)")
            default: RequestError(.unavailable, "The room cannot be reached just now. Try again in a moment.")
            }
        default: RequestError(.unavailable, "This did not work just now. Try again in a moment.")
        }
    }

    /// A node that lets nobody in says why by the first word.
    private static func denial(_ message: String) -> RequestError {
        switch message.prefix(while: { $0 != ":" }) {
        case "locked": RequestError(.locked, "The room is locked: nobody new joins it.")
        case "removed": RequestError(.removed, "The host took you out of this room.")
        default: RequestError(.notAllowed, "This is not allowed here: \(message).")
        }
    }

    /// Numbers a message and sends it, or keeps it until the client is back.
    func push(_ body: [UInt8], to session: Session) {
        switch session.machine.push(body) {
        case .write(let bytes): if !session.isCatchingUp { session.socket?.send(.text(bytes)) }
        case .kept: break
        case .overflow:
            session.socket?.send(.cut(.slowReader, "Messages are not being acknowledged."))
            session.socket = nil
            end(session, reason: .gone)
        }
    }

    /// A session is over: its name is free, its rooms are left.
    func end(_ session: Session, reason: Roost_Rooms_V1_LeaveReason) {
        guard sessions.removeValue(forKey: session.id) != nil else { return }
        forget(session)
        let rooms = session.stays
        session.stays = [:]
        for (room, stay) in rooms {
            let member = stay.member
            parts.jobs.start { await self.leaveNode(room, member: member, reason: reason) }
        }
        let (id, person) = (session.id, session.person)
        parts.jobs.start { [presence = parts.presence] in
            try? await presence.release(person: person, session: id)
            try? await presence.dropRecord(session: id)
        }
    }

    /// Takes a session out of the tables.
    func forget(_ session: Session) {
        persons[session.person]?.remove(session.id)
        if persons[session.person]?.isEmpty ?? false { persons[session.person] = nil }
        for hub in hubs.values {
            for ring in hub.rings.values { ring.told.remove(session.id) }
        }
        parts.metrics.sessions.set(Double(sessions.count))
    }

    /// Adds a session to the tables.
    func add(_ session: Session) {
        sessions[session.id] = session
        persons[session.person, default: []].insert(session.id)
        parts.metrics.sessions.set(Double(sessions.count))
    }
}
