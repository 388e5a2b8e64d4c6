import Bus
import Foundation
import Glibc
import Logging
import SwiftProtobuf
import Testing
import Time

private typealias Text = Google_Protobuf_StringValue
private typealias Blob = Google_Protobuf_BytesValue

private let logger = Logger(label: "bus-tests") { _ in SwiftLogNoOpLogHandler() }

private func freshPath() -> String { "/tmp/bus-\(UUID().uuidString.prefix(8)).sock" }

private func router() -> BusRouter {
    var router = BusRouter()
    router.unary("/t.T/Echo") { (request: Text, _: CallContext) -> Text in request }
    router.serverStreaming("/t.T/Flood") { (_: Text, replies: BusWriter<Blob>, _: CallContext) in
        let message = Blob.with { $0.value = Data(repeating: 7, count: 4096) }
        for _ in 0..<1_000_000 { try await replies.send(message) }
    }
    router.bidirectional("/t.T/Hold") { (requests: BusReplies<Text>, _: BusWriter<Text>, _: CallContext) in
        for try await _ in requests {}
    }
    return router
}

/// A peer without a thread: a machine and a socket that does only what the test says.
private struct Puppet {
    let socket: UnixSocket
    var machine: ConnectionMachine

    init(_ socket: UnixSocket, _ side: ConnectionMachine.Side) {
        self.socket = socket
        machine = ConnectionMachine(side: side, name: "puppet", now: MonotonicClock.now)
    }

    /// Writes what the machine wants written; false once the other end is gone.
    mutating func write() async throws -> Bool {
        var offset = 0
        while offset < machine.outbound.count {
            switch socket.write(machine.outbound, from: offset) {
            case .bytes(let count): offset += count
            case .wouldBlock: try await Task.sleep(for: .milliseconds(1))
            case .closed, .failed: return false
            }
        }
        machine.outbound = []
        return true
    }

    /// Reads until `event` came; false at the end of the connection.
    mutating func read(until isDue: (ConnectionMachine.Event) -> Bool = { _ in false }) async throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            switch socket.read(into: &buffer) {
            case .bytes(let count):
                try machine.receive(buffer.span.extracting(0..<count), now: MonotonicClock.now)
                let isThere = machine.events.contains(where: isDue)
                machine.events = []
                if isThere { return true }
            case .wouldBlock: try await Task.sleep(for: .milliseconds(1))
            case .closed, .failed: return false
            }
        }
    }

    mutating func call(_ method: String) throws {
        let id = try machine.open(CallHead(method: method, timeout: nil, metadata: [:]), now: MonotonicClock.now)
        try machine.send([], on: id, last: true)
    }
}

/// Runs `body` while a server with these limits runs.
private func withServer(
    limits: WireLimits, _ body: @Sendable (BusServer, String) async throws -> Void
) async throws {
    let path = freshPath()
    let server = BusServer(addresses: [.unix(path: path)], router: router(), limits: limits, logger: logger)
    try server.bind()
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        try await body(server, path)
        group.cancelAll()
    }
}

/// Calls until cancelled; the longest that a call took.
private func callSteadily(_ path: String) async throws -> Interval {
    let client = BusClient(addresses: [.unix(path: path)], logger: logger)
    let run = Task { try await client.run() }
    defer { run.cancel() }
    var longest = Interval.zero
    while !Task.isCancelled {
        let start = MonotonicClock.now
        let reply: Text? = try? await client.unary("/t.T/Echo", Text(), options: .unary)
        if Task.isCancelled { break }
        _ = try #require(reply, "another connection has no answer")
        longest = max(longest, MonotonicClock.now - start)
        try? await Task.sleep(for: .milliseconds(2))
    }
    return longest
}

/// Memory of this process in bytes.
private func residentBytes() throws -> Int {
    let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    return (Int(fields[1]) ?? 0) * 4096
}

