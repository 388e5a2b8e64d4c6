import Bus
import Messages
import ServiceKit
import Time

extension Door {
    /// People listed to a client; more than fit on any screen.
    private static let listLimit = 1_000

    /// `hello`.
    func signIn(_ socket: Socket, _ id: UInt64, version: UInt64, name: String, key: String) async {
        do {
            guard version == 1 else { throw RequestError(.version, "This signal speaks version 1. Reload the page.") }
            guard parts.signIns.admits(socket.source, now: MonotonicClock.now) else {
                throw RequestError(
                    .tooManySignIns, "Very many sign in from this network just now. Try again in a moment.")
            }
            guard sessions.count < Self.sessionLimit else { throw RequestError(.unavailable, "This server is full.") }
            let name = try Self.displayName(name)
            let session = Session(
                id: Digest.randomText(length: 16), person: name.person, name: name.text,
                keyHash: Digest.secretHash(key),
                tokenHash: "", machine: SessionMachine(limits: parts.sessionLimits))
            let (sessionID, keyHash) = (session.id, session.keyHash)
            async let servers = iceServers(session: sessionID)
            let claimed = try await parts.presence.claim(
                person: name.person, name: name.text, keyHash: keyHash, session: sessionID, busy: false)
            guard claimed else {
                throw RequestError(
                    .nameTaken, "Somebody is already called \(name.text).", suggestion: await freeName(like: name))
            }
            let secret = Digest.randomText(length: 22)
            session.tokenHash = Digest.secretHash(secret)
            let ice = await servers
            await writeRecord(session)
            // From here to the answer nothing waits: news that came first would be acknowledged before the client is in.
            guard sockets[socket.id] != nil, !isClosing else {
                try? await parts.presence.release(person: name.person, session: sessionID)
                return
            }
            add(session)
            session.socket = socket
            sockets[socket.id] = (socket, session.id)
            socket.send(.entered(true, welcome(session, id, secret: secret, ice: ice)))
            greet(session)
        } catch {
            refuseEntry(socket, id, error)
        }
    }

    func refuseEntry(_ socket: Socket, _ id: UInt64, _ error: any Error) {
        // Going down: the socket is closed next, with the word to try elsewhere.
        guard !Task.isCancelled else { return }
        let refusal = Self.refusal(error)
        parts.metrics.errors.increment([refusal.code.rawValue])
        socket.send(.entered(false, Answers.error(id, refusal)))
    }

    private static func displayName(_ text: String) throws(RequestError) -> DisplayName {
        do {
            return try DisplayName(parsing: text)
        } catch {
            switch error {
            case .empty: throw RequestError(.nameInvalid, "A name needs at least one letter or digit.")
            case .tooLong(let limit): throw RequestError(.nameInvalid, "A name has at most \(limit) characters.")
            case .controlCharacter: throw RequestError(.nameInvalid, "A name may not have invisible characters.")
            }
        }
    }

    private func freeName(like name: DisplayName) async -> String? {
        for number in 2...9 {
            guard let other = try? DisplayName(parsing: name.numbered(number)) else { continue }
            do {
                if try await parts.presence.find(other.person) == nil { return other.text }
            } catch {
                return nil
            }
        }
        return name.numbered(Int.random(in: 100...999))
    }

    /// `ok` to hello and resume.
    func welcome(
        _ session: Session, _ id: UInt64, secret: String, ice: Roost_Registry_V1_IceServersResponse?
    ) -> [UInt8] {
        Answers.ok(id) { writer in
            writer.field("session", session.id)
            writer.field("token", "\(session.id).\(secret)")
            writer.field("person", session.person)
            writer.field("name", session.name)
            Answers.iceServers(ice?.servers ?? [], into: &writer)
            writer.field("iceSeconds", ice?.lifetimeS ?? 0)
            writer.field("resumeSeconds", 30)
            writer.field("limits") { limits in
                limits.field("frame", ConnectionLimits().frame)
                limits.field("offer", SocketHandler.messageLimit)
                limits.field("body", ClientMessage.bodyLimit)
                limits.field("rooms", ClientMessage.roomLimit)
            }
        }
    }

    /// What a client is told once it is in: who is here, and who calls.
    func greet(_ session: Session) {
        let others = roster.people.filter { $0.key != session.person }
        let listed = others.sorted { ($0.value.name, $0.key) < ($1.value.name, $1.key) }.prefix(Self.listLimit)
        push(
            JSONWriter.object { writer in
                writer.field("type", "people")
                writer.array("list", listed) { Self.person($1.key, $1.value, into: &$0) }
                writer.field("more", others.count - listed.count)
            }, to: session)
        for hub in hubs.values {
            guard let ring = hub.rings[session.person], ring.answeredBy == nil, session.stays[hub.room] == nil else {
                continue
            }
            tell(ring, session)
        }
    }

    private static func person(_ id: String, _ person: Person, into writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("person", id)
            writer.field("name", person.name)
            writer.field("busy", person.busy)
        }
    }

    /// Asks the store who came and went, and tells everybody here. `anew`: news may have been missed, and our own claims.
    func refreshPeople(anew: Bool) async {
        guard !isClosing else { return }
        let life = roster.life
        guard let changes = try? await parts.presence.changes(since: roster.revision, life: life) else { return }
        let difference = roster.apply(changes)
        if anew || (changes.life != life && !life.isEmpty) { await renewClaims() }
        guard !difference.isEmpty else { return }
        for session in Array(sessions.values) {
            let people = roster.people
            let joined = difference.joined.filter { $0 != session.person }
            let left = difference.left.filter { $0 != session.person }
            let changed = difference.changed.filter { $0 != session.person }
            guard !(joined.isEmpty && left.isEmpty && changed.isEmpty) else { continue }
            push(
                JSONWriter.object { writer in
                    writer.field("type", "people-change")
                    writer.array("joined", joined) { writer, id in
                        if let person = people[id] { Self.person(id, person, into: &writer) }
                    }
                    writer.array("left", left) { $0.string($1) }
                    writer.array("changed", changed) { writer, id in
                        if let person = people[id] { Self.person(id, person, into: &writer) }
                    }
                }, to: session)
        }
    }

    /// Renews the leases of all sessions here and their records.
    func renewClaims() async {
        for session in Array(sessions.values) where !isClosing {
            // Each would wait for its own deadline while the store is away.
            guard await renewClaim(session) else { return }
            await writeRecord(session)
        }
    }

    /// False: the store is away.
    @discardableResult
    func renewClaim(_ session: Session) async -> Bool {
        guard sessions[session.id] === session else { return true }
        let (id, person, name, key, busy) = (session.id, session.person, session.name, session.keyHash, session.isBusy)
        do {
            _ = try await parts.presence.claim(person: person, name: name, keyHash: key, session: id, busy: busy)
            return true
        } catch {
            return !(error is PresenceAway)
        }
    }

    /// Keeps the record of a session current: what a sibling needs to go on with it.
    func writeRecord(_ session: Session, frames: [[UInt8]] = []) async {
        let (id, hash, before) = (session.id, session.tokenHash, session.tokenBefore)
        let data = SessionRecord(session, frames: frames).bytes
        try? await parts.presence.writeRecord(session: id, tokenHash: hash, before: before, data: data)
    }

    /// The rooms of a session changed: others see it as busy or free, and a sibling would know.
    func staysChanged(_ session: Session) {
        let id = session.id
        parts.jobs.start { await self.publishStays(id) }
    }

    private func publishStays(_ id: String) async {
        guard let session = sessions[id] else { return }
        await writeRecord(session)
        await renewClaim(session)
    }
}
