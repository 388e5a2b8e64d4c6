import Logging
import RedisServer
import Signal
import Store
import Testing
import Time

/// Presence of two signals on a Redis of the test's own.
private func withPresence(_ body: (Presence, Presence, RedisServer) async throws -> Void) async throws {
    let server = try RedisServer()
    let store = RedisStore(url: RedisURL(unixPath: server.socket), logger: Logger(label: "test"))
    let run = Task { await store.run() }
    defer { run.cancel() }
    try await body(Presence(store: store, address: "unix:/a"), Presence(store: store, address: "unix:/b"), server)
}

/// Calls until the store is there; a fresh redis-server needs a moment.
private func patiently<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
    for _ in 0..<100 {
        do {
            return try await body()
        } catch is PresenceAway {
            try await Task.sleep(for: .milliseconds(100))
        }
    }
    return try await body()
}

@Test func `a name belongs to whoever holds its key, from any signal`() async throws {
    try await withPresence { a, b, _ in
        let first = try await patiently {
            try await a.claim(person: "p", name: "Ann", keyHash: "k", session: "1", busy: false)
        }
        let stranger = try await b.claim(person: "p", name: "Ann", keyHash: "other", session: "2", busy: false)
        let tab = try await b.claim(person: "p", name: "Ann", keyHash: "k", session: "3", busy: false)
        let found = try await a.find("p")

        #expect((first, stranger, tab) == (true, false, true))
        #expect(found?.name == "Ann")
        #expect(found?.addresses == ["unix:/a", "unix:/b"])

        try await a.release(person: "p", session: "1")
        try await b.release(person: "p", session: "3")
        #expect(try await a.find("p") == nil)
        #expect(try await b.claim(person: "p", name: "Ann", keyHash: "other", session: "2", busy: false))
    }
}

@Test func `changes tell what happened since, and everything after the store came back empty`() async throws {
    try await withPresence { a, b, server in
        _ = try await patiently { try await a.claim(person: "p", name: "Ann", keyHash: "k", session: "1", busy: false) }
        var roster = Roster()
        _ = roster.apply(try await b.changes(since: 0, life: ""))
        #expect(roster.people == ["p": Person(name: "Ann", busy: false)])

        _ = try await b.claim(person: "q", name: "Bob", keyHash: "k", session: "2", busy: false)
        _ = try await a.claim(person: "p", name: "Ann", keyHash: "k", session: "1", busy: true)
        let second = try await b.changes(since: roster.revision, life: roster.life)
        #expect(!second.isFull)
        let value1 = roster.apply(second)
        #expect(value1 == Roster.Difference(joined: ["q"], changed: ["p"]))

        server.kill()
        try server.start()
        let life = roster.life
        let revision = roster.revision
        let third = try await patiently { try await b.changes(since: revision, life: life) }
        #expect(third.isFull)
        let value2 = roster.apply(third).left
        #expect(value2 == ["p", "q"])
    }
}

@Test func `a moved session is not released by the signal it left`() async throws {
    try await withPresence { a, b, _ in
        _ = try await patiently { try await a.claim(person: "p", name: "Ann", keyHash: "k", session: "1", busy: false) }
        _ = try await b.claim(person: "p", name: "Ann", keyHash: "k", session: "1", busy: false)
        try await a.release(person: "p", session: "1")

        #expect(try await a.find("p")?.addresses == ["unix:/b"])
    }
}

@Test func `a session's record goes to who has the token, and the signal before cannot write it any more`() async throws
{
    try await withPresence { a, b, _ in
        _ = try await patiently {
            try await a.writeRecord(session: "s", tokenHash: "t1", before: "", data: Array("{}".utf8))
        }

        #expect(try await b.takeRecord(session: "s", tokenHash: "wrong", newHash: "x") == nil)
        #expect(try await b.takeRecord(session: "s", tokenHash: "t1", newHash: "t2")?.owner == "unix:/a")
        try await a.writeRecord(session: "s", tokenHash: "t1", before: "", data: Array("{\"old\":1}".utf8))
        try await a.dropRecord(session: "s")
        // The answer with the new token may have been lost: the old one works once more.
        let again = try await a.takeRecord(session: "s", tokenHash: "t1", newHash: "t3")
        #expect(again?.owner == "unix:/b")
        #expect(again?.data == "{}")
    }
}

@Test func `without the store presence says so within its deadline`() async throws {
    try await withPresence { a, _, server in
        server.kill()
        await #expect(throws: PresenceAway.self) {
            _ = try await a.find("p")
        }
    }
}
