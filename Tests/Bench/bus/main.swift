import Bus
import Foundation
import Glibc
import Logging
import SwiftProtobuf
import Time

// Measures the bus against a raw ping-pong over the same kind of socket: `bus-bench`, which starts itself as the servers.
// Each server is a process of its own, so that its processor time can be read from the system.

typealias Blob = Google_Protobuf_BytesValue
typealias Number = Google_Protobuf_UInt64Value

let silent = Logger(label: "bus-bench") { _ in SwiftLogNoOpLogHandler() }
/// A small message, as most are: a placement, a heartbeat.
let payload = Blob.with { $0.value = Data(repeating: 7, count: 64) }

switch CommandLine.arguments.dropFirst().first {
case "serve": try await serve(CommandLine.arguments[2])
case "echo": try echoRaw(CommandLine.arguments[2])
case "ping": print(try pingRaw(CommandLine.arguments[2]))
case "call": print(try await callAlone(CommandLine.arguments[2]))
default: try await measure()
}

func serve(_ path: String) async throws {
    var router = BusRouter()
    router.unary("/bench.Bench/Echo") { (request: Blob, _: CallContext) -> Blob in request }
    router.unary("/bench.Bench/Usage") { (_: Number, _: CallContext) -> Number in
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let microseconds =
            (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000 + usage.ru_utime.tv_usec
            + usage.ru_stime.tv_usec
        return Number.with { $0.value = UInt64(microseconds) }
    }
    try await BusServer(addresses: [.unix(path: path)], router: router, name: "bench", logger: silent).run()
}

func measure() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bus-bench-\(getpid())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var runs: [Figures] = []
    for _ in 0..<5 { runs.append(try await Figures(in: folder)) }
    let figures = [
        Result(
            name: "raw round trip", value: median(runs.map(\.raw)), unit: "us", runs: runs.count),
        Result(
            name: "call, one in flight", value: median(runs.map(\.call)), unit: "us",
            baseline: median(runs.map(\.raw)), limit: 1.5, runs: runs.count),
        Result(
            name: "calls, 32 in flight", value: median(runs.map(\.rate)), unit: "1/s", limit: 60_000,
            runs: runs.count),
        Result(
            name: "server CPU a call, 32 in flight", value: median(runs.map(\.serverCPU)), unit: "us", limit: 30,
            runs: runs.count),
    ]
    for figure in figures { print(figure) }
    try FileManager.default.createDirectory(atPath: ".bench", withIntermediateDirectories: true)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(figures).write(to: URL(fileURLWithPath: ".bench/bus.json"))
}