/// The letter of a process's state: `T` where it is stopped.
private func stateOfProcess(_ id: Int32) throws -> Substring {
    let status = try String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)
    return status[status.index(after: status.lastIndex(of: ")") ?? status.startIndex)...].drop { $0 == " " }
}

/// How many files another process may have open.
private func setFileLimit(_ limit: Int, of process: Int32) throws {
    let change = Process()
    change.executableURL = URL(fileURLWithPath: "/usr/bin/prlimit")
    change.arguments = ["--pid", "\(process)", "--nofile=\(limit):4096"]
    try change.run()
    change.waitUntilExit()
    try #require(change.terminationStatus == 0)
}

/// What a process has had of processors, in hundredths of a second.
private func processorTicks(_ id: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)
    let fields = status[status.index(after: status.lastIndex(of: ")") ?? status.startIndex)...].split(separator: " ")
    return (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0)
}

/// Waits until the other end closes while nothing is read, as a peer that hangs would; how long it took.
private func untilClosed(_ puppet: Puppet) async throws -> Interval {
    let start = MonotonicClock.now
    while MonotonicClock.now - start < .seconds(20) {
        var polled = pollfd(fd: puppet.socket.descriptor, events: 0, revents: 0)
        _ = unsafe poll(&polled, 1, 0)
        if Int32(polled.revents) & POLLHUP != 0 { break }
        try await Task.sleep(for: .milliseconds(5))
    }
    return MonotonicClock.now - start
}

/// A server in a process of its own, which echoes.
private func benchServer(_ path: String) throws -> Process {
    let peer = Process()
    peer.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("BusBench")
    peer.arguments = ["serve", path]
    try peer.run()
    return peer
}

@Suite struct FaultTests {
    @Test func `a peer process that is frozen is found dead within the limit`() async throws {
        let path = freshPath()
        let peer = try benchServer(path)
        defer {
            kill(peer.processIdentifier, SIGKILL)
            try? FileManager.default.removeItem(atPath: path)
        }
        var limits = WireLimits()
        limits.keepaliveIdle = .milliseconds(200)
        limits.keepaliveTimeout = .milliseconds(800)
        var socket: UnixSocket?
        for _ in 0..<2000 where socket == nil {
            socket = try? UnixSocket.connect(path: path)
            if socket == nil { try await Task.sleep(for: .milliseconds(5)) }
        }
        let connection = try BusConnection(
            transport: try #require(socket), side: .connecting, name: "test", router: BusRouter(), limits: limits,
            logger: logger)
        connection.start()
        let _: Blob = try await connection.unary("/bench.Bench/Echo", Blob(), options: .unary)

        kill(peer.processIdentifier, SIGSTOP)
        // Its threads stop one by one, and one may still answer.
        while try !stateOfProcess(peer.processIdentifier).hasPrefix("T") {
            try await Task.sleep(for: .milliseconds(1))
        }
        let start = MonotonicClock.now
        let open = Task { () async throws -> Blob in
            try await connection.unary("/bench.Bench/Echo", Blob(), options: .streaming)
        }
        await connection.waitClosed()
        let took = MonotonicClock.now - start

        // Silence and the time to answer, from the last answer on; above it only what a loaded machine takes to wake a thread.
        #expect(took > .milliseconds(700) && took < .seconds(3), "found dead after \(took)")
        let outcome = await open.result
        #expect(throws: BusStatus.self) { try outcome.get() }
    }

