import Addresses
import Bytes
import STUN
import TURN
import TURNServer
import Testing
import Time

/// Who is let in, and how that is shown (RFC 8489 §9.2).
struct CredentialTests {
    @Test(arguments: STUNIntegrity.allCases, [STUNPasswordAlgorithm.md5, .sha256])
    func `both integrities and both algorithms are good, and the answer uses what the request used`(
        integrity: STUNIntegrity, algorithm: STUNPasswordAlgorithm
    ) throws {
        let server = TestServer(configuration())
        for (port, name) in ["static", "time-limited"].enumerated() {
            let client = TestClient(server, flow("198.18.1.1:\(port + 1)"))
            if port == 1 { client.become("ann", until: server.wall + .seconds(60), secret: "north") }
            client.challenge()
            (client.integrity, client.algorithm, client.statesAlgorithm) = (integrity, algorithm, true)
            let answer = try #require(client.allocate())
            #expect(answer.messageClass == .success, "\(name)")
            #expect(answer.integrity == integrity)
            #expect(answer.isTrusted)
            #expect(client.permit(peer)?.isTrusted == true)
        }
    }

    @Test func `SHA-256 without saying so is not understood`() {
        let client = TestClient(TestServer(configuration()), flow())
        client.challenge()
        client.algorithm = .sha256
        #expect(client.allocate()?.code == .unauthenticated)
    }

    @Test func `a wrong stronger integrity is not made good by a right weaker one`() throws {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        client.challenge()
        let wrong = try #require(
            STUNKey(username: "ann", realm: "roost", password: "wrong", algorithm: .md5))
        let nonce = client.nonce
        let request = client.message(.request, .allocate, isBare: true) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
            try writer.add(.username, text: "ann", to: &output)
            try writer.add(.realm, text: "roost", to: &output)
            try writer.add(.nonce, bytes: nonce.span.raw, to: &output)
            try writer.addIntegrity(.sha1, client.key, to: &output)
            try writer.addIntegrity(.sha256, wrong, to: &output)
        }
        #expect(client.send(request).answer.flatMap { Answer($0, key: nil) }?.code == .unauthenticated)
        #expect(server.allocationCount == 0)
    }

    @Test(arguments: [[STUNPasswordAlgorithm.md5], [.md5, .sha256], [.sha256], [.sha256, .md5, .md5], []])
    func `a list of algorithms that was changed on the way is refused`(list: [STUNPasswordAlgorithm]) {
        let client = TestClient(TestServer(configuration()), flow())
        client.challenge()
        let answer = client.ask(.allocate) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
            try writer.add(.passwordAlgorithms, algorithms: list, to: &output)
            try writer.add(.passwordAlgorithm, algorithms: [.md5], to: &output)
        }
        #expect(answer?.code == .badRequest)
    }

    @Test func `an algorithm that was not offered is refused`() {
        let client = TestClient(TestServer(configuration()), flow())
        client.challenge()
        let answer = client.ask(.allocate) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
            try writer.add(.passwordAlgorithms, algorithms: [.sha256, .md5], to: &output)
            try writer.add(.passwordAlgorithm, algorithms: [STUNPasswordAlgorithm(rawValue: 3)], to: &output)
        }
        #expect(answer?.code == .badRequest)
    }

    @Test func `who is stored by an MD5 key alone is not locked out by an offer of SHA-256`() throws {
        var users = StaticUsers(realm: "roost")
        // MD5("dora:roost:secret"), as turnadmin -k prints it.
        try users.add(name: "dora", secret: "0x" + md5OfDora)
        let server = TestServer(configuration { $0.users = users })
        let client = TestClient(server, flow(), username: "dora")
        let challenge = try #require(client.challenge())
        #expect(challenge.algorithms == nil)
        #expect(bits(challenge.nonce) == "AAAA")
        #expect(client.allocate()?.messageClass == .success)
    }

    private let md5OfDora = "857c5c0cc61ed30793cb1beb30775ce0"

    @Test func `a nonce says which features the server has`() throws {
        let both = TestClient(TestServer(configuration()), flow())
        #expect(bits(both.challenge()?.nonce) == "AAAB")
        let fixed = TestClient(TestServer(configuration { $0.secrets = [] }), flow())
        #expect(bits(fixed.challenge()?.nonce) == "AAAD", "without secrets each name can be found by its hash")
    }

    private func bits(_ nonce: [UInt8]?) -> String? {
        guard let nonce, nonce.count == 25, Array(nonce.prefix(9)) == Array("obMatJos2".utf8) else { return nil }
        return String(decoding: nonce[9..<13], as: UTF8.self)
    }

    @Test func `a static user may come by USERHASH, and an allocation's own name, too`() {
        let server = TestServer(configuration())
        let ann = TestClient(server, flow())
        ann.usesUserhash = true
        #expect(ann.allocate()?.messageClass == .success)
        #expect(ann.refresh(600)?.messageClass == .success)

        let limited = TestClient(server, flow("198.18.1.1:9"))
        limited.become("ann", until: server.wall + .seconds(60), secret: "north")
        limited.usesUserhash = true
        #expect(limited.allocate()?.code == .unauthenticated, "the name is in no table")
        limited.usesUserhash = false
        #expect(limited.allocate()?.messageClass == .success)
        limited.usesUserhash = true
        #expect(limited.refresh(600)?.messageClass == .success)
    }

    @Test func `two secrets are good while one replaces the other`() {
        let server = TestServer(
            configuration { $0.secrets = ["north", "south"].compactMap { SharedSecret($0) } })
        for (port, secret) in ["north", "south"].enumerated() {
            let client = TestClient(server, flow("198.18.1.1:\(port + 1)"))
            client.become("carol", until: server.wall + .seconds(60), secret: secret)
            #expect(client.allocate()?.messageClass == .success)
        }
        #expect(server.events().map(\.user) == ["carol", "carol"])
    }

    @Test func `an allocation outlives its credential and its secret, a new one does not get in`() {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        client.become("carol", until: server.wall + .seconds(60), secret: "north")
        #expect(client.allocate()?.messageClass == .success)
        server.advance(.seconds(120))
        server.update(configuration { $0.secrets = ["south"].compactMap { SharedSecret($0) } })
        #expect(client.refresh(600)?.messageClass == .success)
        #expect(client.permit(peer)?.messageClass == .success)
        let other = TestClient(server, flow("198.18.1.1:9"))
        (other.username, other.password) = (client.username, client.password)
        #expect(other.allocate()?.code == .unauthenticated)
    }

    @Test func `a renewed name of the same user is the same user`() {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        client.become("carol", until: server.wall + .seconds(60), secret: "north")
        client.allocate()
        client.become("carol", until: server.wall + .seconds(600), secret: "north")
        #expect(client.refresh(600)?.messageClass == .success)
        client.become("dave", until: server.wall + .seconds(600), secret: "north")
        #expect(client.refresh(600)?.code == .wrongCredentials)
        client.become(nil, until: server.wall + .seconds(600), secret: "north")
        #expect(client.refresh(600)?.code == .wrongCredentials)
    }

    @Test func `a nonce is good for its hour, with a minute for clocks that differ, at each server of the fleet`() {
        let clock = TestServer.Clock()
        let one = TestServer(configuration(), clock: clock, number: 1, seed: 1)
        let two = TestServer(configuration(), clock: clock, number: 2, seed: 2)
        let client = TestClient(one, flow())
        client.challenge()
        let elsewhere = TestClient(two, flow())
        elsewhere.nonce = client.nonce
        #expect(elsewhere.allocate()?.messageClass == .success)
        one.advance(.seconds(3_590))
        #expect(client.allocate()?.messageClass == .success)

        let late = TestClient(one, flow("198.18.1.1:9"))
        late.challenge()
        let nonce = late.nonce
        one.advance(.seconds(3_600 + 70))
        let refused = late.allocate()
        #expect(refused?.code == .staleNonce)
        #expect(refused?.nonce != nonce)
        late.nonce = refused?.nonce ?? []
        #expect(late.allocate()?.messageClass == .success)
    }

    @Test func `a nonce of a server with another key is stale`() throws {
        let key = try #require(NonceKey([UInt8](repeating: 9, count: 32)))
        let other = TestClient(TestServer(configuration { $0.nonceKey = key }), flow())
        other.challenge()
        let client = TestClient(TestServer(configuration()), flow())
        client.nonce = other.nonce
        #expect(client.allocate()?.code == .staleNonce)
    }

    @Test(arguments: [
        flow("198.18.1.2:4000"), flow("198.18.1.1:4001"), flow("198.18.1.1:4000", .tcp), flow("198.18.1.1:4000", .tls),
        flow("[2600:5::1]:4000"),
    ])
    func `a nonce is of no use from elsewhere`(elsewhere: Flow) {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        client.challenge()
        let thief = TestClient(server, elsewhere)
        thief.nonce = client.nonce
        #expect(thief.allocate()?.code == .staleNonce)
    }

    /// Whatever place the first wrong byte is at: none of it is compared less than the rest.
    @Test func `a nonce with any one byte changed is none of ours`() {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        client.challenge()
        let nonce = client.nonce
        for place in nonce.indices {
            client.nonce = nonce
            client.nonce[place] ^= 1
            #expect(client.allocate()?.messageClass != .success, "byte \(place)")
        }
        client.nonce = nonce
        #expect(client.allocate()?.messageClass == .success)
    }
}

