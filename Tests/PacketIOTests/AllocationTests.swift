import Addresses
import CAllocations
import PacketIO
import Testing
import Time

/// Counts on the loop's thread, from inside it.
actor CountingRelay: PacketWorker {
    nonisolated let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
    private let peer: Endpoint

    init(on executor: LoopExecutor, peer: Endpoint) {
        self.executor = executor
        self.peer = peer
    }

    func begin() { allocation_counts_begin() }

    func end() -> allocation_counts {
        allocation_counts_end()
        return allocation_counts_now()
    }

    func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
        for index in 0..<batch.count {
            for number in 0..<batch.segmentCount(index) {
                let segment = batch.segment(index, number)
                out.forward(
                    segment, header: 0x4001_0000 | UInt32(segment.byteCount), socket: batch.socket,
                    from: batch.local(index), to: peer)
            }
        }
    }

    func timeout(out: inout LoopIO, now: Instant) {}

    var nextDeadline: Instant? { nil }
}

@Suite(.enabled(if: allocation_counts_are_exact(), "a sanitizer allocates and retains by itself"))
struct AllocationTests {
    @Test(arguments: [1, 8])
    func `nothing is allocated or retained for a packet`(burst: Int) async throws {
        let executor = try LoopExecutor(name: "counting")
        let client = PlainSocket()
        let peer = PlainSocket()
        let relay = CountingRelay(on: executor, peer: peer.endpoint)
        var options = UDPSocketOptions()
        options.mergesDatagrams = true
        let socket = try UDPSocket(
            binding: Endpoint(address: IPAddress(v4: 0x7f00_0001), port: 0), options: options)
        let running = Task { try await executor.run(relay, sockets: [socket]) }

        let send: @Sendable (Int) -> Int = { packets in
            var received = 0
            for _ in 0..<(packets / burst) {
                client.send([UInt8](repeating: 1, count: 200 * burst), segment: 200, to: socket.endpoint)
                for _ in 0..<burst where peer.receive().count == 204 { received += 1 }
            }
            return received
        }
        #expect(await onThread { send(800) } == 800)
        await relay.begin()
        #expect(await onThread { send(8_000) } == 8_000)
        let counts = await relay.end()
        running.cancel()
        try await running.value

        // Two control calls are among it.
        #expect(counts.allocations < 20, "\(counts)")
        #expect(counts.objects < 20, "\(counts)")
        #expect(counts.retains < 20, "\(counts)")
    }

    @Test func `the counters count`() {
        allocation_counts_begin()
        var kept: [Counted] = []
        for index in 0..<100 { kept.append(Counted(index)) }
        let again = (0..<100).map { kept[$0] }
        allocation_counts_end()
        let counts = allocation_counts_now()
        #expect(again.count == 100)
        #expect(counts.objects >= 100, "\(counts)")
        #expect(counts.allocations >= 100, "\(counts)")
        #expect(counts.retains >= 100, "\(counts)")
    }

    @Test func `another thread is neither counted nor harmed, whatever it handles`() async {
        await withTaskGroup(of: Int.self) { group in
            group.addTask {
                // Strings of up to 15 bytes are no objects, and longer ones are.
                var texts = ["a", "0123456789abcd", "longer than what fits beside a length"]
                var lengths = 0
                while !Task.isCancelled {
                    texts.append(texts.removeFirst())
                    lengths &+= texts.map { $0 + "!" }.joined().utf8.count
                }
                return lengths
            }
            allocation_counts_begin()
            let end = ContinuousClock.now + .milliseconds(50)
            while ContinuousClock.now < end {}
            allocation_counts_end()
            group.cancelAll()
            #expect(await group.next() ?? 0 > 0)
        }
        let counts = allocation_counts_now()
        #expect(counts.allocations < 20, "\(counts)")
        #expect(counts.retains < 20, "\(counts)")
    }
}

private final class Counted {
    let value: Int
    @inline(never) init(_ value: Int) { self.value = value }
}
