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
        raw = try alone("echo", "ping", folder)
        call = try alone("serve", "call", folder)
        try await measureCalls(folder.appendingPathComponent("bus-\(UInt32.random(in: 0 ... .max)).sock").path)
    }

    /// Server and client each on a core of its own, as on a machine with cores to spare: where the kernel puts both on one, which it does for some
    /// runs and not for others, a raw round trip takes half as long, and runs cannot be compared.
    private func alone(_ serving: String, _ asking: String, _ folder: URL) throws -> Double {
        let path = folder.appendingPathComponent("\(serving)-\(UInt32.random(in: 0 ... .max)).sock").path
        let cores = try usableCores()
        let server = try start(serving, path, core: cores.first)
        defer {
            server.terminate()
            server.waitUntilExit()
        }
        let output = Pipe()
        let client = try launch(asking, path, core: cores.last, output: output)
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        client.waitUntilExit()
        guard let microseconds = Double(said.filter { !$0.isWhitespace }) else {
            throw BusStatus(.unavailable, "the client said \(said)")
        }
        return microseconds
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
        (rate, serverCPU) = try await together(client)
    }

    private func together(_ client: BusClient) async throws -> (Double, Double) {
        let each = 4000
        for _ in 0..<2000 { try await echo(client) }
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

/// Microseconds of a call, one in flight.
func callAlone(_ path: String) async throws -> Double {
    let client = BusClient(addresses: [.unix(path: path)], logger: silent)
    let running = Task { try await client.run() }
    defer { running.cancel() }
    for _ in 0..<2000 { try await echo(client) }
    let count = 10_000
    let start = MonotonicClock.now
    for _ in 0..<count { try await echo(client) }
    return (MonotonicClock.now - start).inSeconds * 1e6 / Double(count)
}

private func echo(_ client: BusClient) async throws {
    let _: Blob = try await client.unary("/bench.Bench/Echo", payload, options: .unary)
}

private func usage(_ client: BusClient) async throws -> UInt64 {
    let answer: Number = try await client.unary("/bench.Bench/Usage", Number(), options: .unary)
    return answer.value
}

private func launch(_ role: String, _ path: String, core: String?, output: Pipe? = nil) throws -> Process {
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    let process = Process()
    process.executableURL = core == nil ? own : URL(fileURLWithPath: "/usr/bin/taskset")
    process.arguments = (core.map { ["-c", $0, own.path] } ?? []) + [role, path]
    if let output { process.standardOutput = output }
    try process.run()
    return process
}

/// The first and the last core that this process may use.
private func usableCores() throws -> [String] {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let list = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") } ?? ""
    return list.split { !$0.isNumber }.map { String($0) }
}

private func start(_ role: String, _ path: String, core: String? = nil) throws -> Process {
    let process = try launch(role, path, core: core)
    while !FileManager.default.fileExists(atPath: path) { usleep(1000) }
    usleep(10_000)
    return process
}
