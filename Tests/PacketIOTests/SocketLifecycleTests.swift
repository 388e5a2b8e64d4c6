import Addresses
import Bytes
import PacketIO
import Synchronization
import Testing
import Time

/// Opens, closes and answers as it is told by datagrams on socket 0.
actor Opener: PacketWorker {
    nonisolated let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
    private var received: [(socket: Int, bytes: [UInt8])] = []
    private var ids: [Int] = []
    /// Copies that the loop never touches: ThreadSanitizer does not see the counts by which arrays share.
    var receipts: [(socket: Int, bytes: [UInt8])] { received.map { ($0.socket, $0.bytes.map { $0 }) } }
    var opened: [Int] { ids.map { $0 } }
    /// Closes all other sockets at the first receipt.
    private let closesOthers: Int
    private var isTold: [UDPSocket] = []

    init(on executor: LoopExecutor, closesOthers: Int = 0) {
        self.executor = executor
        self.closesOthers = closesOthers
    }

    /// Lets the loop open these at its next turn.
    func open(_ sockets: [UDPSocket]) { isTold = sockets }

    func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
        for index in 0..<batch.count {
            received.append((batch.socket.index, [UInt8](copying: batch.bytes(index))))
            // Queued on the socket before it closes: must still leave.
            out.forward(batch.bytes(index), socket: batch.socket, from: nil, to: batch.remote(index))
        }
        guard received.count == batch.count, closesOthers > 0 else { return }
        for index in 0..<closesOthers where index != batch.socket.index { out.close(SocketID(index)) }
        // Twice, and what is not there: harmless.
        for index in 0..<(closesOthers + 500) where index != batch.socket.index { out.close(SocketID(index)) }
    }

    func timeout(out: inout LoopIO, now: Instant) {
        do throws(PacketIOError) {
            for socket in isTold { ids.append(try out.open(socket).index) }
        } catch {
            Issue.record("\(error)")
        }
        isTold = []
    }

    var nextDeadline: Instant? { isTold.isEmpty ? nil : .zero }
}

/// Echoes on every socket; closes the socket of whoever sends "close" after the answer.
actor Closer: PacketWorker {
    nonisolated let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    init(on executor: LoopExecutor) { self.executor = executor }

    func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
        for index in 0..<batch.count {
            out.forward(batch.bytes(index), socket: batch.socket, from: nil, to: batch.remote(index))
            if batch.bytes(index).byteCount == 5 { out.close(batch.socket) }
        }
    }

    func timeout(out: inout LoopIO, now: Instant) {}

    var nextDeadline: Instant? { nil }
}

struct SocketLifecycleTests {
    static let loopback = IPAddress(v4: 0x7f00_0001)

    func socket() throws -> UDPSocket { try UDPSocket(binding: Endpoint(address: Self.loopback, port: 0)) }

    @Test func `a socket closed while its datagrams are pending brings none of them`() async throws {
        let executor = try LoopExecutor(name: "opener")
        let worker = Opener(on: executor, closesOthers: 8)
        let sockets = try (0..<8).map { _ in try socket() }
        let client = PlainSocket()
        // All are ready in the loop's first turn.
        for (index, socket) in sockets.enumerated() { client.send([UInt8(index)], to: socket.endpoint) }

        let running = Task { try await executor.run(worker, sockets: sockets) }
        let echoed = await onThread { client.receive() }
        let receipts = await worker.receipts
        #expect(receipts.count == 1)
        #expect(echoed == receipts.first?.bytes)

        // Others take the slots, and get their own datagrams only.
        let later = try (0..<7).map { _ in try socket() }
        await worker.open(later)
        #expect(await isReached { await worker.opened.count == 7 })
        #expect(Set(await worker.opened) == Set(0..<8).subtracting([receipts.first?.socket ?? -1]))
        let wrong = await onThread {
            var wrong = 0
            for (index, socket) in later.enumerated() {
                client.send([100 + UInt8(index)], to: socket.endpoint)
                if client.receive() != [100 + UInt8(index)] { wrong += 1 }
            }
            return wrong
        }
        #expect(wrong == 0)
        #expect(executor.statistics.sockets.load(ordering: .relaxed) == 8)
        running.cancel()
        try await running.value
    }

    @Test func `what a socket was given before it closed still leaves`() async throws {
        let executor = try LoopExecutor(name: "closer")
        let sockets = try [socket(), socket()]
        let running = Task { try await executor.run(Closer(on: executor), sockets: sockets) }
        let client = PlainSocket(timeout: 300)
        let answers = await onThread {
            client.send(Array("close".utf8), to: sockets[1].endpoint)
            let last = client.receive()
            client.send([1], to: sockets[1].endpoint)
            let none = client.receive()
            client.send([2], to: sockets[0].endpoint)
            return [last, none, client.receive()]
        }
        #expect(answers == [Array("close".utf8), [], [2]])
        running.cancel()
        try await running.value
    }

    @Test func `thousands of sockets come and go`() async throws {
        let executor = try LoopExecutor(name: "opener")
        let worker = Opener(on: executor)
        let first = try socket()
        let running = Task { try await executor.run(worker, sockets: [first]) }
        let many = try (0..<2_000).map { _ in try socket() }
        await worker.open(many)
        #expect(await isReached { await worker.opened.count == 2_000 })
        #expect(await worker.opened == Array(1...2_000))

        let client = PlainSocket()
        let wrong = await onThread {
            var wrong = 0
            for index in stride(from: 0, to: 2_000, by: 37) {
                client.send([7], to: many[index].endpoint)
                if client.receive() != [7] { wrong += 1 }
            }
            return wrong
        }
        #expect(wrong == 0)
        running.cancel()
        try await running.value
        #expect(executor.statistics.sockets.load(ordering: .relaxed) == 0)
    }
}
