import Logging
import RedisServer
import Store
import Testing
import Time

/// Runs a test with a store that is connected to a Redis of its own.
func withStore(
    _ redis: RedisServer, _ body: (RedisStore) async throws -> Void
) async throws {
    let store = RedisStore(
        url: RedisURL(unixPath: redis.socket), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    try await withThrowingTaskGroup { group in
        group.addTask { await store.run() }
        _ = try await store.send(["PING"], timeout: .seconds(20))
        try await body(store)
        group.cancelAll()
    }
}

@Suite struct RedisStoreTests {
    @Test func `all kinds of replies come back`() async throws {
        let redis = try RedisServer()
        try await withStore(redis) { store in
            #expect(try await store.send(["SET", "k", "v"]) == .bytes(Array("OK".utf8)))
            #expect(try await store.send(["GET", "k"]).string == "v")
            #expect(try await store.send(["GET", "none"]) == .null)
            #expect(try await store.send(["INCR", "n"]) == .integer(1))
            _ = try await store.send(["HSET", "h", "a", "1", "b", "2"])
            #expect(try await store.send(["HGETALL", "h"]).fields == ["a": .bytes([49]), "b": .bytes([50])])
            let binary: [UInt8] = [0, 13, 10, 255]
            _ = try await store.send(["SET", "b", RedisArgument(binary)])
            #expect(try await store.send(["GET", "b"]).bytes == binary)
            #expect(try await store.send(["SET", "e", ""]) != .null)
            #expect(try await store.send(["GET", "e"]).bytes == [])
        }
    }

    @Test func `an error of Redis is thrown with its words`() async throws {
        let redis = try RedisServer()
        try await withStore(redis) { store in
            _ = try await store.send(["SET", "k", "v"])
            do {
                _ = try await store.send(["INCR", "k"])
                Issue.record("no error")
            } catch let error as StoreError {
                guard case .refused(let message) = error else { throw error }
                #expect(message.hasPrefix("ERR value is not an integer"))
                #expect(!error.mayHaveRun)
            }
        }
    }

    @Test func `a thousand calls in flight each get their own answer`() async throws {
        let redis = try RedisServer()
        try await withStore(redis) { store in
            let answers = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
                for number in 0..<1_000 {
                    group.addTask {
                        (number, try await store.send(["ECHO", "\(number)"], timeout: .seconds(20)).string)
                    }
                }
                return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            #expect(answers == Dictionary(uniqueKeysWithValues: (0..<1_000).map { ($0, "\($0)") }))
        }
    }

    @Test func `who begins to listen as another ends hears all the same`() async throws {
        let redis = try RedisServer()
        try await withStore(redis) { store in
            var last: Task<Void, Never>?
            for round in 0..<400 {
                // Ends on another thread at about the moment when the next begins.
                last?.cancel()
                let news = store.subscribe(channels: ["c"])
                let (confirmed, confirm) = AsyncStream<Void>.makeStream()
                let (heard, hear) = AsyncStream<Void>.makeStream()
                last = Task {
                    for await message in news {
                        if message == .resubscribed { confirm.yield() }
                        if message == .message(channel: "c", payload: Array("\(round)".utf8)) { hear.yield() }
                    }
                }
                for await _ in confirmed { break }
                let listeners = try await store.send(["PUBLISH", "c", "\(round)"])
                #expect(listeners == .integer(1), "round \(round)")
                guard listeners == .integer(1) else { break }
                for await _ in heard { break }
            }
            last?.cancel()
        }
    }

    @Test func `a script runs also where Redis forgot it`() async throws {
        let redis = try RedisServer()
        let script = RedisScript("return {KEYS[1], ARGV[1]}")
        try await withStore(redis) { store in
            for _ in 0..<2 {
                let reply = try await store.evaluate(script, keys: ["k"], arguments: ["a"])
                #expect(reply == .array([.bytes(Array("k".utf8)), .bytes(Array("a".utf8))]))
                _ = try await store.send(["SCRIPT", "FLUSH"])
            }
        }
    }

    @Test func `a call made while Redis is away fails at its deadline, and says why`() async throws {
        let redis = try RedisServer()
        try await withStore(redis) { store in
            redis.kill()
            let clock = ContinuousClock()
            let start = clock.now
            do {
                // The end of the connection may be news only now.
                _ = try? await store.send(["PING"], timeout: .milliseconds(500))
                _ = try await store.send(["PING"], timeout: .milliseconds(300))
                Issue.record("no error")
            } catch let error as StoreError {
                guard case .unavailable(let reason) = error else { throw error }
                #expect(!reason.isEmpty)
            }
            #expect(clock.now - start < .seconds(10))
            #expect(!store.isConnected)
            #expect(store.outage != nil)
        }
    }

    @Test func `a call made while Redis is away is carried out if it returns in time`() async throws {
        let redis = try RedisServer()
        try await withStore(redis) { store in
            redis.kill()
            _ = try? await store.send(["PING"], timeout: .milliseconds(200))
            async let answer = store.send(["SET", "k", "v"], timeout: .seconds(30))
            try redis.start()
            #expect(try await answer.string == "OK")
            #expect(store.isConnected)
        }
    }

    @Test func `a Redis that hangs costs each call its deadline and no more`() async throws {
        let redis = try RedisServer()
        try await withStore(redis) { store in
            redis.freeze()
            await #expect(throws: StoreError.timedOut) { try await store.send(["PING"], timeout: .milliseconds(200)) }
            redis.thaw()
            let answer = try await store.send(["ECHO", "x"], timeout: .seconds(20))
            #expect(answer.string == "x")
        }
    }

    @Test func `calls beyond the bound are refused while Redis is away`() async throws {
        let redis = try RedisServer()
        try await withStore(redis) { store in
            redis.kill()
            _ = try? await store.send(["PING"], timeout: .milliseconds(200))
            let refused = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<1_100 {
                    group.addTask {
                        do throws(StoreError) {
                            _ = try await store.send(["PING"], timeout: .seconds(2))
                            return false
                        } catch {
                            return error == .overloaded(limit: 1_000)
                        }
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(refused == 100)
        }
    }

    @Test func `subscriptions outlive a restart of Redis, and say that news may be missing`() async throws {
        let redis = try RedisServer()
        try await withStore(redis) { store in
            var messages = store.subscribe(channels: ["a", "b"]).makeAsyncIterator()
            #expect(await messages.next() == .resubscribed)
            _ = try await store.send(["PUBLISH", "b", "1"])
            #expect(await messages.next() == .message(channel: "b", payload: [49]))

            redis.kill()
            try redis.start()

            #expect(await messages.next() == .resubscribed)
            _ = try await store.send(["PUBLISH", "a", "2"], timeout: .seconds(20))
            #expect(await messages.next() == .message(channel: "a", payload: [50]))
        }
    }

    @Test func `a subscription that ends leaves the others alone`() async throws {
        let redis = try RedisServer()
        try await withStore(redis) { store in
            var kept = store.subscribe(channels: ["a"]).makeAsyncIterator()
            #expect(await kept.next() == .resubscribed)
            do {
                var second = store.subscribe(channels: ["a", "b"]).makeAsyncIterator()
                #expect(await second.next() == .resubscribed)
            }
            _ = try await store.send(["PUBLISH", "a", "x"])
            #expect(await kept.next() == .message(channel: "a", payload: [120]))
        }
    }
}
