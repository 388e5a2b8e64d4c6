import Addresses
import STUN
import TURNServer
import Testing
import Time

/// What ends when, in virtual time.
struct LifetimeTests {
    private func allocated(_ server: TestServer, _ transport: ClientTransport = .udp) throws -> (TestClient, Endpoint) {
        let client = TestClient(server, flow("198.18.1.1:4000", transport))
        let answer = client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.lifetime, uint32: 3_600, to: &output)
        }
        return (client, try #require(answer?.relayed.first))
    }

    @Test func `a refresh prolongs an allocation and may shorten it to the default`() throws {
        let server = TestServer(configuration())
        let (client, _) = try allocated(server)
        server.advance(.seconds(3_000))
        #expect(client.refresh(nil)?.lifetime == 600)
        server.advance(.seconds(599))
        #expect(server.allocationCount == 1)
        #expect(client.refresh(3_600)?.lifetime == 3_600)
        #expect(client.refresh(1)?.lifetime == 600)
        server.advance(.seconds(600))
        #expect(server.allocationCount == 0)
        #expect(server.nextDeadline == nil)
    }

    @Test
    func
        `a permission lasts five minutes, for all ports of its address, and only CreatePermission and ChannelBind renew it`()
        throws
    {
        let server = TestServer(configuration())
        let (client, relay) = try allocated(server)
        client.permit(peer)
        server.advance(.seconds(299))
        // Data in either direction does not renew it.
        #expect(client.send([1], to: peer) == .toPeer(from: relay, to: peer, [1], dontFragment: false))
        let sibling = Endpoint(address: peer.address, port: 1)
        #expect(server.receive([1], at: relay, from: sibling).indication?.peer == sibling)
        server.advance(.seconds(1))
        #expect(client.send([1], to: peer) == .dropped(.noPermission))
        #expect(server.receive([1], at: relay, from: peer) == .dropped(.noPermission))

        client.permit(peer, otherPeer)
        server.advance(.seconds(200))
        client.permit(peer)
        server.advance(.seconds(200))
        #expect(client.send([1], to: peer) == .toPeer(from: relay, to: peer, [1], dontFragment: false))
        #expect(client.send([1], to: otherPeer) == .dropped(.noPermission))
    }

    @Test func `a channel lasts ten minutes, its permission five; then peers' data stops until either is renewed`()
        throws
    {
        let server = TestServer(configuration())
        let (client, relay) = try allocated(server)
        client.bind(0x4000, to: peer)
        server.advance(.seconds(301))
        #expect(server.receive([1], at: relay, from: peer) == .dropped(.noPermission))
        #expect(client.send([1], on: 0x4000) == .toPeer(from: relay, to: peer, [1], dontFragment: false))
        client.permit(peer)
        #expect(server.receive([1], at: relay, from: peer) == .toClient(client.flow, channelData(0x4000, [1])))
        server.advance(.seconds(299))
        // The channel is over, the permission is not: indications.
        #expect(client.send([1], on: 0x4000) == .dropped(.noChannel))
        #expect(server.receive([1], at: relay, from: peer).indication == ReadIndication(peer: peer, data: [1]))
        // The pair may come together again at once, others after five minutes.
        #expect(client.bind(0x4000, to: otherPeer)?.code == .badRequest)
        #expect(client.bind(0x4001, to: peer)?.code == .badRequest)
        #expect(client.bind(0x4000, to: peer)?.messageClass == .success)
        server.advance(.seconds(899))
        #expect(client.bind(0x4000, to: otherPeer)?.code == .badRequest)
        server.advance(.seconds(1))
        #expect(client.bind(0x4000, to: otherPeer)?.messageClass == .success)
        #expect(client.bind(0x4001, to: peer)?.messageClass == .success)
    }

    @Test(arguments: [ClientTransport.tcp, .tls])
    func `a closed stream ends its allocation`(transport: ClientTransport) throws {
        let server = TestServer(configuration())
        let (client, _) = try allocated(server, transport)
        server.close(client.flow)
        #expect(server.allocationCount == 0)
        #expect(server.openRelays == 0)
        server.close(client.flow)
        #expect(server.events().map(\.kind) == [.created, .ended(.streamClosed)])
    }

    @Test func `the end of the server ends all`() throws {
        let server = TestServer(configuration())
        for port in 1...10 { TestClient(server, flow("198.18.1.1:\(port)")).allocate() }
        server.endAll()
        #expect(server.allocationCount == 0)
        #expect(server.openRelays == 0)
        #expect(server.nextDeadline == nil)
    }

    @Test func `an operator reads each allocation's story`() throws {
        let server = TestServer(configuration())
        let (client, relay) = try allocated(server)
        client.bind(0x4000, to: peer)
        _ = client.send([1, 2, 3], on: 0x4000)
        _ = server.receive([1, 2], at: relay, from: peer)
        server.advance(.seconds(7))
        client.refresh(700)
        client.refresh(0)
        let events = server.events()
        #expect(events.map(\.kind) == [.created, .refreshed, .ended(.deleted)])
        #expect(Set(events.map(\.allocation)).count == 1)
        let last = try #require(events.last)
        #expect(last.user == "ann")
        #expect(last.flow == client.flow)
        #expect(last.relayedV4 == relay)
        #expect(last.age == .seconds(7))
        #expect((last.toPeers.packets, last.toPeers.bytes) == (1, 3))
        #expect((last.toClient.packets, last.toClient.bytes) == (1, 2))
        #expect(last.allocation.description == "1-1")
        #expect(events[1].lifetime == .seconds(700))
    }

    @Test func `events that nobody reads are counted, not kept`() {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        for _ in 0..<600 {
            client.allocate()
            client.refresh(0)
        }
        #expect(server.events().count == 1_024)
        #expect(server.counters.eventsLost == 176)
    }

    @Test(arguments: [
        (ICMPError(type: 3, code: 4, data: 1_280), "8.8.8.8:7000", true),
        (ICMPError(type: 3, code: 3, data: 0), "8.8.8.8:1", true),
        (ICMPError(type: 11, code: 0, data: 0), "8.8.8.8:7000", true),
        (ICMPError(type: 0, code: 0, data: 0), "8.8.8.8:7000", false),
        (ICMPError(type: 5, code: 0, data: 0), "8.8.8.8:7000", false),
        (ICMPError(type: 8, code: 0, data: 0), "8.8.8.8:7000", false),
        (ICMPError(type: 2, code: 0, data: 1_280), "[2600:1::7]:7000", true),
        (ICMPError(type: 1, code: 4, data: 0), "[2600:1::7]:7000", true),
        // What a router leaves in unused bytes is nobody's business.
        (ICMPError(type: 1, code: 4, data: 0xdead_beef), "[2600:1::7]:7000", true),
        (ICMPError(type: 3, code: 1, data: 0xdead_beef), "[2600:1::7]:7000", true),
        (ICMPError(type: 3, code: 1, data: 0xdead_beef), "8.8.8.8:7000", true),
        (ICMPError(type: 11, code: 4, data: 0xdead_beef), "8.8.8.8:7000", true),
        (ICMPError(type: 3, code: 0, data: 0), "[2600:1::7]:7000", true),
        (ICMPError(type: 11, code: 0, data: 0), "[2600:1::7]:7000", false),
        (ICMPError(type: 128, code: 0, data: 0), "[2600:1::7]:7000", false),
    ])
    func `an ICMP error reaches the client where it says something of a peer that is let in`(
        error: ICMPError, from: String, isTold: Bool
    ) throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        let answer = client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.additionalAddressFamily, family: .v6, to: &output)
        }
        let peer = at(from)
        let relay = try #require(answer?.relayed.first { $0.address.family == peer.address.family })
        #expect(server.receive(error, at: relay, from: peer) == .dropped(isTold ? .noPermission : .otherICMP))
        client.permit(peer)
        let outcome = server.receive(error, at: relay, from: peer)
        if isTold {
            // RFC 8656 §18.13: the MTU, or zeros.
            let hasMTU = peer.address.family == .v4 ? (error.type, error.code) == (3, 4) : error.type == 2
            let said = [UInt32(error.type), UInt32(error.code), hasMTU ? error.data : 0]
            #expect(outcome.indication == ReadIndication(peer: peer, icmp: said))
        } else {
            #expect(outcome == .dropped(.otherICMP))
        }
    }
}
