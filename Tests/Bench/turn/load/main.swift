// One load on one server: sets allocations up, sends packets both ways, and prints what it saw as one line of JSON.
// `make bench-turn` runs it for each contestant; see ../bench_turn.py for the options.

import Addresses
import CTurnLoad
import Glibc
import TURN

/// Resident memory of a process in bytes.
func residentMemory(_ pid: Int32) -> Int {
    guard let file = unsafe fopen("/proc/\(pid)/statm", "r") else { return 0 }
    defer { unsafe fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard unsafe fgets(&line, 128, file) != nil else { return 0 }
    let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
        separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(getpagesize()) : 0
}

func run() throws(LoadError) {
    let options = try Options(Array(CommandLine.arguments.dropFirst()))
    let port: UInt16 = try options.number("port", 0)
    let pid: Int32 = try options.number("pid", 0)
    let kind = try options.text("server")
    let flowCount = try options.number("flows", 20)
    let idleCount = try options.number("idle", 0)
    let credentials = TURNCredentials(
        username: try options.text("user"), password: try options.text("password"))

    var clients: [LoadClient] = []
    var flows: [turn_flow] = unsafe []
    let cpuBefore = turn_load_cpu(pid)
    let memoryBefore = residentMemory(pid)
    clients += try atOnce(idleCount) { (position) throws(LoadError) in
        let client = try LoadClient(port: port, over: .udp, credentials: credentials)
        _ = try client.allocate()
        _ = try client.bind(Endpoint(address: IPAddress(v4: peerAddress), port: UInt16(1 + position % 60_000)))
        return client
    }
    if kind == "bare" {
        for position in 0..<flowCount { unsafe flows.append(try bareFlow(port: port, position: position)) }
    } else {
        let pairs = try atOnce(flowCount) { (_) throws(LoadError) in
            let peer = try Peer()
            let client = try LoadClient(port: port, over: Way(rawValue: kind) ?? .udp, credentials: credentials)
            try peer.connect(to: client.allocate())
            return (client: client, channel: try client.bind(peer.endpoint), peer: peer.socket)
        }
        for pair in pairs {
            clients.append(pair.client)
            unsafe flows.append(pair.client.flow(pair.channel, peer: pair.peer))
        }
    }
    let setupCPU = turn_load_cpu(pid) - cpuBefore
    let memory = residentMemory(pid) - memoryBefore

    var load = unsafe turn_load()
    unsafe load.flow_count = Int32(flowCount)
    unsafe load.payload = try options.number("bytes", 1200)
    unsafe load.rate = try options.number("rate", 20_000)
    unsafe load.burst = try options.number("burst", 1)
    unsafe load.gso = options.flag("gso")
    unsafe load.gro = options.flag("gro")
    unsafe load.gentle = options.flag("gentle")
    unsafe load.warm_up = try options.number("warm-up", 0.5)
    unsafe load.seconds = try options.number("seconds", 3)
    unsafe load.server_pid = pid
    var result = turn_load_result()
    if unsafe load.seconds > 0 {
        let failed = unsafe flows.withUnsafeMutableBufferPointer { flows in
            unsafe load.flows = flows.baseAddress
            return unsafe turn_load_run(&load, &result) != 0
        }
        guard !failed else { throw .system("load", errno) }
    }
    print(
        """
        {"sent": \(result.sent), "received": \(result.received), "wrong": \(result.wrong), \
        "counted": \(result.counted), "server_ns": \(result.server_ns), "busiest_ns": \(result.busiest_ns), \
        "elapsed": \(result.elapsed), "achieved": \(result.achieved), "behind": \(result.behind), \
        "setup_ns": \(setupCPU), "memory": \(memory), "resident": \(residentMemory(pid)), \
        "allocations": \(clients.count)}
        """)
    // Given back, so that the next run finds the server as this one did.
    if !options.flag("keep") {
        for client in clients { try? client.release() }
    }
}

do {
    try run()
} catch {
    print("TurnLoad: \(error)")
    exit(1)
}
