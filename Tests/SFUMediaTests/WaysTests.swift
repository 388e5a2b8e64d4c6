import Addresses
import MediaInterface
import PacketIO
import SDP
import SFUMedia
import Testing

/// The ways that lead to a node, over real sockets: TCP, IPv6, addresses behind a NAT, and ports that change.
extension ForwardingTests {
    private static let room = MediaRoom(room: "blue", epoch: 1)
    private static let v4 = Endpoint(address: IPAddress(v4: 0x7f00_0001), port: 0)

    @Test func `who knows only TCP sees and hears who comes by UDP`() async throws {
        try await withNode { media in
            var ann = try await Participant.join("ann", in: Self.room, of: media, over: .tcp)
            var bob = try await Participant.join("bob", in: Self.room, of: media)
            _ = try await exchange(&ann, &bob, turns: 200)
            let came = try await exchange(&ann, &bob, turns: 200)
            // 50 of each kind were sent each way.
            #expect(came.one > 70 && came.other > 70, "\(came)")
            #expect(media.counters[0].dropped[MediaCounters.Drop.malformed.rawValue] == 0)
        }
    }

    @Test func `a client whose source port changes is followed within one check of consent`() async throws {
        try await withNode { media in
            var ann = try await Participant.join("ann", in: Self.room, of: media)
            var bob = try await Participant.join("bob", in: Self.room, of: media)
            _ = try await exchange(&ann, &bob, turns: 200)
            // As a NAT does that forgot the mapping: what goes to the old port is lost.
            ann.socket = LoopbackSocket()
            _ = try await exchange(&ann, &bob, turns: 1_300)
            let came = try await exchange(&ann, &bob, turns: 200)
            #expect(came.one > 70 && came.other > 70, "\(came)")
            let ended = ann.ended
            #expect(ended == nil)
            #expect(media.counters[0].lostConnections == 0)
        }
    }

    @Test func `IPv6 and IPv4 meet in a room`() async throws {
        let v6 = Endpoint(address: try #require(IPAddress("::1")), port: 0)
        try await withNode(listen: [Self.v4, v6]) { media in
            var ann = try await Participant.join("ann", in: Self.room, of: media, family: .v6)
            var bob = try await Participant.join("bob", in: Self.room, of: media, family: .v4)
            let addresses = ann.answered.candidates.map(\.address)
            #expect(addresses == ["127.0.0.1", "127.0.0.1", "::1", "::1"])
            _ = try await exchange(&ann, &bob, turns: 200)
            let came = try await exchange(&ann, &bob, turns: 200)
            #expect(came.one > 70 && came.other > 70, "\(came)")
        }
    }

    @Test func `behind a 1 to 1 NAT the answer names the announced addresses alone`() async throws {
        let announced = [try #require(IPAddress("203.0.113.7")), try #require(IPAddress("2001:db8::7"))]
        let everywhere = [
            Endpoint(address: IPAddress(v4: 0), port: 0), Endpoint(address: try #require(IPAddress("::")), port: 0),
        ]
        try await withNode(listen: everywhere, announced: announced) { media in
            #expect(media.endpoints.map(\.address) == announced)
            let bob = try await Participant.join("bob", in: Self.room, of: media)
            let candidates = bob.answered.candidates
            #expect(candidates.map(\.address) == ["203.0.113.7", "203.0.113.7", "2001:db8::7", "2001:db8::7"])
            #expect(candidates.map(\.transport) == [.udp, .tcp, .udp, .tcp])
            #expect(candidates.filter { $0.transport == .udp }.map(\.port) == media.endpoints.map(\.port))
            #expect(candidates.allSatisfy { $0.port != 0 && $0.tcpType == ($0.transport == .tcp ? .passive : nil) })
        }
    }
}
