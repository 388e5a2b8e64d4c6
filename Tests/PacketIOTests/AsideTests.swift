import Addresses
import Bytes
import Foundation
import PacketIO
import Testing
import Time

/// RTCP that waits for the next turn.
struct AsideTests {
    private static let loopback = IPAddress(v4: 0x7f00_0001)

    /// Answers, and keeps what came where it is read without a job: a job is a turn of the loop.
    private actor Keeper: PacketWorker {
        nonisolated let executor: LoopExecutor
        nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
        nonisolated let received = Kept()

        init(on executor: LoopExecutor) { self.executor = executor }

        func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
            for index in 0..<batch.count {
                // An empty array made of nothing writes its count, which all empty arrays share: ThreadSanitizer minds.
                let bytes = batch.bytes(index).byteCount == 0 ? [] : [UInt8](copying: batch.bytes(index))
                received.append(bytes, of: batch.socket.index)
                out.forward(batch.bytes(index), socket: batch.socket, from: nil, to: batch.remote(index))
            }
        }

        func timeout(out: inout LoopIO, now: Instant) {}

        var nextDeadline: Instant? { nil }

        nonisolated var kept: [[UInt8]] { received.bytes }
    }

    /// Proof for `@unchecked`: each access is under the lock. A lock of pthread's, for ThreadSanitizer does not see a `Mutex`.
    private final class Kept: @unchecked Sendable {
        private let lock = NSLock()
        private var items: [(socket: Int, bytes: [UInt8])] = []

        func append(_ bytes: [UInt8], of socket: Int) { lock.withLock { items.append((socket, bytes)) } }

        func clear() { lock.withLock { items = [] } }

        // Copies that the loop never touches.
        var bytes: [[UInt8]] { lock.withLock { items.map { $0.bytes.map { $0 } } } }

        var sockets: Set<Int> { lock.withLock { Set(items.map(\.socket)) } }
    }

    private static func socket(port: UInt16 = 0) throws -> UDPSocket {
        var options = UDPSocketOptions()
        options.setsRTCPAside = true
        return try UDPSocket(binding: Endpoint(address: loopback, port: port), options: options)
    }

    /// Runs `body` once the loop waits.
    private func withLoop(
        _ body: (_ worker: Keeper, _ socket: UDPSocket, _ client: PlainSocket) async throws -> Void
    ) async throws {
        let executor = try LoopExecutor(name: "aside")
        let worker = Keeper(on: executor)
        let socket = try Self.socket()
        let running = Task { try await executor.run(worker, sockets: [socket]) }
        let client = PlainSocket()
        client.send([0, 1], to: socket.endpoint)
        #expect(await isReached { worker.kept == [[0, 1]] })
        _ = await onThread { client.receive() }
        worker.received.clear()
        // The turn's end.
        try await Task.sleep(for: .milliseconds(50))
        try await body(worker, socket, client)
        running.cancel()
        try await running.value
    }

    @Test func `RTCP wakes nobody, and comes with the next datagram`() async throws {
        try await withLoop { worker, socket, client in
            let reports: [[UInt8]] = [[0x80, 200], [0x81, 205, 0, 1], [0xbf, 223], [0x80, 192, 7]]
            for report in reports { client.send(report, to: socket.endpoint) }
            try await Task.sleep(for: .milliseconds(200))
            #expect(worker.kept == [])
            client.send([0, 2], to: socket.endpoint)
            #expect(await isReached { worker.kept == [[0, 2]] + reports })
            #expect(worker.received.sockets == [0])
            // What answers it leaves from the port that it came to.
            let isAnswered = await onThread { (0..<5).map { _ in client.receive() } == [[0, 2]] + reports }
            #expect(isAnswered)
        }
    }

    @Test(arguments: [[], [0x80], [0x80, 96], [0x80, 191], [0x80, 224], [0x40, 200], [0xc0, 200], [22, 254, 253]])
    func `what is not RTCP wakes the loop`(bytes: [UInt8]) async throws {
        try await withLoop { worker, socket, client in
            client.send(bytes, to: socket.endpoint)
            #expect(await isReached { worker.kept == [bytes] })
        }
    }

    @Test func `more of it than a turn reads is read in the turns after`() async throws {
        try await withLoop { worker, socket, client in
            for number in 0..<100 as Range<UInt8> { client.send([0x80, 201, number], to: socket.endpoint) }
            client.send([1], to: socket.endpoint)
            #expect(await isReached { worker.kept.count == 101 })
            #expect(worker.kept.compactMap { $0.count == 3 ? $0[2] : nil } == Array(0..<100))
        }
    }

    @Test func `a port that is taken stays an error`() throws {
        let first = try Self.socket()
        #expect(throws: PacketIOError.self) { _ = try Self.socket(port: first.endpoint.port) }
        let plain = try UDPSocket(binding: Endpoint(address: Self.loopback, port: 0))
        #expect(throws: PacketIOError.self) { _ = try Self.socket(port: plain.endpoint.port) }
        withExtendedLifetime((first, plain)) {}
    }
}
