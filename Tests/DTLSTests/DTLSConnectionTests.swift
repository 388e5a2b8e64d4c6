import CAllocations
import DTLS
import Testing
import Time

struct DTLSConnectionTests {
    private let clientContext: DTLSContext
    private let serverContext: DTLSContext

    init() throws {
        clientContext = try DTLSContext()
        serverContext = try DTLSContext()
    }

    @Test func `two ends agree on keys, in datagrams that fit`() throws {
        let link = try Link(client: clientContext, server: serverContext)
        link.run()
        let client = try #require(link.clientEvents.first?.keys)
        let server = try #require(link.serverEvents.first?.keys)
        #expect(client.exported == server.exported)
        #expect(client.isClient && !server.isClient)
        #expect(client.profile == 7)
        #expect(client.exported.count == 56)
        #expect(link.longest <= 1_200)
        #expect(link.clientEvents.count == 1 && link.serverEvents.count == 1)
        #expect(link.now < .zero + .milliseconds(200), "two round trips")
        #expect(link.clientIsConnected && link.serverIsConnected)
        #expect(link.isQuiet)
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `loss, disorder and repetition only delay it`(_ seed: UInt64) throws {
        let link = try Link(
            seed: seed, client: clientContext, server: serverContext,
            longestDatagram: seed.isMultiple(of: 2) ? 400 : 1_200,
            helloPadding: 1_300)
        link.loss = 20
        link.repeats = 20
        link.jitter = 60
        link.run()
        #expect(link.clientEvents.compactMap(\.keys).count == 1)
        #expect(link.serverEvents.compactMap(\.keys).count == 1)
        #expect(link.clientEvents.first?.keys?.exported == link.serverEvents.first?.keys?.exported)
    }

    @Test func `a ClientHello of two datagrams comes swapped, twice, or with one lost`() throws {
        let fates: [(String, ([[UInt8]]) -> [[UInt8]])] = [
            ("swapped", { $0.reversed() }), ("twice", { $0 + $0 }),
            ("swapped and twice", { $0.reversed() + $0.reversed() }),
            ("the first lost", { Array($0.dropFirst()) }), ("the last lost", { Array($0.dropLast()) }),
        ]
        for (name, fate) in fates {
            let link = try Link(client: clientContext, server: serverContext, helloPadding: 1_300)
            var datagrams = 0
            link.reorder = { flight in
                datagrams = flight.count
                return fate(flight)
            }
            link.run()
            #expect(datagrams == 2)
            #expect(link.serverEvents.compactMap(\.keys).count == 1, "\(name)")
            #expect(link.clientEvents.compactMap(\.keys).count == 1, "\(name)")
        }
    }

    @Test func `a peer with another certificate is refused by either end`() throws {
        let other = try DTLSContext()
        let deceived = try Link(client: clientContext, server: serverContext, serverExpects: other.fingerprint)
        deceived.run()
        #expect(deceived.serverEvents == [.failed(.wrongFingerprint)])
        #expect(deceived.clientEvents.last == .closed)
        #expect(!deceived.clientIsConnected)

        let misled = try Link(client: clientContext, server: serverContext, clientExpects: other.fingerprint)
        misled.run()
        #expect(misled.clientEvents == [.failed(.wrongFingerprint)])
        #expect(misled.serverEvents.last == .closed)
    }

    @Test(arguments: [
        ("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM", 7 as UInt16, 56),
        ("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM", 8, 88), ("SRTP_AES128_CM_SHA1_80", 1, 60),
    ])
    func `the server's order of profiles counts`(_ offer: String, _ profile: UInt16, _ length: Int) throws {
        let link = try Link(client: try DTLSContext(profiles: offer), server: serverContext)
        link.run()
        #expect(link.serverEvents.first?.keys?.profile == profile)
        #expect(link.clientEvents.first?.keys?.profile == profile)
        #expect(link.serverEvents.first?.keys?.exported.count == length)
    }

    @Test func `a peer without a profile of ours is refused`() throws {
        let link = try Link(client: try DTLSContext(profiles: "SRTP_AES128_CM_SHA1_32"), server: serverContext)
        link.run()
        #expect(link.serverEvents == [.failed(.noProfile)])
    }

    @Test func `goodbye is heard, and ends both`() throws {
        let link = try Link(client: clientContext, server: serverContext)
        link.run()
        link.client.close()
        link.run()
        #expect(link.serverEvents.last == .closed)
        #expect(!link.serverIsConnected && !link.clientIsConnected)
        #expect(link.clientEvents.count == 1, "who says goodbye hears none")
    }

    @Test func `a server that nobody answers gives up after 30 s, and each deadline moves on`() throws {
        let link = try Link(client: clientContext, server: serverContext)
        link.loss = 100
        link.run()
        #expect(link.clientEvents == [.failed(.timedOut)])
        #expect(link.serverEvents == [.failed(.timedOut)])
        #expect((5...15).contains(link.sent), "0, 0.2, 0.6, 1.4, 3, 6.2, then every 4 s")
        #expect(link.now == .zero + .seconds(30))
    }

    @Test func `rubbish, cut and damaged datagrams change nothing`() throws {
        var random = Seeded(state: 5)
        let link = try Link(client: clientContext, server: serverContext)
        for length in 0..<300 {
            var rubbish = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            if length > 0, length.isMultiple(of: 2) { rubbish[0] = UInt8.random(in: 20...63, using: &random) }
            #expect(link.tellServer(rubbish).isEmpty)
        }
        let hello = try #require(Link.drain(&link.client).first)
        for length in 0..<hello.count { #expect(link.tellServer(Array(hello[..<length])).isEmpty) }
        #expect(!link.tellServer(hello).isEmpty)
        #expect(link.serverEvents.isEmpty)

        let connected = try Link(client: clientContext, server: serverContext)
        connected.run()
        for length in 0..<300 {
            var rubbish = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            for (index, byte) in ([23, 0xfe, 0xfd, 0, 1] as [UInt8]).enumerated() where index < length {
                rubbish[index] = byte
            }
            #expect(connected.tellServer(rubbish).isEmpty)
        }
        #expect(connected.serverEvents.count == 1)
        #expect(connected.serverIsConnected)
    }

    @Test func `a client that missed the last flight is answered again`() throws {
        let link = try Link(client: clientContext, server: serverContext)
        link.run(until: .zero + .milliseconds(61))
        // The client's second flight has arrived; what the server answered is lost.
        #expect(link.serverEvents.compactMap(\.keys).count == 1)
        link.loseWhatIsUnderWay()
        link.run()
        #expect(link.clientEvents.compactMap(\.keys).count == 1)
        #expect(link.serverEvents.count == 1)
    }

    @Test func `connections give all memory back`() throws {
        func handshakes(_ count: Int) throws {
            for number in 0..<count {
                let link = try Link(client: clientContext, server: serverContext, helloPadding: 1_300)
                link.loss = number % 3 * 10
                link.run(until: .zero + .seconds(Int64(number % 4)))
            }
        }
        try handshakes(20)
        let before = allocation_bytes_in_use()
        try handshakes(200)
        let after = allocation_bytes_in_use()
        #expect(Int(after) - Int(before) < 200_000, "a connection has tens of kilobytes")
    }
}
