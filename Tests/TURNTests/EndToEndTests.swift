import Addresses
import Bytes
import STUN
import TURN
import TURNServer
import Testing
import Time

/// Our client and our server, with a bad network between them.
struct EndToEndTests {
    static let peer = endpoint("93.184.216.34:9000")

    static func network(
        lossPercent: UInt64, seed: UInt64, isStatic: Bool = false, password: String? = nil
    ) throws -> LossyNetwork {
        var random = Seeded(seed ^ 77)
        var configuration = TURNServerConfiguration(nonceKey: NonceKey(using: &random))
        let secret = try #require(SharedSecret("north"))
        let credential = TimeLimitedCredential(
            user: "ann", expires: LossyNetwork.wall(.zero + .seconds(100_000)), secret: secret)
        var credentials = TURNCredentials(credential)
        if isStatic {
            try configuration.users.add(name: "ann", secret: "pass")
            credentials = TURNCredentials(username: "ann", password: password ?? "pass")
        } else {
            configuration.secrets = [secret]
        }
        return LossyNetwork(
            lossPercent: lossPercent, seed: seed, peer: peer, configuration: configuration,
            settings: TURNClientSettings(.udp, credentials: credentials))
    }

    @Test(arguments: [false, true])
    func `data goes both ways on a channel`(isStatic: Bool) throws {
        let network = try EndToEndTests.network(lossPercent: 0, seed: 1, isStatic: isStatic)
        try network.withClient { try $0.allocate() }
        try network.run(for: .seconds(1))
        #expect(network.client.allocation?.relayed == [endpoint("203.0.113.1:50000")])
        #expect(network.client.allocation?.mapped == endpoint("198.51.100.7:4000"))

        let channel = try network.withClient { (client) in try client.bind(EndToEndTests.peer) }
        try network.run(for: .seconds(1))
        try network.send([1, 2, 3])
        network.sendFromPeer([4, 5, 6])
        try network.run(for: .seconds(1))

        #expect(network.events.last == .bound(channel, EndToEndTests.peer))
        #expect(network.atPeer == [[1, 2, 3]])
        #expect(network.atClient == [[4, 5, 6]])
    }

    @Test func `a permitted peer is reached by indications`() throws {
        let network = try EndToEndTests.network(lossPercent: 0, seed: 2)
        try network.withClient { try $0.allocate() }
        try network.run(for: .seconds(1))
        try network.withClient { try $0.permit(EndToEndTests.peer.address) }
        try network.run(for: .seconds(1))

        for size in 0...9 {
            try network.send([UInt8](repeating: 7, count: size))
            network.sendFromPeer([UInt8](repeating: 8, count: size))
        }
        try network.run(for: .seconds(1))

        #expect(Set(network.atPeer.map(\.count)) == Set(0...9))
        #expect(Set(network.atClient.map(\.count)) == Set(0...9))
    }

    /// One request in five is answered late or never. Seven tries make a failure in a day unlikely: 1 in 100,000 each.
    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func `a call of six hours lives through ten percent loss`(seed: UInt64) throws {
        let network = try EndToEndTests.network(lossPercent: 10, seed: seed)
        try network.withClient { try $0.allocate() }
        try network.run(for: .seconds(30))
        try #require(network.client.allocation != nil)
        let channel = try network.withClient { (client) in try client.bind(EndToEndTests.peer) }
        try network.run(for: .seconds(30))
        try #require(network.client.channel(of: EndToEndTests.peer) == channel)
        let before = network.events.count

        var sent = 0
        for _ in 0..<360 {
            try network.run(for: .seconds(60))
            try network.send([1])
            network.sendFromPeer([2])
            sent += 1
        }
        try network.run(for: .seconds(1))

        #expect(network.events.count == before)
        #expect(network.client.channel(of: EndToEndTests.peer) == channel)
        #expect(network.allocationCount == 1)
        // Ten percent were lost each way, give or take four deviations.
        #expect((sent * 84 / 100...sent * 96 / 100).contains(network.atPeer.count))
        #expect((sent * 84 / 100...sent * 96 / 100).contains(network.atClient.count))
    }

    @Test func `an allocation that is given back is gone on both sides`() throws {
        let network = try EndToEndTests.network(lossPercent: 30, seed: 5)
        try network.withClient { try $0.allocate() }
        try network.run(for: .seconds(60))
        #expect(network.allocationCount == 1)

        try network.withClient { try $0.release() }
        try network.run(for: .seconds(60))

        #expect(network.events.last == .released)
        #expect(network.allocationCount == 0)
        #expect(network.relaysClosed == 1)
    }

    @Test func `a wrong password gets nothing`() throws {
        let network = try EndToEndTests.network(lossPercent: 0, seed: 6, isStatic: true, password: "wrong")
        try network.withClient { try $0.allocate() }
        try network.run(for: .seconds(60))

        #expect(network.events == [.notAllocated(.refused(.unauthenticated))])
        #expect(network.allocationCount == 0)
    }

    @Test func `peers that the server refuses are refused`() throws {
        let network = try EndToEndTests.network(lossPercent: 0, seed: 7)
        try network.withClient { try $0.allocate() }
        try network.run(for: .seconds(1))
        let inside = endpoint("169.254.169.254:80")

        try network.withClient { try $0.permit(inside.address) }
        let channel = try network.withClient { (client) in try client.bind(inside) }
        try network.run(for: .seconds(1))

        // The network may turn the two requests round.
        let refused = Array(network.events.dropFirst())
        #expect(refused.count == 2)
        #expect(refused.contains(.notPermitted(inside.address, .refused(.forbidden))))
        #expect(refused.contains(.notBound(channel, inside, .refused(.forbidden))))
    }
}
