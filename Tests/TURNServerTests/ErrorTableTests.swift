import Addresses
import STUN
import TURN
import TURNServer
import Testing
import Time

/// A request that is answered with an error.
struct ErrorCase: Sendable, CustomTestStringConvertible {
    let method: STUNMethod
    let code: STUNErrorCode
    let why: String
    /// Whether the answer carries an integrity: the request was authenticated.
    var isVouched = true
    var configure: @Sendable (inout TURNServerConfiguration) -> Void = { _ in }
    let ask: @Sendable (TestServer, TestClient) -> Answer?

    var testDescription: String { "\(method.rawValue): \(code.rawValue), \(why)" }
}

/// Every request of TURN, every transport, every error that RFC 8656 and RFC 8489 have for it.
struct ErrorTableTests {
    @Test(arguments: ClientTransport.allCases, credentialCases + allocateCases + refreshCases + peerCases)
    func `a request that may not be served gets its error and changes nothing`(
        transport: ClientTransport, item: ErrorCase
    ) throws {
        let server = TestServer(configuration(item.configure))
        let client = TestClient(server, flow("198.18.1.1:4000", transport))
        client.challenge()
        server.watched = client.flow
        let got = try #require(item.ask(server, client))

        #expect(got.code == item.code)
        #expect(got.messageClass == .failure)
        #expect(got.method == item.method)
        #expect(got.isTrusted == item.isVouched)
        #expect((got.integrity != nil) == item.isVouched)
        let isChallenge = item.code == .unauthenticated || item.code == .staleNonce
        #expect((got.nonce != nil) == isChallenge)
        #expect(got.realm == (isChallenge ? "roost" : nil))
        // The shortest requests without credentials leave no room for them.
        if item.why != "no credentials" { #expect(got.algorithms == (isChallenge ? [.sha256, .md5] : nil)) }
        #expect(server.state(of: client.flow, TestServer.peers, TestServer.channels) == server.stateBefore)
        #expect(server.allocationCount == server.openRelays, "an allocation has a relay, and a relay an allocation")
        let kind = try #require(TURNRequestKind.allCases.first { item.method.rawValue == numbers[$0] })
        #expect(server.counters[kind, item.code] >= 1)
    }

    private let numbers: [TURNRequestKind: UInt16] = [
        .binding: 1, .allocate: 3, .refresh: 4, .createPermission: 8, .channelBind: 9,
    ]
}