    @Test func `a server without a free descriptor keeps who is there, and takes others once it has one`() async throws
    {
        let path = freshPath()
        let peer = try benchServer(path)
        defer {
            kill(peer.processIdentifier, SIGKILL)
            try? FileManager.default.removeItem(atPath: path)
        }
        let clients = (0..<12).map { _ in BusClient(addresses: [.unix(path: path)], logger: logger) }
        let first = Task { try await clients[0].run() }
        let patient = CallOptions(timeout: .seconds(20))
        let _: Blob = try await clients[0].unary("/bench.Bench/Echo", Blob(), options: patient)
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(peer.processIdentifier)/fd").count

        // Room for one connection and a half: each has a socket, an epoll instance and an eventfd.
        try setFileLimit(open + 5, of: peer.processIdentifier)
        let others = clients.dropFirst().map { client in Task { try await client.run() } }
        try await Task.sleep(for: .milliseconds(1_000))
        let busyBefore = try processorTicks(peer.processIdentifier)
        for _ in 0..<20 {
            let _: Blob = try await clients[0].unary("/bench.Bench/Echo", Blob(), options: .unary)
            try await Task.sleep(for: .milliseconds(50))
        }
        let busy = try processorTicks(peer.processIdentifier) - busyBefore
        let isFull = clients.contains { !$0.isConnected }
        try setFileLimit(1024, of: peer.processIdentifier)

        #expect(isFull)
        // Of a second and more, in hundredths.
        #expect(busy < 50, "the server was busy for \(busy) ticks")
        for client in clients {
            let _: Blob = try await client.unary("/bench.Bench/Echo", Blob(), options: patient)
        }
        for run in [first] + others { run.cancel() }
    }

