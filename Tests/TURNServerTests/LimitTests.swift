import Addresses
import STUN
import TURNServer
import Testing
import Time

/// Quotas and bandwidth, over the workers of a process.
struct LimitTests {
    @Test func `a user's quota holds over all workers, and comes back with each end`() {
        let (clock, limits) = (TestServer.Clock(), SharedLimits())
        let settings = configuration { $0.userQuota = 2 }
        let one = TestServer(settings, clock: clock, number: 1, limits: limits)
        let two = TestServer(settings, clock: clock, number: 2, limits: limits)
        let clients = (1...3).map { TestClient($0 == 2 ? two : one, flow("198.18.1.1:\($0)")) }
        #expect(clients[0].allocate()?.messageClass == .success)
        #expect(clients[1].allocate()?.messageClass == .success)
        #expect(clients[2].allocate()?.code == .allocationQuotaReached)
        let bob = TestClient(one, flow("198.18.1.1:9"), username: "bob", password: "hunter2")
        #expect(bob.allocate()?.messageClass == .success)
        clients[1].refresh(0)
        #expect(clients[2].allocate()?.messageClass == .success)
        #expect(limits.allocations == 3)
        one.advance(.seconds(600))
        #expect(limits.allocations == 0)
    }

    @Test func `a time-limited user's quota is the user's, not the name's`() {
        let server = TestServer(configuration { $0.userQuota = 1 })
        let first = TestClient(server, flow("198.18.1.1:1"))
        first.become("carol", until: server.wall + .seconds(60), secret: "north")
        #expect(first.allocate()?.messageClass == .success)
        let second = TestClient(server, flow("198.18.1.1:2"))
        second.become("carol", until: server.wall + .seconds(61), secret: "north")
        #expect(second.allocate()?.code == .allocationQuotaReached)
    }

    @Test func `what could not be bound or was not granted does not count`() {
        let limits = SharedLimits()
        let server = TestServer(configuration { $0.userQuota = 1 }, limits: limits)
        server.freePorts = 0
        let client = TestClient(server, flow())
        #expect(client.allocate()?.code == .insufficientCapacity)
        #expect(limits.allocations == 0)
        server.freePorts = 1
        #expect(client.allocate()?.messageClass == .success)
    }

    /// Sends 100 packets of 1,000 bytes a second each way, and counts what got through in seconds 3 to 12: bytes a second.
    private func throughput(
        _ servers: [TestServer], _ clients: [(TestClient, Endpoint)], toPeers: Bool = true, toClients: Bool = true
    ) -> (toPeers: Int, toClients: Int) {
        var passed = (toPeers: 0, toClients: 0)
        let data = [UInt8](repeating: 7, count: 1_000)
        for tick in 0..<1_200 {
            for (client, relay) in clients {
                if toPeers, case .toPeer = client.send(data, on: 0x4000), tick >= 200 { passed.toPeers += 100 }
                if toClients, case .toClient = client.server.receive(data, at: relay, from: peer), tick >= 200 {
                    passed.toClients += 100
                }
            }
            servers[0].advance(.milliseconds(10))
        }
        return passed
    }

    private func clients(_ servers: [TestServer], _ names: [(String, String)]) -> [(TestClient, Endpoint)] {
        names.enumerated().map { index, name in
            let client = TestClient(
                servers[index % servers.count], flow("198.18.1.\(name.0 == "ann" ? 1 : 2):\(index + 1)"),
                username: name.0, password: name.1)
            let relay = client.allocate()?.relayed.first ?? peer
            client.bind(0x4000, to: peer)
            return (client, relay)
        }
    }

    @Test func `a user's bandwidth holds over allocations and workers, and others notice nothing`() {
        let (clock, limits) = (TestServer.Clock(), SharedLimits())
        let settings = configuration { $0.userBandwidth = 50_000 }
        let servers = (1...2).map { TestServer(settings, clock: clock, number: $0, limits: limits) }
        // Two of ann's, on two workers, at 100,000 bytes a second each.
        let ann = clients(servers, [("ann", "secret"), ("ann", "secret")])
        let rate = throughput(servers, ann, toClients: false)
        #expect((45_000...55_000).contains(rate.toPeers), "\(rate) bytes a second")
        #expect(servers[0].counters[.userBandwidth] > 0)
        let both = throughput(servers, clients(servers, [("bob", "hunter2")]))
        #expect((45_000...55_000).contains(both.toPeers), "\(both) bytes a second")
        #expect((45_000...55_000).contains(both.toClients), "each direction has its own: \(both) bytes a second")
    }

    @Test func `all bandwidth is limited over workers`() {
        let (clock, limits) = (TestServer.Clock(), SharedLimits())
        let settings = configuration { $0.totalBandwidth = 100_000 }
        let servers = (1...2).map { TestServer(settings, clock: clock, number: $0, limits: limits) }
        let rate = throughput(servers, clients(servers, [("ann", "secret"), ("bob", "hunter2")]))
        #expect((95_000...105_000).contains(rate.toPeers), "\(rate) bytes a second")
        #expect((95_000...105_000).contains(rate.toClients), "\(rate) bytes a second")
        #expect(servers.allSatisfy { $0.counters[.totalBandwidth] > 0 })
    }

    @Test func `who stays below its bandwidth loses nothing`() {
        let server = TestServer(configuration { $0.userBandwidth = 110_000 })
        let rate = throughput([server], clients([server], [("ann", "secret")]))
        #expect(rate.toPeers == 100_000)
        #expect(rate.toClients == 100_000)
    }

    @Test func `a new allocation does not give a user new bandwidth`() {
        let server = TestServer(configuration { $0.userBandwidth = 10_000 })
        let client = TestClient(server, flow())
        var passed = 0
        for _ in 0..<20 {
            client.allocate()
            client.bind(0x4000, to: peer)
            for _ in 0..<20 {
                if case .toPeer = client.send([UInt8](repeating: 0, count: 1_000), on: 0x4000) { passed += 1 }
            }
            client.refresh(0)
        }
        #expect(passed <= 12, "a second's worth, not one for each allocation")
    }
}
