import Addresses
import Bytes
import PacketIO
import Synchronization
import Testing
import Time

/// Sends back what it gets, and a greeting to whoever it is told to.
actor Echo: PacketWorker {
    nonisolated let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
    private var greeting: (to: Endpoint, at: Instant)?
    private(set) var largestBatch = 0

    init(on executor: LoopExecutor) { self.executor = executor }

    func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
        largestBatch = max(largestBatch, batch.count)
        for index in 0..<batch.count {
            do throws(BytesError) {
                try out.append(socket: batch.socket, from: batch.local(index), to: batch.remote(index)) {
                    (output) throws(BytesError) in try output.write(batch.bytes(index))
                }
            } catch {
                Issue.record("\(error)")
            }
        }
    }

    func timeout(out: inout LoopIO, now: Instant) {
        guard let (to, at) = greeting, at <= now else { return }
        greeting = nil
        do throws(BytesError) {
            try out.append(socket: SocketID(0), from: nil, to: to) { (output) throws(BytesError) in
                try output.write("hello")
            }
        } catch {
            Issue.record("\(error)")
        }
    }

    var nextDeadline: Instant? { greeting?.at }

    func greet(_ endpoint: Endpoint, after interval: Interval) {
        greeting = (endpoint, MonotonicClock.now + interval)
    }
}

struct PacketLoopTests {
    /// Runs `body` with an echo on a loopback socket.
    func withEcho(
        pace: Interval = .zero, _ body: @Sendable @escaping (Echo, UDPSocket) async throws -> Void
    ) async throws {
        let executor = try LoopExecutor(name: "echo", pace: pace)
        let echo = Echo(on: executor)
        let socket = try UDPSocket(binding: try #require(Endpoint("127.0.0.1:0")))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await executor.run(echo, sockets: [socket]) }
            defer { group.cancelAll() }
            try await body(echo, socket)
        }
    }

    @Test(arguments: [0, 200])
    func `every datagram of a burst larger than a batch comes back unchanged`(pace: Int64) async throws {
        try await withEcho(pace: .microseconds(pace)) { _, socket in
            let wrong = await onThread {
                let client = PlainSocket()
                var wrong = 0
                // In runs that fit any kernel's buffers.
                for run in 0..<10 {
                    for number in 0..<100 {
                        client.send(
                            [UInt8](repeating: UInt8(number), count: 1 + number * 12 + run), to: socket.endpoint)
                    }
                    for number in 0..<100 {
                        let expected = [UInt8](repeating: UInt8(number), count: 1 + number * 12 + run)
                        if client.receive() != expected { wrong += 1 }
                    }
                }
                return wrong
            }
            #expect(wrong == 0)
        }
    }

    @Test func `with a pace, a lone datagram is served at once, and those of a stream together`() async throws {
        let pace = Interval.milliseconds(250)
        try await withEcho(pace: pace) { echo, socket in
            let (alone, wrong) = await onThread {
                let client = PlainSocket()
                let start = MonotonicClock.now
                client.send([0], to: socket.endpoint)
                let isBack = client.receive() == [0]
                let alone = isBack ? MonotonicClock.now - start : .seconds(3600)
                for number in 0..<200 { client.send([UInt8(number)], to: socket.endpoint) }
                return (alone, (0..<200).count { client.receive() != [UInt8($0)] })
            }
            #expect(alone < pace)
            #expect(wrong == 0)
            // How many come with the first depends on who is quicker; the rest waits and comes together.
            #expect(echo.executor.statistics.turns.load(ordering: .relaxed) < 60)
        }
    }

    @Test func `a deadline set by a control call is met though no packet comes`() async throws {
        try await withEcho { echo, socket in
            let client = PlainSocket()
            // Sending gives the client its port; the echo says that the loop runs.
            let echoed = await onThread {
                client.send([1], to: socket.endpoint)
                return client.receive()
            }
            #expect(echoed == [1])

            let start = MonotonicClock.now
            await echo.greet(client.endpoint, after: .milliseconds(30))
            #expect(await onThread { client.receive() } == Array("hello".utf8))
            #expect(MonotonicClock.now - start >= .milliseconds(30))
        }
    }

    @Test func `control calls work before, during and after the loop, and a loop can run again`() async throws {
        let executor = try LoopExecutor(name: "echo")
        let echo = Echo(on: executor)
        let socket = try UDPSocket(binding: try #require(Endpoint("127.0.0.1:0")))
        for _ in 0..<3 {
            #expect(await echo.largestBatch == 0)
            let running = Task { try await executor.run(echo, sockets: [socket]) }
            #expect(await echo.largestBatch == 0)
            running.cancel()
            try await running.value
        }
        #expect(await echo.largestBatch == 0)
    }

    @Test func `an address that is not this host's is an error that says so`() throws {
        let endpoint = try #require(Endpoint("192.0.2.1:1"))
        let error = #expect(throws: PacketIOError.self) { _ = try UDPSocket(binding: endpoint) }
        #expect(error?.description.contains("this host has no such address") == true)
    }
}
