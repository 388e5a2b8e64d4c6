package import Store
package import Time

/// The store is away; what was asked cannot be known now.
package struct PresenceAway: Error, Sendable {}

/// Someone signed in, as lists show them.
package struct Person: Hashable, Sendable {
    package var name: String
    package var busy: Bool

    package init(name: String, busy: Bool) {
        self.name = name
        self.busy = busy
    }
}

/// What changed among people since it was last asked.
package struct PresenceChanges: Hashable, Sendable {
    /// A mark of this life of the store.
    package var life: String
    package var revision: UInt64
    /// `people` is everybody; otherwise only whom something changed about.
    package var isFull: Bool
    /// Nil: gone.
    package var people: [String: Person?]
}

/// Who is signed in where: the keys `roost:s:*` of Redis.
package struct Presence: Sendable {
    /// A session's lease: longer than the 30 s in which its client may resume after its signal was killed.
    package static let lease = Interval.seconds(45)

    private let store: RedisStore
    /// This signal's bus address: where others reach its sessions.
    package let address: String

    package init(store: RedisStore, address: String) {
        self.store = store
        self.address = address
    }

    /// Whether the store could be asked now; a call made while it cannot waits for it, up to 2 s.
    package var isReachable: Bool { store.isConnected }

    /// Claims a name for a session, or renews the claim. False: it is somebody else's.
    package func claim(person: String, name: String, keyHash: String, session: String, busy: Bool) async throws -> Bool
    {
        let reply = try await run(
            PresenceScripts.claim, keys: PresenceScripts.keys + [PresenceScripts.person(person)],
            [person, name, keyHash, session, address, busy ? "1" : "0", String(Self.lease.milliseconds)])
        return reply.integer == 1
    }

    /// Ends a session's claim, if it is still this signal's.
    package func release(person: String, session: String) async throws {
        _ = try await run(
            PresenceScripts.release, keys: PresenceScripts.keys + [PresenceScripts.person(person)],
            [person, session, address])
    }

    /// Removes lapsed claims of whichever signal.
    package func sweep() async throws {
        _ = try await run(PresenceScripts.sweep, keys: PresenceScripts.keys, [])
    }

    /// What changed since a revision; everything where that cannot be told.
    package func changes(since revision: UInt64, life: String) async throws -> PresenceChanges {
        let reply = try await run(PresenceScripts.changes, keys: PresenceScripts.keys, [String(revision), life])
        let fields = (reply.array ?? []).map { $0.string ?? "" }
        guard fields.count >= 3, let now = UInt64(fields[1]) else { throw PresenceAway() }
        var people: [String: Person?] = [:]
        for start in stride(from: 3, to: fields.count - 2, by: 3) {
            let name = fields[start + 1]
            people.updateValue(
                name.isEmpty ? nil : Person(name: name, busy: fields[start + 2] == "1"), forKey: fields[start])
        }
        return PresenceChanges(life: fields[0], revision: now, isFull: fields[2] == "1", people: people)
    }

    /// Someone's name, and the signals where they are; nil: not signed in.
    package func find(_ person: String) async throws -> (name: String, addresses: Set<String>)? {
        let reply = try await run(
            PresenceScripts.find, keys: PresenceScripts.keys + [PresenceScripts.person(person)], [])
        let fields = (reply.array ?? []).compactMap(\.string)
        guard let name = fields.first else { return nil }
        return (name, Set(fields.dropFirst()))
    }

    /// Takes a session's record over with a new token; nil: there is none for this token.
    package func takeRecord(
        session: String, tokenHash: String, newHash: String
    ) async throws -> (owner: String, data: String)? {
        let reply = try await run(
            PresenceScripts.takeRecord, keys: [PresenceScripts.record(session)], [tokenHash, newHash, address])
        let fields = (reply.array ?? []).compactMap(\.string)
        return fields.count == 2 ? (fields[0], fields[1]) : nil
    }

    /// Writes a session's record, unless another signal has taken it over.
    package func writeRecord(session: String, tokenHash: String, before: String, data: [UInt8]) async throws {
        _ = try await run(
            PresenceScripts.writeRecord, keys: [PresenceScripts.record(session)],
            [tokenHash, before, address, String(decoding: data, as: UTF8.self)])
    }

    /// Forgets a session's record.
    package func dropRecord(session: String) async throws {
        _ = try await run(PresenceScripts.dropRecord, keys: [PresenceScripts.record(session)], [address])
    }

    private func run(_ script: RedisScript, keys: [String], _ arguments: [String]) async throws -> RedisValue {
        do {
            return try await store.evaluate(script, keys: keys, arguments: arguments.map { RedisArgument($0) })
        } catch {
            if error.isOutage { throw PresenceAway() }
            throw error
        }
    }
}
