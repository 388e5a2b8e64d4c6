import Addresses
import Bytes
import STUN
import TURN
import Testing
import Time

private let allocation = TURNAllocation(
    relayed: [endpoint("203.0.113.1:50000")], mapped: endpoint("198.51.100.7:4000"), lifetime: .seconds(600))

struct TURNClientAllocateTests {
    @Test func `it signs when asked to, and has an allocation`() throws {
        var talk = Conversation { $0.software = "Roost" }

        try talk.client.allocate()
        try talk.exchange()

        #expect(talk.take() == [.allocated(allocation)])
        #expect(talk.client.allocation == allocation)
        #expect(
            talk.server.heard == [
                .init(.allocate, [.requestedTransport, .software]),
                .init(.allocate, [.requestedTransport, .software, .username, .realm, .nonce]),
            ])
        #expect(talk.client.nextDeadline == Instant.zero + .seconds(540))
    }

    @Test func `a server that offers algorithms and hides names gets both`() throws {
        var talk = Conversation()
        talk.server.algorithms = [STUNPasswordAlgorithm(rawValue: 77), .sha256, .md5]
        let features: NonceCookie = [.passwordAlgorithms, .usernameAnonymity]
        talk.server.nonce = String(decoding: features.bytes, as: UTF8.self)

        try talk.client.allocate()
        try talk.exchange()

        #expect(talk.server.nonce == "obMatJos2AAAD")
        #expect(talk.take() == [.allocated(allocation)])
        #expect(
            talk.server.heard.last
                == .init(
                    .allocate,
                    [.requestedTransport, .userhash, .realm, .nonce, .passwordAlgorithms, .passwordAlgorithm]))
    }

    @Test func `a list of algorithms taken out on the way is noticed`() throws {
        var talk = Conversation()
        talk.server.nonce = String(decoding: NonceCookie.passwordAlgorithms.bytes, as: UTF8.self) + "abc"

        try talk.client.allocate()
        try talk.exchange()

        #expect(talk.take() == [.notAllocated(.bidDown)])
        #expect(talk.server.heard.count == 1)
    }

    @Test func `no algorithm that it knows is the end`() throws {
        var talk = Conversation()
        talk.server.algorithms = [STUNPasswordAlgorithm(rawValue: 77)]

        try talk.client.allocate()
        try talk.exchange()

        #expect(talk.take() == [.notAllocated(.noKnownAlgorithm)])
    }

    @Test func `a wrong password is refused once, not tried for ever`() throws {
        var talk = Conversation { $0.credentials = TURNCredentials(username: "ann", password: "wrong") }

        try talk.client.allocate()
        try talk.exchange()

        #expect(talk.take() == [.notAllocated(.refused(.unauthenticated))])
        #expect(talk.server.heard.count == 2)
        #expect(talk.client.nextDeadline == nil)
    }

    @Test func `without credentials a server that wants them is refused`() throws {
        var talk = Conversation { $0.credentials = nil }

        try talk.client.allocate()
        try talk.exchange()

        #expect(talk.take() == [.notAllocated(.credentialsNeeded)])
    }

    @Test func `a stale nonce is replaced, a server that calls all of them stale is not obeyed for ever`() throws {
        var talk = Conversation()
        talk.server.script = [.normal, .stale]
        try talk.client.allocate()
        try talk.exchange()

        #expect(talk.take() == [.allocated(allocation)])
        #expect(talk.server.heard.count == 3)

        var endless = Conversation()
        endless.server.script = [ScriptedServer.Step](repeating: .stale, count: 100)
        try endless.client.allocate()
        try endless.exchange()

        #expect(endless.take() == [.notAllocated(.refused(.staleNonce))])
        #expect(endless.server.heard.count == 4)
    }

    @Test(
        arguments: [.allocationQuotaReached, .insufficientCapacity, .allocationMismatch, .forbidden] as [STUNErrorCode])
    func `a signed refusal is reported, an unsigned one dropped`(code: STUNErrorCode) throws {
        var talk = Conversation()
        talk.server.script = [.challenge, .refuse(code, signed: true)]
        try talk.client.allocate()
        try talk.exchange()

        #expect(talk.take() == [.notAllocated(.refused(code))])

        talk.server.script = [.refuse(code, signed: false)]
        try talk.client.allocate()
        #expect(throws: TURNClientDrop.notAuthentic) { try talk.exchange() }
        #expect(talk.take() == [])
    }

    @Test func `another server is named`() throws {
        var talk = Conversation()
        let other = endpoint("192.0.2.9:3478")
        talk.server.script = [.alternate(other, domain: "two.example.org")]

        try talk.client.allocate()
        try talk.exchange()

        #expect(talk.take() == [.notAllocated(.alternate(other, domain: "two.example.org"))])
    }

    @Test func `an answer without a relay address is none`() throws {
        var talk = Conversation()
        talk.server.script = [.challenge, .withoutRelay]

        try talk.client.allocate()
        try talk.exchange()

        #expect(talk.take() == [.notAllocated(.malformedAnswer)])
    }

    @Test func `answers with a wrong signature or none are dropped, and the right one still counts`() throws {
        var talk = Conversation()
        talk.server.script = [.challenge, .unsigned, .wrongKey]
        try talk.client.allocate()

        #expect(throws: TURNClientDrop.notAuthentic) { try talk.exchange() }
        talk.now = try #require(talk.client.nextDeadline)
        #expect(talk.client.timeout(now: talk.now) == nil)
        #expect(throws: TURNClientDrop.notAuthentic) { try talk.exchange() }
        try talk.run(for: .seconds(2))

        #expect(talk.take() == [.allocated(allocation)])
    }

    @Test func `each wish becomes its attributes`() throws {
        let wishes: [(TURNRelayRequest, [STUNAttributeType])] = [
            (.one(.v4), []), (.one(.v6), [.requestedAddressFamily]), (.both, [.additionalAddressFamily]),
            (.evenPort(.v4, reserving: true), [.evenPort]),
            (.evenPort(.v6, reserving: false), [.requestedAddressFamily, .evenPort]),
            (.reserved(token: 7), [.reservationToken]),
        ]
        for (wish, types) in wishes {
            var talk = Conversation {
                $0.relay = wish
                $0.lifetime = .seconds(300)
                $0.dontFragment = true
            }
            try talk.client.allocate()
            try talk.exchange()

            #expect(
                talk.server.heard.first
                    == .init(.allocate, [.requestedTransport, .lifetime, .dontFragment] + types, lifetime: 300))
        }
    }

    @Test func `two relay addresses are both given`() throws {
        var talk = Conversation { $0.relay = .both }
        talk.server.relayed.append(endpoint("[2001:db8::1]:50001"))
        try talk.allocated()

        #expect(talk.client.allocation?.relayed == talk.server.relayed)
        try talk.client.permit(endpoint("[2001:db8::7]:1").address)
        try talk.exchange()
        #expect(talk.take() == [.permitted(endpoint("[2001:db8::7]:1").address)])
    }

    @Test func `over UDP it asks seven times in 39.5 seconds`() throws {
        var talk = Conversation()
        talk.server.script = [ScriptedServer.Step](repeating: .silence, count: 100)
        try talk.client.allocate()
        try talk.exchange()
        try talk.run(for: .seconds(100))

        #expect(
            talk.sentAt == [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500].map { Interval.milliseconds($0) })
        #expect(talk.take() == [.notAllocated(.noAnswer)])
        #expect(talk.client.nextDeadline == nil)
        var late = Conversation()
        late.server.script = [ScriptedServer.Step](repeating: .silence, count: 100)
        try late.client.allocate()
        try late.exchange()
        try late.run(for: .milliseconds(39_499))
        #expect(late.take() == [])
        try late.run(for: .milliseconds(1))
        #expect(late.take() == [.notAllocated(.noAnswer)])
    }

    @Test func `over a stream it asks once and waits as long`() throws {
        var talk = Conversation(.stream)
        talk.server.script = [.silence]
        try talk.client.allocate()
        try talk.exchange()
        try talk.run(for: .milliseconds(39_499))

        #expect(talk.take() == [])
        try talk.run(for: .milliseconds(1))
        #expect(talk.take() == [.notAllocated(.noAnswer)])
        #expect(talk.sentAt == [.zero])
    }

    @Test func `a second answer and an answer to nothing are dropped`() throws {
        var talk = Conversation()
        try talk.client.allocate()
        let request = try #require(try talk.nextRequest())
        let answer = try #require(try talk.server.answer(request))
        #expect(try talk.client.receive(answer.span.raw, now: talk.now) == nil)

        #expect(throws: TURNClientDrop.unknownTransaction) {
            try talk.client.receive(answer.span.raw, now: talk.now)
        }
        #expect(throws: TURNClientDrop.unexpected(.allocate, .request)) {
            try talk.client.receive(request.span.raw, now: talk.now)
        }
        #expect(throws: TURNClientDrop.malformed(.notSTUN)) {
            try talk.client.receive(([1, 2, 3] as [UInt8]).span.raw, now: talk.now)
        }
    }

    @Test func `credentials are never shown`() {
        let credentials = TURNCredentials(username: "ann", password: "secret")

        #expect("\(credentials)" == "(credentials)")
        var dumped = ""
        dump(TURNClientSettings(.udp, credentials: credentials), to: &dumped)
        #expect(!dumped.contains("secret"))
    }
}