    @Test func `a frame that says it is over 4 MiB ends its connection unread, and no other`() async throws {
        try await withServer(limits: WireLimits()) { _, path in
            let other = Task { try await callSteadily(path) }
            for length: UInt32 in [4 << 20 + 1, .max] {
                var puppet = Puppet(try UnixSocket.connect(path: path), .connecting)
                _ = try await puppet.write()
                try puppet.call("/t.T/Hold")
                let start = puppet.machine.outbound.count
                FrameHeader(.message, flags: 0, stream: 1, length: 0).write(to: &puppet.machine.outbound)
                for byte in 0..<4 {
                    puppet.machine.outbound[start + byte] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * byte))
                }
                let before = try residentBytes()
                _ = try await puppet.write()
                let isOpen = try await puppet.read()

                #expect(!isOpen)
                #expect(try residentBytes() - before < 2 << 20)
            }
            other.cancel()
            #expect(try await other.value < .seconds(1))
        }
    }

    @Test func `a frozen peer that thaws in time is kept`() async throws {
        var limits = WireLimits()
        limits.keepaliveIdle = .milliseconds(50)
        limits.keepaliveTimeout = .seconds(10)
        try await withServer(limits: limits) { _, path in
            var puppet = Puppet(try UnixSocket.connect(path: path), .connecting)
            _ = try await puppet.write()
            // Several times the silence after which it is asked.
            try await Task.sleep(for: .milliseconds(400))
            try puppet.call("/t.T/Echo")
            let isWritten = try await puppet.write()
            let isAnswered = try await puppet.read { if case .ended(_, .ok) = $0 { true } else { false } }
            #expect(isWritten && isAnswered)
        }
    }

    @Test func `a peer that stops reading is cut, holds little memory, and harms no other`() async throws {
        var limits = WireLimits()
        limits.writeStall = .seconds(2)
        // The puppet answers no keepalive either: what cuts it here is the stall.
        limits.keepaliveTimeout = .seconds(60)
        try await withServer(limits: limits) { _, path in
            let other = Task { try await callSteadily(path) }
            var puppet = Puppet(try UnixSocket.connect(path: path), .connecting)
            _ = try await puppet.write()
            let before = try residentBytes()
            // Credit for 256 MiB.
            for _ in 0..<1000 { try puppet.call("/t.T/Flood") }
            let isWritten = try await puppet.write()
            #expect(isWritten)

            let took = try await untilClosed(puppet)
            let grown = try residentBytes() - before
            other.cancel()
            let longest = try await other.value

            #expect(took > .milliseconds(1900) && took < .seconds(6), "cut after \(took)")
            #expect(grown < 48 << 20, "grown by \(grown) bytes")
            #expect(longest < .seconds(1), "another's call took \(longest)")
        }
    }

    @Test func `a connection carries a stream for each room of the fullest node, and each costs little`() async throws {
        // As many as `max-rooms` of an sfu-node allows.
        let rooms = 20_000
        try await withServer(limits: WireLimits()) { _, path in
            let client = BusClient(addresses: [.unix(path: path)], logger: logger)
            let run = Task { try await client.run() }
            defer { run.cancel() }
            let _: Text = try await client.unary("/t.T/Echo", Text(), options: .unary)
            let before = try residentBytes()
            var streams: [BusCall<Text, Text>] = []
            for _ in 0..<rooms {
                let call: BusCall<Text, Text> = try await client.bidirectional("/t.T/Hold", options: .streaming)
                try await call.requests.send(Text())
                streams.append(call)
            }
            // Behind them all.
            let _: Text = try await client.unary("/t.T/Echo", Text(), options: .unary)
            let grown = try residentBytes() - before

            // Both ends are in this process.
            #expect(grown < rooms * 12 << 10, "\(grown / rooms) bytes a stream")
            withExtendedLifetime(streams) {}
        }
    }

    @Test func `a peer that makes the server answer and does not read its answers is cut at the cap`() async throws {
        var limits = WireLimits()
        limits.writeStall = .seconds(60)
        limits.outboundCap = 1 << 20
        try await withServer(limits: limits) { _, path in
            var puppet = Puppet(try UnixSocket.connect(path: path), .connecting)
            let before = try residentBytes()
            var isOpen = true
            for _ in 0..<2000 where isOpen {
                for _ in 0..<100 {
                    FrameHeader(.ping, flags: 0, stream: 0, length: 8).write(to: &puppet.machine.outbound)
                    puppet.machine.outbound += [0, 0, 0, 0, 0, 0, 0, 1]
                }
                isOpen = try await puppet.write()
            }
            let grown = try residentBytes() - before

            #expect(!isOpen)
            #expect(grown < 16 << 20, "grown by \(grown) bytes")
        }
    }

    @Test func `once the server goes away, the last call taken back ends the connection`() async throws {
        try await withServer(limits: WireLimits()) { server, path in
            let client = BusClient(addresses: [.unix(path: path)], logger: logger)
            let run = Task { try await client.run() }
            defer { run.cancel() }
            var call: BusCall<Text, Text>? = try await client.bidirectional("/t.T/Hold", options: .streaming)
            try await call?.requests.send(Text())
            let drained = Task { await server.drain() }
            while client.isConnected { try await Task.sleep(for: .milliseconds(2)) }

            call = nil
            let start = MonotonicClock.now
            await drained.value

            #expect(MonotonicClock.now - start < .milliseconds(900))
        }
    }

    @Test func `where the peer goes away and does not close, the last call taken back closes it`() async throws {
        let listener = try UnixListener(path: freshPath())
        defer { listener.stop() }
        var limits = WireLimits()
        // Not what wakes it.
        limits.keepaliveIdle = .seconds(60)
        let connection = try BusConnection(
            transport: try UnixSocket.connect(path: listener.path), side: .connecting, name: "test",
            router: BusRouter(), limits: limits, logger: logger)
        connection.start()
        var puppet = Puppet(try #require(try listener.accept()), .accepting)
        _ = try await puppet.write()
        var call: BusCall<Text, Text>? = try await connection.bidirectional("/t.T/Hold", options: .streaming)
        let isOpened = try await puppet.read { if case .opened = $0 { true } else { false } }
        puppet.machine.goAway(reason: "restart")
        let isWritten = try await puppet.write()
        #expect(isOpened && isWritten)
        try await Task.sleep(for: .milliseconds(50))

        let start = MonotonicClock.now
        withExtendedLifetime(call) {}
        call = nil
        let isOpen = try await puppet.read()

        #expect(!isOpen)
        await connection.waitClosed()
        #expect(MonotonicClock.now - start < .seconds(1))
    }
}
