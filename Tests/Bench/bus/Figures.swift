import Bus
import Foundation
import Glibc
import Time

/// One run's figures.
struct Figures {
    /// Microseconds of a raw round trip, of a call alone, and of the server's processor for a call among 32.
    var raw = 0.0
    var call = 0.0
    var serverCPU = 0.0
    /// Calls a second with 32 in flight.
    var rate = 0.0

    init(in folder: URL) async throws {
        let path = folder.appendingPathComponent("raw-\(UInt32.random(in: 0 ... .max)).sock").path
        let server = try start("echo", path)
        raw = try pingRaw(path)
        server.terminate()
        server.waitUntilExit()
        try await measureCalls(folder.appendingPathComponent("bus-\(UInt32.random(in: 0 ... .max)).sock").path)
    }

    private mutating func measureCalls(_ path: String) async throws {
        let server = try start("serve", path)
        defer {
            server.terminate()
            server.waitUntilExit()
        }
        let client = BusClient(addresses: [.unix(path: path)], logger: silent)
        let running = Task { try await client.run() }
        defer { running.cancel() }
        call = try await alone(client)
        (rate, serverCPU) = try await together(client)
    }

    private func alone(_ client: BusClient) async throws -> Double {
        for _ in 0..<2000 { try await echo(client) }
        let count = 10_000
        let start = MonotonicClock.now
        for _ in 0..<count { try await echo(client) }
        return (MonotonicClock.now - start).inSeconds * 1e6 / Double(count)
    }

    private func together(_ client: BusClient) async throws -> (Double, Double) {
        let each = 4000
        let cpu = try await usage(client)
        let start = MonotonicClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<32 {
                group.addTask { for _ in 0..<each { try await echo(client) } }
            }
            try await group.waitForAll()
        }
        let seconds = (MonotonicClock.now - start).inSeconds
        let used = try await usage(client) - cpu
        return (Double(32 * each) / seconds, Double(used) / Double(32 * each))
    }
}

private func echo(_ client: BusClient) async throws {
    let _: Blob = try await client.unary("/bench.Bench/Echo", payload, options: .unary)
}

private func usage(_ client: BusClient) async throws -> UInt64 {
    let answer: Number = try await client.unary("/bench.Bench/Usage", Number(), options: .unary)
    return answer.value
}

private func start(_ role: String, _ path: String) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [role, path]
    try process.run()
    while !FileManager.default.fileExists(atPath: path) { usleep(1000) }
    usleep(10_000)
    return process
}
