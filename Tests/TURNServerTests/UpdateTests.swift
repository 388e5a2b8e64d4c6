import Addresses
import STUN
import TURNServer
import Testing
import Time

/// What changes while the server runs.
struct UpdateTests {
    @Test func `a peer that is denied now is cut at once, others go on`() throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        let relay = try #require(client.allocate()?.relayed.first)
        client.bind(0x4000, to: peer)
        client.bind(0x4001, to: otherPeer)
        server.update(configuration { $0.policy = PeerPolicy(denied: [range("8.0.0.0/8")]) })
        #expect(client.send([1], on: 0x4000) == .dropped(.noChannel))
        #expect(client.send([1], to: peer) == .dropped(.noPermission))
        #expect(server.receive([1], at: relay, from: peer) == .dropped(.noPermission))
        #expect(client.permit(peer)?.code == .forbidden)
        #expect(client.send([1], on: 0x4001) == .toPeer(from: relay, to: otherPeer, [1], dontFragment: false))
    }

    @Test func `the registry's list opens exactly its ports, and closes them when it shrinks`() throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        let relay = try #require(client.allocate()?.relayed.first)
        let node = at("10.0.0.7:9000")
        let redis = at("10.0.0.7:6379")
        #expect(client.permit(node)?.code == .forbidden)
        server.update(allowedPeers: [PeerRange(address: node.address, ports: 9_000...9_001)])
        #expect(client.permit(node)?.messageClass == .success)
        #expect(client.bind(0x4000, to: node)?.messageClass == .success)
        #expect(client.send([1], on: 0x4000) == .toPeer(from: relay, to: node, [1], dontFragment: false))
        // The permission is for the address, the list for the port.
        #expect(client.send([1], to: redis) == .dropped(.refusedPeer))
        #expect(server.receive([1], at: relay, from: redis) == .dropped(.refusedPeer))
        #expect(client.bind(0x4001, to: redis)?.code == .forbidden)

        // A SIGHUP, or the begin of a drain.
        server.update(configuration { $0.acceptsAllocations = false })
        #expect(client.send([1], on: 0x4000) == .toPeer(from: relay, to: node, [1], dontFragment: false))

        server.update(allowedPeers: [])
        #expect(client.send([1], on: 0x4000) == .dropped(.noChannel))
        #expect(client.send([1], to: node) == .dropped(.noPermission))
        #expect(server.receive([1], at: relay, from: node) == .dropped(.noPermission))
    }

    @Test func `relays of this machine may be reached on loopback, and nothing beside them`() throws {
        let server = TestServer(configuration())
        server.hostV4 = ip("127.0.0.1")
        let ann = TestClient(server, flow("198.18.1.1:1"))
        let bob = TestClient(server, flow("198.18.1.1:2"), username: "bob", password: "hunter2")
        let annRelay = try #require(ann.allocate()?.relayed.first)
        let bobRelay = try #require(bob.allocate()?.relayed.first)
        #expect(ann.permit(bobRelay)?.messageClass == .success)
        #expect(bob.bind(0x4000, to: annRelay)?.messageClass == .success)
        #expect(ann.send([1], to: bobRelay) == .toClient(bob.flow, channelData(0x4000, [1])))
        #expect(ann.send([1], to: at("127.0.0.1:6379")) == .dropped(.refusedPeer))
        #expect(ann.bind(0x4000, to: at("127.0.0.1:6379"))?.code == .forbidden)
        #expect(server.receive([1], at: annRelay, from: at("127.0.0.1:6379")) == .dropped(.refusedPeer))
        #expect(ann.permit(at("127.0.0.2:1"))?.code == .forbidden)
        bob.refresh(0)
        #expect(ann.send([1], to: bobRelay) == .dropped(.refusedPeer), "it is nobody's relay any more")
    }

    @Test func `relays of another worker may be reached on a private address, as long as they live`() throws {
        let (clock, limits) = (TestServer.Clock(), SharedLimits())
        let servers = (1...2).map { TestServer(configuration(), clock: clock, number: $0, limits: limits) }
        for server in servers { server.hostV4 = ip("10.0.0.5") }
        let ann = TestClient(servers[0], flow("198.18.1.1:1"))
        let bob = TestClient(servers[1], flow("198.18.1.1:2"), username: "bob", password: "hunter2")
        let annRelay = try #require(ann.allocate()?.relayed.first)
        let bobRelay = try #require(bob.allocate()?.relayed.first)
        #expect(ann.bind(0x4000, to: bobRelay)?.messageClass == .success)
        #expect(bob.permit(annRelay)?.messageClass == .success)
        #expect(ann.send([1], on: 0x4000) == .toPeer(from: annRelay, to: bobRelay, [1], dontFragment: false))
        #expect(
            servers[1].receive([1], at: bobRelay, from: annRelay).indication
                == ReadIndication(peer: annRelay, data: [1]))
        #expect(ann.bind(0x4001, to: at("10.0.0.5:22"))?.code == .forbidden)
        ann.refresh(0)
        #expect(servers[1].receive([1], at: bobRelay, from: annRelay) == .dropped(.refusedPeer))
        bob.refresh(0)
        let carol = TestClient(servers[0], flow("198.18.1.1:3"), username: "bob", password: "hunter2")
        servers[0].hostV4 = ip("198.18.0.1")
        carol.allocate()
        #expect(carol.permit(bobRelay)?.code == .forbidden, "no relay is left there")
    }

    @Test func `a shorter quota holds for those who come, a new realm for those who ask anew`() {
        let server = TestServer(configuration())
        let first = TestClient(server, flow("198.18.1.1:1"))
        let second = TestClient(server, flow("198.18.1.1:2"))
        first.allocate()
        second.allocate()
        server.update(configuration { $0.userQuota = 1 })
        #expect(first.refresh(600)?.messageClass == .success)
        #expect(second.refresh(600)?.messageClass == .success)
        #expect(TestClient(server, flow("198.18.1.1:3")).allocate()?.code == .allocationQuotaReached)
    }
}
