import Addresses
import PacketIO
import Testing
import Time
import Turn

@Suite struct RelayPortsTests {
    @Test func `every port of the range is given once, then none`() {
        var random = Seeded(state: 1)
        var ports = RelayPorts(50_001...50_130)
        var given: Set<UInt16> = []
        while let port = ports.take(.any, using: &random) { given.insert(port) }
        #expect(given == Set(50_001...50_130))
        #expect(ports.takenCount == 130)
        ports.release(50_077)
        ports.release(50_077)
        #expect(ports.takenCount == 129)
        #expect(ports.take(.any, using: &random) == 50_077)
    }

    @Test func `an even port is even, and with its next both are taken`() {
        var random = Seeded(state: 2)
        var ports = RelayPorts(50_001...50_006)
        var pairs: Set<UInt16> = []
        while let port = ports.take(.evenWithNext, using: &random) { pairs.insert(port) }
        #expect(pairs == [50_002, 50_004])
        #expect(ports.take(.even, using: &random) == 50_006)
        #expect(ports.take(.any, using: &random) == 50_001)
        #expect(ports.take(.any, using: &random) == nil)
    }

    @Test func `ports follow no pattern: differences between neighbours in time are spread over the range`() {
        var random = Seeded(state: 3)
        var ports = RelayPorts(49_152...65_535)
        let given = (0..<2_000).compactMap { _ in ports.take(.any, using: &random) }
        let steps = Set(zip(given, given.dropFirst()).map { Int($1) - Int($0) })
        // Of 1,999 steps over some 32,000 possible values about 60 meet another by chance.
        #expect(given.count == 2_000)
        #expect(steps.count > 1_700)
    }
}

@Suite struct RelayPoolTests {
    private let loopback = IPAddress(v4: 0x7f00_0001)

    @Test func `workers on threads of their own get and give back ports of one pool`() async throws {
        let pool = RelayPool(addresses: [loopback], ports: 47_000...47_063)
        await withTaskGroup(of: Void.self) { workers in
            for worker in 0..<4 as Range<UInt64> {
                workers.addTask { RelayPoolTests.work(worker, pool) }
            }
        }
        #expect(pool.takenCount == 0)
    }

    /// Opens, reserves, claims, lets reservations go by, and gives all back.
    private static func work(_ worker: UInt64, _ pool: RelayPool) {
        var now = Instant.zero + .seconds(1)
        for round in 0..<60 as Range<UInt64> {
            let (token, user) = (worker << 32 | round, "user \(worker)")
            var taken: [Endpoint] = []
            if let socket = try? pool.open(.v4, .any, now: now) { taken.append(socket.endpoint) }
            if let even = try? pool.open(.v4, .evenHoldingNext(token: token, user: user), now: now) {
                taken.append(even.endpoint)
                #expect((try? pool.claim(token, user: "somebody else", now: now)) == nil)
                if round % 2 == 0, let next = try? pool.claim(token, user: user, now: now) {
                    #expect(next.endpoint.port == even.endpoint.port + 1)
                    taken.append(next.endpoint)
                }
            }
            for endpoint in taken { pool.release(endpoint) }
            now += .seconds(1)
        }
        pool.expire(now: now + .seconds(60))
    }
}

private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
