import Addresses
import STUN
import TURN
import TURNServer
import Testing
import Time

struct AllocateTests {
    private let dual: TestClient.Body = { (writer, output) throws(STUNError) in
        try writer.add(.additionalAddressFamily, family: .v6, to: &output)
    }

    @Test func `a repeated request has the same answer and no second effect`() throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        client.challenge()
        let request = client.message(.request, .allocate) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
            try writer.addEvenPort(reserve: true, to: &output)
            try writer.add(.lifetime, uint32: 1_000, to: &output)
        }
        let first = client.send(request)
        server.advance(.seconds(10))
        #expect(first.answer != nil)
        #expect(client.send(request) == first)
        #expect(server.allocationCount == 1)
        #expect(server.openRelays == 1)
    }

    @Test func `a request that is in work is not started twice`() throws {
        let server = TestServer(configuration { $0.asksForQuota = true })
        server.bindsAtOnce = false
        let client = TestClient(server, flow())
        client.challenge()
        let request = client.message(.request, .allocate) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
        }
        guard case .asked(let ticket) = client.send(request) else {
            Issue.record("the registry is not asked")
            return
        }
        #expect(client.send(request) == .dropped(.pending))
        #expect(server.user(of: ticket) == "ann")
        #expect(server.quotaAnswered(ticket, user: "ann", granted: true) == .bindWanted(ticket))
        #expect(client.send(request) == .dropped(.pending))
        #expect(client.refresh(0)?.code == .allocationMismatch, "it does not live yet")
        let answer = server.bind(ticket)
        #expect(answer.answer != nil)
        #expect(client.send(request) == answer)
        #expect(server.quotaAnswered(ticket, user: "ann", granted: true) == .dropped(.lateAnswer))
        client.refresh(0)
        #expect(server.quotaReleases == ["ann"])
    }

    @Test func `a registry that does not answer is not waited for, and its late grant is given back once`() throws {
        let server = TestServer(configuration { $0.asksForQuota = true })
        let client = TestClient(server, flow())
        client.challenge()
        let request = client.message(.request, .allocate) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
        }
        guard case .asked(let ticket) = client.send(request) else {
            Issue.record("the registry is not asked")
            return
        }
        server.advance(.seconds(2))
        #expect(server.late.count == 1)
        #expect(server.late.first?.answer == client.send(request).answer)
        #expect(server.quotaAnswered(ticket, user: "ann", granted: true) == .dropped(.lateAnswer))
        client.refresh(0)
        #expect(server.quotaReleases == ["ann"])
        #expect(server.quotaAnswered(ticket, user: "ann", granted: true) == .dropped(.lateAnswer))
        #expect(server.quotaReleases == ["ann", "ann"], "a grant for nobody")
    }

    @Test func `a worker that never binds is given up, and its late relay is closed`() throws {
        let server = TestServer(configuration())
        server.bindsAtOnce = false
        let client = TestClient(server, flow())
        client.challenge()
        let request = client.message(.request, .allocate) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
        }
        guard case .bindWanted(let ticket) = client.send(request) else {
            Issue.record("no relay is asked for")
            return
        }
        server.advance(.seconds(10))
        #expect(server.allocationCount == 0)
        #expect(server.bind(ticket) == .dropped(.lateAnswer))
        #expect(server.openRelays == 0)
    }

    @Test func `two families are two relays that live and end apart`() throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow("[2600:2::1]:4000", server: "[2600::1]:3478"))
        let answer = try #require(client.allocate(dual))
        #expect(answer.relayed.map(\.address.family) == [.v4, .v6])
        #expect(answer.addressError.isEmpty)
        #expect(client.permit(peer, peerV6)?.messageClass == .success)
        #expect(client.bind(0x4000, to: peer)?.messageClass == .success)
        #expect(client.bind(0x4001, to: peerV6)?.messageClass == .success)
        let (relayV4, relayV6) = (answer.relayed[0], answer.relayed[1])
        #expect(client.send([1], on: 0x4001) == .toPeer(from: relayV6, to: peerV6, [1], dontFragment: false))
        #expect(server.receive([2], at: relayV6, from: peerV6) == .toClient(client.flow, channelData(0x4001, [2])))

        #expect(client.refresh(0, family: .v6)?.lifetime == 0)
        #expect(server.openRelays == 1)
        #expect(client.send([1], on: 0x4001) == .dropped(.noChannel))
        #expect(client.send([1], on: 0x4000) == .toPeer(from: relayV4, to: peer, [1], dontFragment: false))
        #expect(client.refresh(600, family: .v6)?.code == .peerAddressFamilyMismatch)
        #expect(client.permit(peerV6)?.code == .peerAddressFamilyMismatch)

        client.refresh(0)
        #expect(server.openRelays == 0)
    }

    @Test func `one of two relays may be refreshed, and the other ends at its time`() throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        client.allocate(dual)
        #expect(client.refresh(3_600, family: .v4)?.lifetime == 3_600)
        server.advance(.seconds(601))
        #expect(server.openRelays == 1)
        #expect(client.refresh(600, family: .v6)?.code == .peerAddressFamilyMismatch)
        server.advance(.seconds(3_000))
        #expect(server.allocationCount == 0)
    }

    @Test(arguments: [
        ("host without IPv6", RelayFamilies.both, "v6 508", [IPAddress.Family.v4]),
        ("no IPv6 by configuration", .v4, "v6 440", [.v4]), ("no IPv4 by configuration", .v6, "v4 440", [.v6]),
    ])
    func `a second family that cannot be had is named in the success`(
        name: String, families: RelayFamilies, error: String, relayed: [IPAddress.Family]
    ) throws {
        let server = TestServer(configuration { $0.families = families })
        if families == .both { server.hostV6 = nil }
        let client = TestClient(server, flow())
        let answer = try #require(client.allocate(dual))
        #expect(answer.messageClass == .success)
        #expect(answer.relayed.map(\.address.family) == relayed)
        #expect(answer.addressError == [error])
    }

    @Test func `an IPv6 relay is given where it is asked for, whatever the client's own family`() throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        let answer = try #require(
            client.allocate { (writer, output) throws(STUNError) in
                try writer.add(.requestedAddressFamily, family: .v6, to: &output)
            })
        #expect(answer.relayed.map(\.address) == [ip("2600::1")])
        #expect(answer.mapped == client.flow.client)
        #expect(client.permit(peer)?.code == .peerAddressFamilyMismatch)
        #expect(client.permit(peerV6)?.messageClass == .success)
    }

    @Test(arguments: [IPAddress.Family.v4, .v6])
    func `an even port and the next one under a token, which is good once, for 30 s`(family: IPAddress.Family) throws {
        let server = TestServer(configuration())
        let rtp = TestClient(server, flow("198.18.1.1:1"))
        let even = try #require(
            rtp.allocate { (writer, output) throws(STUNError) in
                try writer.addEvenPort(reserve: true, to: &output)
                try writer.add(.requestedAddressFamily, family: family, to: &output)
            })
        let token = try #require(even.token)
        let port = try #require(even.relayed.first).port
        #expect(even.relayed.map(\.address.family) == [family])
        #expect(port % 2 == 0)
        #expect(token >> 56 == 1, "the worker's number")

        let take: TestClient.Body = { (writer, output) throws(STUNError) in
            try writer.add(.reservationToken, uint64: token, to: &output)
        }
        let rtcp = TestClient(server, flow("198.18.1.1:2"))
        // The family goes with the port (RFC 8656 §7.2: the request may not name one).
        let next = Endpoint(address: try #require(even.relayed.first).address, port: port + 1)
        #expect(rtcp.allocate(take)?.relayed == [next])
        let third = TestClient(server, flow("198.18.1.1:3"))
        #expect(third.allocate(take)?.code == .insufficientCapacity)

        let later = TestClient(server, flow("198.18.1.1:4"))
        let other = try #require(
            later.allocate { (writer, output) throws(STUNError) in try writer.addEvenPort(reserve: true, to: &output) })
        #expect(other.token != token)
        server.advance(.seconds(30))
        #expect(server.kept.expire(now: server.now).count == 1)
        #expect(server.kept.nextDeadline == nil)
    }

    @Test func `an even port without the next has no token`() throws {
        let server = TestServer(configuration())
        for port in 1...4 {
            let client = TestClient(server, flow("198.18.1.1:\(port)"))
            let answer = try #require(
                client.allocate { (writer, output) throws(STUNError) in
                    try writer.addEvenPort(reserve: false, to: &output)
                    // Only a port that is kept may not be one of two (RFC 8656 §7.2).
                    if port > 2 { try dual(writer, &output) }
                })
            #expect(answer.relayed.count == (port > 2 ? 2 : 1))
            #expect(answer.relayed.allSatisfy { $0.port % 2 == 0 })
            #expect(answer.token == nil)
        }
    }

    @Test(arguments: [(UInt32?.none, UInt32(600)), (0, 600), (1, 600), (777, 777), (3_600, 3_600), (.max, 3_600)])
    func `a lifetime is at least the default and at most the maximum`(asked: UInt32?, granted: UInt32) throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        let answer = client.allocate { (writer, output) throws(STUNError) in
            if let asked { try writer.add(.lifetime, uint32: asked, to: &output) }
        }
        #expect(answer?.lifetime == granted)
        server.advance(.seconds(Int64(granted) - 1))
        #expect(server.allocationCount == 1)
        server.advance(.seconds(1))
        #expect(server.allocationCount == 0)
    }

    @Test func `behind a NAT, clients are told the address outside, and peers' packets from there find their way`()
        throws
    {
        let outside = configuration {
            $0.externalAddresses = [ExternalAddress(local: ip("10.0.0.5"), advertised: ip("198.18.0.1"))]
        }
        let clock = TestServer.Clock()
        let limits = SharedLimits()
        let one = TestServer(outside, clock: clock, number: 1, limits: limits)
        let two = TestServer(outside, clock: clock, number: 2, limits: limits)
        (one.hostV4, two.hostV4) = (ip("10.0.0.5"), ip("10.0.0.5"))
        let ann = TestClient(one, flow("198.18.1.1:1"))
        let eve = TestClient(one, flow("198.18.1.1:3"))
        let bob = TestClient(two, flow("198.18.1.1:2"), username: "bob", password: "hunter2")
        let annRelay = try #require(ann.allocate()?.relayed.first)
        let bobRelay = try #require(bob.allocate()?.relayed.first)
        let eveRelay = try #require(eve.allocate()?.relayed.first)
        #expect(annRelay.address == ip("198.18.0.1"))

        ann.bind(0x4000, to: bobRelay)
        bob.bind(0x4001, to: annRelay)
        // Another worker's relay is where it is bound, and its packets come from there.
        let local = Endpoint(address: ip("10.0.0.5"), port: bobRelay.port)
        let annLocal = Endpoint(address: ip("10.0.0.5"), port: annRelay.port)
        #expect(ann.send([1], on: 0x4000) == .toPeer(from: annLocal, to: local, [1], dontFragment: false))
        #expect(two.receive([1], at: local, from: annLocal) == .toClient(bob.flow, channelData(0x4001, [1])))
        // Of this one, the address outside is enough.
        ann.bind(0x4002, to: eveRelay)
        eve.permit(annRelay)
        #expect(ann.send([2], on: 0x4002).indication == ReadIndication(peer: annRelay, data: [2]))
    }
}
