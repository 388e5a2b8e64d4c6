import Addresses
import Bytes
import STUN
import TURNServer
import Testing
import Time

/// What people try against TURN servers: each a test.
struct AttackTests {
    private let methods: [STUNMethod] = [.allocate, .refresh, .createPermission, .channelBind]

    /// A client with an IPv4 and an IPv6 relay.
    private func allocated(_ server: TestServer, _ source: Flow = flow()) -> TestClient {
        let client = TestClient(server, source)
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.additionalAddressFamily, family: .v6, to: &output)
        }
        return client
    }

    @Test(arguments: [
        "127.0.0.1", "0.0.0.0", "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "192.0.2.1",
        "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1", "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:808:808::80ff:fffe", "2001:0:7f00:1::f7f7:f7f7", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1",
        "64:ff9b:1::a00:1",
    ])
    func `a peer that leads into the house is refused on each way`(text: String) {
        let server = TestServer(configuration())
        let client = allocated(server)
        let peer = Endpoint(address: ip(text), port: 6_379)
        #expect(client.permit(peer)?.code == .forbidden)
        #expect(client.bind(0x4000, to: peer)?.code == .forbidden)
        #expect(client.send([1], to: peer) == .dropped(.noPermission))
        #expect(client.send([1], on: 0x4000) == .dropped(.noChannel))
    }

    @Test func `the cluster's own services are refused, also at a public address`() {
        let server = TestServer(
            configuration {
                $0.policy = PeerPolicy(services: [PeerRange(address: ip("8.8.8.8"), ports: 6_379...6_379)])
            })
        let client = allocated(server)
        let redis = at("8.8.8.8:6379")
        #expect(client.bind(0x4000, to: redis)?.code == .forbidden)
        #expect(client.permit(redis)?.messageClass == .success, "its other ports are nobody's business")
        #expect(client.send([1], to: redis) == .dropped(.refusedPeer))
        #expect(client.bind(0x4000, to: at("[2002:808:808::1]:6379"))?.code == .forbidden)
    }

    @Test(arguments: [
        "0003111122223333", "00011111222233", "000211112222", "", "0001111122223333444455556666777788889999",
    ])
    func `a Send indication with a peer that is none does nothing`(value: String) {
        let server = TestServer(configuration())
        let client = allocated(server)
        client.permit(peer)
        let bytes = client.message(.indication, .send, isBare: true) { (writer, output) throws(STUNError) in
            let hex = Array(value.utf8).map { $0 > 0x39 ? $0 - 0x57 : $0 - 0x30 }
            let bytes = stride(from: 0, to: hex.count - 1, by: 2).map { hex[$0] << 4 | hex[$0 + 1] }
            try writer.add(.xorPeerAddress, bytes: bytes.span.raw, to: &output)
            try writer.add(.data, bytes: ([1] as [UInt8]).span.raw, to: &output)
        }
        #expect(client.send(bytes) == .dropped(.badIndication))
    }

    @Test(arguments: ["nothing", "no data", "no peer", "a strange attribute", "a DONT-FRAGMENT with a value"])
    func `a Send indication that lacks something, or brings something strange, does nothing`(fault: String) {
        let server = TestServer(configuration())
        let client = allocated(server)
        client.permit(peer)
        let bytes = client.message(.indication, .send, isBare: true) { (writer, output) throws(STUNError) in
            guard fault != "nothing" else { return }
            if fault != "no peer" { try writer.add(.xorPeerAddress, xorAddress: peer, to: &output) }
            if fault != "no data" { try writer.addFlag(.data, to: &output) }
            if fault.hasPrefix("a strange") { try writer.addFlag(STUNAttributeType(rawValue: 0x7ff0), to: &output) }
            if fault.hasPrefix("a DONT") { try writer.add(.dontFragment, uint32: 1, to: &output) }
        }
        #expect(client.send(bytes) == .dropped(.badIndication))
        #expect(client.send([], to: Endpoint(address: peer.address, port: 0)) == .dropped(.refusedPeer))
    }

    @Test func `where DF cannot be set, a Send indication that asks for it does nothing`() {
        let server = TestServer(configuration { $0.relaysWithDontFragment = false })
        let client = allocated(server)
        client.permit(peer)
        #expect(client.send([1], to: peer, dontFragment: true) == .dropped(.badIndication))
        if case .toPeer = client.send([1], to: peer) {} else { Issue.record("others go on") }
    }

    @Test func `channel numbers out of range carry nothing`() {
        let server = TestServer(configuration())
        let client = allocated(server)
        client.bind(0x4000, to: peer)
        for number in [0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF] as [UInt16] {
            if case .dropped = client.send([1], on: number) { continue }
            Issue.record("\(number) carries data")
        }
        // RFC 8656 §12 ends at 0x4FFF, RFC 5766 at 0x7FFF: clients of the older one, coturn's among them, are served.
        for (index, number) in ([0x4FFF, 0x5000, 0x7FFF] as [UInt16]).enumerated() {
            let place = Endpoint(address: peer.address, port: 100 + UInt16(index))
            #expect(client.bind(number, to: place)?.messageClass == .success)
            guard case .toPeer(_, place, [1], _) = client.send([1], on: number) else {
                Issue.record("\(number) leads nowhere")
                continue
            }
        }
        // A length beyond the end, and bytes behind the end, which may be padding.
        #expect(client.send([0x40, 0, 0, 2, 1]) == .dropped(.malformed))
        #expect(
            client.send([0x40, 0, 0, 1, 1, 0, 0, 0]) == client.send([1], on: 0x4000), "padding over UDP is allowed")
    }

    @Test func `a flood of permissions and channels ends at its cap, and others notice nothing`() {
        let server = TestServer(configuration())
        let client = allocated(server)
        let other = allocated(server, flow("198.18.1.1:4001"))
        other.permit(peer)
        var codes: [UInt16: Int] = [:]
        for index in 0..<2_000 {
            let peer = Endpoint(address: IPAddress(v4: 0x0b00_0000 + UInt32(index)), port: 1)
            codes[client.permit(peer)?.code?.rawValue ?? 0, default: 0] += 1
        }
        #expect(codes == [0: 256, 508: 1_744])
        codes = [:]
        for index in 0..<2_000 {
            let peer = at("11.0.0.0:\(index + 1)")
            codes[client.bind(0x4000 + UInt16(index), to: peer)?.code?.rawValue ?? 0, default: 0] += 1
        }
        #expect(codes == [0: 256, 508: 1_744])
        if case .toPeer = other.send([1], to: peer) {} else { Issue.record("the other client is harmed") }
        client.refresh(0)
        #expect(other.permit(otherPeer)?.messageClass == .success)
    }

    @Test func `a flood of allocations with credentials ends at the quota`() {
        let server = TestServer(configuration { $0.userQuota = 10 })
        var codes: [UInt16: Int] = [:]
        for port in 1...500 {
            let client = TestClient(server, flow("198.18.1.1:\(port)", .tcp))
            codes[client.allocate()?.code?.rawValue ?? 0, default: 0] += 1
        }
        #expect(codes == [0: 10, 486: 490])
        #expect(server.allocationCount == 10)
        #expect(server.openRelays == 10)
    }

    @Test(arguments: [STUNErrorCode.staleNonce, .unauthenticated])
    func `a flood without credentials leaves no trace, and few answers`(code: STUNErrorCode) {
        let clock = TestServer.Clock()
        let server = TestServer(configuration { $0.answersPerSecond = 10 }, clock: clock)
        // One of the fleet who gives nonces freely: with a good one the integrity is looked at, and is forged.
        let giver = TestServer(configuration { $0.answersPerSecond = 1_000_000 }, clock: clock)
        var answered = 0
        for index in 0..<5_000 {
            let source = flow("198.18.1.\(index % 250):\(index + 1)")
            let client = TestClient(server, source, password: "wrong")
            client.nonce = Array("obMatJos2gAAAAAAAAAAAAAAA".utf8)
            if code == .unauthenticated {
                let asker = TestClient(giver, source)
                asker.challenge()
                client.nonce = asker.nonce
            }
            guard let answer = client.ask(methods[index % 4]) else { continue }
            answered += 1
            #expect(answer.code == code)
        }
        #expect(answered == 20, "one network, within a moment")
        #expect(server.allocationCount == 0)
        #expect(server.nextDeadline == nil)
        #expect(server.counters[.overRate] == 4_980)
    }

    @Test(arguments: [1, 8, 9, 16, 28, 29, 40, 48], ClientTransport.allCases)
    func `nobody gets much more than it asks for`(realm: Int, transport: ClientTransport) throws {
        let name = String(repeating: "r", count: realm)
        let server = TestServer(
            configuration {
                $0.realm = name
                $0.users = StaticUsers(realm: name)
                $0.answersPerSecond = 1_000_000
            })
        for method in methods {
            for extra in 0..<40 {
                for fingerprint in [false, true] {
                    let client = TestClient(server, flow("198.18.1.1:4000", transport))
                    client.addsFingerprint = fingerprint
                    let bytes = client.message(.request, method, isBare: true) { (writer, output) throws(STUNError) in
                        for _ in 0..<extra { try writer.addFlag(.dontFragment, to: &output) }
                    }
                    let answer = client.send(bytes).answer
                    if transport == .udp { #expect((answer?.count ?? 0) <= bytes.count * 4) }
                    // What a browser sends first, 28 bytes, is always answered.
                    if bytes.count >= (fingerprint ? 36 : 28) {
                        #expect(answer != nil, "\(method), \(bytes.count) bytes")
                    }
                }
            }
        }
        let client = TestClient(server, flow("198.18.1.1:4001"))
        let first = try #require(client.challenge())
        #expect(first.byteCount <= 28 * (realm <= 8 ? 3 : 4))
        #expect(client.realm == name)
    }

    @Test func `a captured request is of no use from elsewhere, nor later`() {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        client.challenge()
        let allocate = client.message(.request, .allocate) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
        }
        #expect(client.send(allocate).answer != nil)
        let permit = client.message(.request, .createPermission) { (writer, output) throws(STUNError) in
            try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
        }
        func code(_ bytes: [UInt8], from flow: Flow) -> STUNErrorCode? {
            server.receive(bytes, from: flow).answer.flatMap { Answer($0, key: nil) }?.code
        }
        for thief in [flow("198.18.1.1:4001"), flow("198.18.1.2:4000"), flow("198.18.1.1:4000", .tcp)] {
            #expect(code(allocate, from: thief) == .staleNonce)
            #expect(code(permit, from: thief) == .staleNonce)
        }
        client.refresh(0)
        #expect(code(permit, from: client.flow) == .allocationMismatch)
        server.advance(.seconds(3_700))
        #expect(code(allocate, from: client.flow) == .staleNonce)
        #expect(server.allocationCount == 0)
    }

    /// The requests of a session, written but not sent.
    private func requests(_ client: TestClient) -> [[UInt8]] {
        client.challenge()
        return [
            client.message(.request, .allocate) { (writer, output) throws(STUNError) in
                try writer.addRequestedTransport(.udp, to: &output)
                try writer.addEvenPort(reserve: true, to: &output)
            },
            client.message(.request, .refresh) { (writer, output) throws(STUNError) in
                try writer.add(.lifetime, uint32: 0, to: &output)
            },
            client.message(.request, .createPermission) { (writer, output) throws(STUNError) in
                try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
            },
            client.message(.request, .channelBind) { (writer, output) throws(STUNError) in
                try writer.addChannelNumber(0x4000, to: &output)
                try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
            },
        ]
    }

    @Test(arguments: [0, 1, 2, 3]) func `a request cut short or with any bit turned has no effect`(index: Int) throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow("198.18.1.1:4000", .tcp))
        let request = requests(client)[index]
        if index > 0 { client.allocate() }
        let relay = server.relays.first ?? nil
        let count = server.allocationCount
        func checkNothingChanged(_ outcome: Outcome, _ what: String) {
            if let answer = outcome.answer.flatMap({ Answer($0, key: client.key) }) {
                // Some bits make a Binding of it, which is anybody's.
                #expect(answer.messageClass == .failure || answer.method == .binding, "\(what)")
            }
            #expect(server.allocationCount == count, "\(what)")
            if let relay {
                #expect(server.receive([1], at: relay, from: peer) == .dropped(.noPermission), "\(what)")
            }
        }
        for length in 0..<request.count {
            checkNothingChanged(client.send(Array(request.prefix(length))), "\(length) bytes")
        }
        for bit in 0..<(request.count * 8) {
            var turned = request
            turned[bit / 8] ^= 1 << UInt8(bit % 8)
            checkNothingChanged(client.send(turned), "bit \(bit)")
        }
        let good = client.send(request).answer.flatMap { Answer($0, key: client.key) }
        #expect(good?.messageClass == .success)
    }

    @Test func `the longest messages there are do no harm`() {
        let server = TestServer(configuration())
        let client = allocated(server, flow("198.18.1.1:4000", .tcp))
        client.permit(peer)
        let data = [UInt8](repeating: 7, count: 65_000)
        if case .toPeer(_, _, let sent, _) = client.send(data, to: peer) { #expect(sent.count == 65_000) }
        let padded = client.message(.request, .refresh) { (writer, output) throws(STUNError) in
            try writer.add(STUNAttributeType(rawValue: 0xfff0), bytes: data.span.raw, to: &output)
        }
        #expect(client.send(padded).answer != nil)
        let many = client.message(.request, .createPermission) { (writer, output) throws(STUNError) in
            for index in 0..<5_000 as Range<UInt32> {
                let peer = Endpoint(address: IPAddress(v4: 0x0b00_0000 + index), port: 1)
                try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
            }
        }
        #expect(client.send(many).answer.flatMap { Answer($0, key: client.key) }?.code == .insufficientCapacity)
        // Data that does not fit an indication, but a datagram.
        let relay = server.relays.compactMap { $0 }.first { $0.address.family == .v4 } ?? peer
        let huge = [UInt8](repeating: 7, count: 65_500)
        #expect(server.receive(huge, at: relay, from: peer) == .dropped(.tooLong))
    }

    @Test func `answers, indications and padding carry zeros only, whatever was in the output before`() throws {
        // Texts of each length, so that each is padded in some answer.
        for realm in ["roost", "roosts", "roosts!"] {
            let server = TestServer(
                configuration {
                    $0.realm = realm
                    $0.users = StaticUsers(realm: realm)
                    $0.software = realm
                })
            let client = TestClient(server, flow())
            client.become("ann", until: server.wall + .seconds(60), secret: "north")
            var messages = [try #require(client.send(client.message(.request, .refresh, isBare: true)).answer)]
            for request in requests(client) + requests(client) {
                messages.append(try #require(client.send(request).answer))
            }
            client.allocate()
            client.permit(peer)
            let relay = try #require(server.relays.compactMap { $0 }.first)
            for outcome in [
                server.receive([1, 2, 3], at: relay, from: peer),
                server.receive(ICMPError(type: 3, code: 3, data: 0), at: relay, from: peer),
            ] {
                guard case .toClient(_, let bytes) = outcome else { throw StrangeOutcome(outcome: outcome) }
                messages.append(bytes)
            }
            for message in messages {
                var offset = 20
                while offset < message.count {
                    let type = UInt16(message[offset]) << 8 | UInt16(message[offset + 1])
                    let length = Int(message[offset + 2]) << 8 | Int(message[offset + 3])
                    let (start, end) = (offset + 4, offset + 4 + length)
                    offset = offset + 4 + (length + 3) & ~3
                    #expect(message[end..<offset].allSatisfy { $0 == 0 }, "padding of \(type)")
                    // The parts that their sections call reserved, too.
                    let reserved: Range<Int>? =
                        switch type {
                        case 0x0009, 0x8004: start..<start + 2
                        case 0x0012, 0x0016, 0x0020: start..<start + 1
                        default: nil
                        }
                    if let reserved { #expect(message[reserved].allSatisfy { $0 == 0 }, "reserved in \(type)") }
                }
                #expect(offset == message.count)
            }
        }
    }

    private struct StrangeOutcome: Error { let outcome: Outcome }

    @Test func `tokens, nonces and transactions of two servers have nothing in common`() throws {
        var tokens: Set<UInt64> = []
        var nonces: Set<[UInt8]> = []
        for seed in 0..<20 as Range<UInt64> {
            let server = TestServer(configuration(), seed: seed)
            for port in 1...20 {
                let client = TestClient(server, flow("198.18.1.1:\(port)"))
                server.kept = KeptPorts(limit: 4, limitOfUser: 4)
                let answer = client.allocate { (writer, output) throws(STUNError) in
                    try writer.addEvenPort(reserve: true, to: &output)
                }
                tokens.insert(try #require(answer?.token) & 0xff_ffff_ffff_ffff)
                nonces.insert(client.nonce)
            }
        }
        #expect(tokens.count == 400)
        #expect(nonces.count == 20, "the same key, the same time: only the port differs")
    }
}
