import Addresses
import CAllocations
import STUN
import TURNServer
import Testing
import Time

/// The way of data, once all is as it should be.
struct RelayingTests {
    @Test(arguments: ClientTransport.allCases)
    func `a client allocates, lets a peer in, and both reach each other by indications and on a channel`(
        transport: ClientTransport
    ) throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow("198.18.1.1:4000", transport))

        let challenge = try #require(client.challenge())
        #expect(challenge.code == .unauthenticated)
        #expect(challenge.realm == "roost")
        #expect(challenge.algorithms == [.sha256, .md5])
        let allocated = try #require(client.allocate())
        #expect(allocated.messageClass == .success)
        #expect(allocated.isTrusted)
        #expect(allocated.mapped == client.flow.client)
        #expect(allocated.lifetime == 600)
        let relay = try #require(allocated.relayed.first)
        #expect(relay.address == server.hostV4)

        #expect(client.send([1], to: peer) == .dropped(.noPermission))
        #expect(server.receive([1], at: relay, from: peer) == .dropped(.noPermission))
        #expect(client.permit(peer)?.messageClass == .success)
        #expect(
            client.send([1, 2, 3], to: peer) == .toPeer(from: relay, to: peer, [1, 2, 3], dontFragment: false))
        #expect(
            client.send([1], to: peer, dontFragment: true) == .toPeer(from: relay, to: peer, [1], dontFragment: true))
        #expect(
            server.receive([4, 5], at: relay, from: peer).indication == ReadIndication(peer: peer, data: [4, 5]))

        #expect(client.send([1], on: 0x4000) == .dropped(.noChannel))
        #expect(client.bind(0x4000, to: peer)?.messageClass == .success)
        #expect(
            client.send([6, 7, 8], on: 0x4000) == .toPeer(from: relay, to: peer, [6, 7, 8], dontFragment: false))
        #expect(
            server.receive([9], at: relay, from: peer)
                == .toClient(client.flow, channelData(0x4000, [9], isPadded: transport != .udp)))
        // Another port of a permitted address has no channel.
        let sibling = Endpoint(address: peer.address, port: 9)
        #expect(server.receive([9], at: relay, from: sibling).indication == ReadIndication(peer: sibling, data: [9]))

        #expect(client.refresh(0)?.lifetime == 0)
        #expect(server.allocationCount == 0)
        #expect(server.openRelays == 0)
        #expect(client.send([6], on: 0x4000) == .dropped(.noAllocation))
    }

    @Test(
        .enabled(if: allocation_counts_are_exact(), "a sanitizer allocates and retains by itself"),
        arguments: ["channel", "indications", "a limited bandwidth"])
    func `nothing is allocated or retained for a packet`(way: String) throws {
        let server = TestServer(
            configuration {
                if way == "a limited bandwidth" { ($0.userBandwidth, $0.totalBandwidth) = (1 << 40, 1 << 40) }
            })
        let client = TestClient(server, flow())
        let relay = try #require(client.allocate()?.relayed.first)
        client.permit(peer)
        if way != "indications" { client.bind(0x4000, to: peer) }
        let datagram =
            way != "indications"
            ? channelData(0x4000, [1, 2, 3])
            : client.message(.indication, .send, isBare: true) { (writer, output) throws(STUNError) in
                try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
                try writer.addFlag(.data, to: &output)
            }
        allocation_counts_begin()
        let relayed = server.relayOften(10_000, datagram, from: client.flow, [4, 5], at: relay, from: peer)
        allocation_counts_end()
        let counts = allocation_counts_now()
        #expect(relayed == (10_000, 10_000))
        #expect(counts.allocations < 20, "\(counts)")
        #expect(counts.objects < 20, "\(counts)")
        #expect(counts.retains < 20, "\(counts)")
    }

    @Test func `two clients of one server reach each other without leaving the process`() throws {
        let server = TestServer(configuration())
        let ann = TestClient(server, flow("198.18.1.1:4000"))
        let bob = TestClient(server, flow("198.18.1.2:4000", .tcp, id: 3), username: "bob", password: "hunter2")
        let annRelay = try #require(ann.allocate()?.relayed.first)
        let bobRelay = try #require(bob.allocate()?.relayed.first)

        #expect(ann.bind(0x4001, to: bobRelay)?.messageClass == .success)
        #expect(ann.send([1], on: 0x4001) == .dropped(.noPermission), "bob has not let ann in")
        #expect(bob.permit(annRelay)?.messageClass == .success)
        #expect(ann.send([1, 2], on: 0x4001).indication == ReadIndication(peer: annRelay, data: [1, 2]))
        #expect(bob.bind(0x4002, to: annRelay)?.messageClass == .success)
        #expect(ann.send([1, 2], on: 0x4001) == .toClient(bob.flow, channelData(0x4002, [1, 2], isPadded: true)))
        #expect(bob.send([3], to: annRelay) == .toClient(ann.flow, channelData(0x4001, [3])))
        #expect(server.counters.turnedAround.packets == 3)

        bob.refresh(0)
        #expect(ann.send([1], on: 0x4001) == .dropped(.refusedPeer), "the port may be any program's by now")
    }
}
