import Foundation
import Logging
import RedisServer
import Store
import Testing
import Time

/// Runs a store by URL for one command.
private func ask(_ url: String, _ command: [RedisArgument], timeout: Interval = .seconds(20)) async throws -> RedisValue
{
    let store = RedisStore(
        url: try RedisURL(parsing: url), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let task = Task { await store.run() }
    defer { task.cancel() }
    return try await store.send(command, timeout: timeout)
}

@Suite struct RedisSecurityTests {
    @Test func `password and database come from the URL`() async throws {
        let redis = try RedisServer(options: ["--user", "ann", "on", ">hush", "~*", "+@all"])
        let url = "unix://\(redis.socket)?user=ann&password=hush&db=2"

        _ = try await ask(url, ["SET", "k", "v"])

        #expect(try await ask(url, ["ACL", "WHOAMI"]).string == "ann")
        #expect(try await ask(url, ["GET", "k"]).string == "v")
        #expect(try await ask("unix://\(redis.socket)", ["GET", "k"]) == .null)
    }

    @Test func `a wrong password is named as the reason, and not repeated`() async throws {
        let redis = try RedisServer()
        _ = try await ask("unix://\(redis.socket)", ["PING"])
        do {
            _ = try await ask("unix://\(redis.socket)?user=bob&password=hush", ["PING"], timeout: .seconds(1))
            Issue.record("let in")
        } catch let error as StoreError {
            guard case .unavailable(let reason) = error else { throw error }
            #expect(reason.contains("WRONGPASS"))
            #expect(!reason.contains("hush"))
        }
    }

    @Test func `TLS is spoken, and a certificate of a stranger refused`() async throws {
        let folder = NSTemporaryDirectory() + "/rtls-\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (certificate, key) = (folder + "/c.pem", folder + "/k.pem")
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        openssl.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate,
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        let port = Int.random(in: 20_000..<32_000)
        let redis = try RedisServer(options: [
            "--bind", "127.0.0.1", "--tls-port", "\(port)", "--tls-cert-file", certificate, "--tls-key-file", key,
            "--tls-ca-cert-file", certificate, "--tls-auth-clients", "no",
        ])

        let answer = try await ask("rediss://localhost:\(port)/1?ca=\(certificate)", ["ECHO", "x"])
        #expect(answer.string == "x")
        await #expect(throws: StoreError.self) {
            _ = try await ask("rediss://localhost:\(port)/1", ["ECHO", "x"], timeout: .seconds(2))
        }
        _ = redis
    }
}
