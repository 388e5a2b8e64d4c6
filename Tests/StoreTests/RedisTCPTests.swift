import Foundation
import Glibc
import Logging
import RedisServer
import Store
import Testing
import Time

/// A port that nobody listens on.
private func freePort() -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    unsafe withUnsafeMutablePointer(to: &address) { address in
        unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            _ = unsafe bind(descriptor, address, length)
            _ = unsafe getsockname(descriptor, address, &length)
        }
    }
    return Int(UInt16(bigEndian: address.sin_port))
}

@Suite struct RedisTCPTests {
    /// Runs a store by URL over plain TCP, and a redis-server that listens there.
    private func withTCP(
        host: String, _ body: (RedisStore, RedisServer) async throws -> Void
    ) async throws {
        let port = freePort()
        let redis = try RedisServer(options: ["--bind", "127.0.0.1", "--port", "\(port)"])
        let store = RedisStore(
            url: try RedisURL(parsing: "redis://\(host):\(port)/3"),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup { group in
            group.addTask { await store.run() }
            _ = try await store.send(["PING"], timeout: .seconds(20))
            try await body(store, redis)
            group.cancelAll()
        }
    }

    @Test(arguments: ["127.0.0.1", "localhost"])
    func `commands, scripts and messages go over plain TCP, to the URL's database`(host: String) async throws {
        try await withTCP(host: host) { store, _ in
            let long = [UInt8](repeating: 7, count: 1 << 20)

            _ = try await store.send(["SET", "long", RedisArgument(long)], timeout: .seconds(20))
            #expect(try await store.send(["GET", "long"], timeout: .seconds(20)).bytes == long)
            #expect(try await store.evaluate(RedisScript("return ARGV[1]"), keys: [], arguments: ["x"]).string == "x")
            #expect(try await store.send(["CLIENT", "INFO"]).string?.contains(" db=3 ") == true)
            #expect(try await store.send(["CLIENT", "INFO"]).string?.contains("addr=127.0.0.1:") == true)
        }
    }

    @Test func `a Redis that dies and returns on its port is found again`() async throws {
        try await withTCP(host: "127.0.0.1") { store, redis in
            redis.kill()
            await #expect(throws: StoreError.self) { _ = try await store.send(["PING"], timeout: .milliseconds(300)) }
            try redis.start()
            #expect(try await store.send(["ECHO", "back"], timeout: .seconds(20)).string == "back")
        }
    }

    @Test func `a Redis that hangs costs a call its time, and answers again once it goes on`() async throws {
        try await withTCP(host: "127.0.0.1") { store, redis in
            redis.freeze()
            await #expect(throws: StoreError.timedOut) {
                _ = try await store.send(["PING"], timeout: .milliseconds(200))
            }
            redis.thaw()
            let answer = try await store.send(["ECHO", "back"], timeout: .seconds(20))
            #expect(answer.string == "back")
        }
    }
}