struct StaticUsersTests {
    @Test func `a file has a user a line`() throws {
        let users = try StaticUsers(
            file: """
                # people
                ann:secret

                  user=bob:hunter2
                carol:with:colons
                """, realm: "roost")
        #expect(users.count == 3)
        let server = TestServer(configuration { $0.users = users })
        let carol = TestClient(server, flow(), username: "carol", password: "with:colons")
        #expect(carol.allocate()?.messageClass == .success)
    }

    @Test(arguments: [
        ("ann", StaticUserError.malformedLine(1)), ("\nann:", .malformedLine(2)), (":secret", .malformedLine(1)),
        ("a:b\na:c", .repeated(line: 2)), ("ann:0x12", .unusable(line: 1)),
        ("ann:0x0fd4b6afe7e4e2b3d3ee1ae2f0e5d0ag", .unusable(line: 1)), ("ann:0x", .unusable(line: 1)),
        ("\(String(repeating: "x", count: 509)):p", .unusable(line: 1)),
    ])
    func `what is wrong is told with its line and without its secret`(text: String, error: StaticUserError) {
        #expect(throws: error) { try StaticUsers(file: text, realm: "roost") }
    }

    @Test func `keys may be stored in place of passwords`() throws {
        // SHA-256 and MD5 of "ann:roost:secret".
        let md5 = "0x202468e79441a0153aa4400c502a53c3"
        let sha256 = "0xde730f7f6d066157d3ef689b11c3e8d54bf9f2165439c3b7c76f450a0b5fa228"
        var users = StaticUsers(realm: "roost")
        try users.add(name: "ann", secret: "\(md5),\(sha256)")
        for algorithm in [STUNPasswordAlgorithm.md5, .sha256] {
            let client = TestClient(TestServer(configuration { $0.users = users }), flow())
            client.challenge()
            (client.algorithm, client.statesAlgorithm) = (algorithm, true)
            #expect(client.allocate()?.messageClass == .success)
        }
    }
}
