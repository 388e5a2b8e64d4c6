import Addresses
import STUN
import TURNServer
import Testing
import Time

/// What a client can reach of the server's own host: relays, and nothing beside them.
struct OwnAddressTests {
    /// A NAT gives 10.0.0.5 the address 198.18.0.1, which no range refuses.
    private func behindNAT(
        _ policy: PeerPolicy = PeerPolicy(), number: Int = 1, clock: TestServer.Clock = .init(),
        limits: SharedLimits = SharedLimits()
    ) -> TestServer {
        let server = TestServer(
            configuration {
                $0.policy = policy
                $0.externalAddresses = [ExternalAddress(local: ip("10.0.0.5"), advertised: ip("198.18.0.1"))]
            }, clock: clock, number: number, limits: limits)
        server.hostV4 = ip("10.0.0.5")
        return server
    }

    @Test func `behind a NAT no port of the host's private address is reached by its public one`() throws {
        let server = behindNAT()
        let client = TestClient(server, flow())
        let relay = try #require(client.allocate()?.relayed.first)
        let memcached = at("198.18.0.1:11211")
        #expect(client.permit(memcached)?.messageClass == .success, "there may be relays")
        #expect(client.send([1], to: memcached) == .dropped(.refusedPeer))
        #expect(client.bind(0x4000, to: memcached)?.code == .forbidden)
        #expect(
            server.receive([1], at: at("10.0.0.5:\(relay.port)"), from: at("10.0.0.5:11211"))
                == .dropped(.refusedPeer))
        #expect(server.counters.toPeers.packets == 0)
    }

    @Test func `what is allowed by name is sought where it says, not at the private address`() throws {
        let server = behindNAT(PeerPolicy(allowed: [range("198.18.0.1")]))
        let client = TestClient(server, flow())
        let relay = try #require(client.allocate()?.relayed.first)
        let allowed = at("198.18.0.1:11211")
        #expect(client.bind(0x4000, to: allowed)?.messageClass == .success)
        let sent = Outcome.toPeer(from: at("10.0.0.5:\(relay.port)"), to: allowed, [1], dontFragment: false)
        #expect(client.send([1], on: 0x4000) == sent)
        #expect(client.send([1], to: allowed) == sent)
    }

    @Test func `another worker's relay behind the NAT is reached where it is bound`() throws {
        let (clock, limits) = (TestServer.Clock(), SharedLimits())
        let servers = (1...2).map { behindNAT(number: $0, clock: clock, limits: limits) }
        let ann = TestClient(servers[0], flow("198.18.1.1:1"))
        let bob = TestClient(servers[1], flow("198.18.1.1:2"), username: "bob", password: "hunter2")
        let annRelay = try #require(ann.allocate()?.relayed.first)
        let bobRelay = try #require(bob.allocate()?.relayed.first)
        #expect(ann.bind(0x4000, to: bobRelay)?.messageClass == .success)
        #expect(
            ann.send([1], on: 0x4000)
                == .toPeer(
                    from: at("10.0.0.5:\(annRelay.port)"), to: at("10.0.0.5:\(bobRelay.port)"), [1],
                    dontFragment: false))
        bob.refresh(0)
        #expect(ann.send([1], on: 0x4000) == .dropped(.refusedPeer), "another program may have the port by now")
    }

    @Test func `without a NAT the own public address is open at relays' ports only`() throws {
        let server = TestServer(configuration())
        let ann = TestClient(server, flow("198.18.1.1:1"))
        let bob = TestClient(server, flow("198.18.1.1:2"), username: "bob", password: "hunter2")
        ann.allocate()
        let bobRelay = try #require(bob.allocate()?.relayed.first)
        let dns = at("198.18.0.1:53")
        #expect(ann.permit(dns)?.messageClass == .success, "a permission is for the address, and bob is there")
        #expect(ann.send([1], to: dns) == .dropped(.refusedPeer))
        #expect(ann.bind(0x4000, to: dns)?.code == .forbidden)
        #expect(ann.bind(0x4000, to: bobRelay)?.messageClass == .success)
    }

    @Test func `a channel does not outlive the relay that it was allowed for`() throws {
        let server = TestServer(configuration())
        server.hostV4 = ip("10.0.0.5")
        let ann = TestClient(server, flow("198.18.1.1:1"))
        let bob = TestClient(server, flow("198.18.1.1:2"), username: "bob", password: "hunter2")
        ann.allocate()
        let bobRelay = try #require(bob.allocate()?.relayed.first)
        #expect(ann.bind(0x4000, to: bobRelay)?.messageClass == .success)
        #expect(ann.send([1], on: 0x4000) == .dropped(.noPermission), "bob lets nobody in")
        bob.refresh(0)
        #expect(ann.send([1], on: 0x4000) == .dropped(.refusedPeer))
    }

    /// The registry tells a server of its own range among all others.
    @Test(arguments: ["198.18.0.1", "10.0.0.5", "127.0.0.1"])
    func `its own range in the registry's list opens no port that is no relay`(host: String) throws {
        let own = PeerRange(address: ip(host), ports: 49_152...65_535)
        // On the same host, a media port of a node and the relays of another turn server.
        let node = PeerRange(address: ip(host), ports: 40_000...40_000)
        let sibling = PeerRange(address: ip(host), ports: 41_000...41_999)
        let server = TestServer(configuration { $0.policy = PeerPolicy(own: [ip(host)], ownRelays: [own]) })
        server.hostV4 = ip(host)
        server.update(allowedPeers: [node, own, sibling])
        let ann = TestClient(server, flow("198.18.1.1:1"))
        let bob = TestClient(server, flow("198.18.1.1:2"), username: "bob", password: "hunter2")
        let annRelay = try #require(ann.allocate()?.relayed.first)
        let bobRelay = try #require(bob.allocate()?.relayed.first)
        let program = Endpoint(address: ip(host), port: 60_000)
        #expect(ann.permit(program)?.messageClass == .success, "bob is at that address")
        #expect(ann.bind(0x4000, to: program)?.code == .forbidden)
        #expect(ann.send([1], to: program) == .dropped(.refusedPeer))
        #expect(server.receive([1], at: annRelay, from: program) == .dropped(.refusedPeer))

        #expect(bob.permit(annRelay)?.messageClass == .success)
        #expect(ann.bind(0x4001, to: bobRelay)?.messageClass == .success)
        #expect(ann.send([1], on: 0x4001).indication == ReadIndication(peer: annRelay, data: [1]))
        bob.refresh(0)
        #expect(ann.send([1], on: 0x4001) == .dropped(.refusedPeer), "another program may have the port by now")
        for (index, other) in [node, sibling].enumerated() {
            let place = Endpoint(address: other.address, port: other.ports.upperBound)
            #expect(ann.bind(0x4002 + UInt16(index), to: place)?.messageClass == .success)
            #expect(ann.send([1], to: place) == .toPeer(from: annRelay, to: place, [1], dontFragment: false))
        }
        // SIGHUP leaves the list as it is.
        server.update(configuration { $0.policy = PeerPolicy(own: [ip(host)], ownRelays: [own]) })
        #expect(ann.bind(0x4000, to: program)?.code == .forbidden)
    }

    @Test func `the host's other addresses are refused as private ones are`() throws {
        let policy = PeerPolicy(own: [ip("198.18.0.2"), ip("2600::2")])
        #expect(policy.refusal(of: at("198.18.0.2:53")) == .range)
        #expect(policy.verdict(on: ip("2600::2")) == .refused(.range))
        #expect(policy.verdict(on: ip("::ffff:198.18.0.2")) == .refused(.range))
        #expect(policy.refusal(of: at("198.18.0.3:53")) == nil)
        let node = PeerRange(address: ip("198.18.0.2"), ports: 9_000...9_000)
        let opened = PeerPolicy(own: [ip("198.18.0.2")], allowedPeers: [node])
        #expect(opened.verdict(on: ip("198.18.0.2")) == .byPort)
        #expect(opened.refusal(of: at("198.18.0.2:9000")) == nil)
        #expect(opened.refusal(of: at("198.18.0.2:9001")) == .range)
    }
}
