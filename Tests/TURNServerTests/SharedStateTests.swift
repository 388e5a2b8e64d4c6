import STUN
import Synchronization
import TURNServer
import Testing
import Time

/// What the workers of a process share, used from threads at once: ThreadSanitizer looks on (`Tests/Sanitize/run thread`).
struct SharedStateTests {
    @Test func `a quota holds, relays are found and bandwidth is drawn, whichever thread asks`() async throws {
        let (limits, most) = (SharedLimits(), Most())
        await withTaskGroup(of: Void.self) { workers in
            for worker in 1...4 {
                workers.addTask { SharedStateTests.work(worker, limits, most) }
            }
        }
        #expect(limits.allocations == 0)
        #expect(most.count == 0)
        #expect((1...3).contains(most.most), "a user's quota is three: \(most.most) at once")
    }

    /// A machine of its own, as each worker has: allocates, reaches its own relay and whatever others left at those ports, ends.
    private static func work(_ worker: Int, _ limits: SharedLimits, _ most: Most) {
        let settings = configuration {
            $0.userQuota = 3
            ($0.userBandwidth, $0.totalBandwidth) = (1_000_000, 1_000_000)
        }
        let server = TestServer(settings, number: worker, limits: limits, seed: UInt64(worker))
        server.hostV4 = ip("10.0.0.5")
        for round in 0..<150 {
            let client = TestClient(server, flow("198.18.\(worker).1:\(round + 1)"))
            guard client.allocate()?.messageClass == .success, let relay = server.relays.compactMap({ $0 }).last else {
                continue
            }
            most.up()
            #expect(client.bind(0x4000, to: relay)?.messageClass == .success)
            // Not always through: each has a time of its own here, and so spends before others were paid back.
            _ = client.send([1], on: 0x4000)
            // A relay of another worker, or nobody's by now.
            _ = client.bind(0x4001, to: at("10.0.0.5:\(51_000 + round % 4 * 1_000 + round)"))
            _ = client.send([1], on: 0x4001)
            server.advance(.milliseconds(20))
            most.down()
            client.refresh(0)
        }
    }

    /// How many there are at once, and were at most.
    private final class Most: Sendable {
        private let state = Mutex((now: 0, most: 0))
        var most: Int { state.withLock { $0.most } }
        var count: Int { state.withLock { $0.now } }
        func up() { state.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) } }
        func down() { state.withLock { $0.now -= 1 } }
    }
}
