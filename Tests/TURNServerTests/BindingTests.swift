import Addresses
import STUN
import TURNServer
import Testing
import Time

/// STUN's Binding, for whoever asks.
struct BindingTests {
    private func ask(
        _ server: TestServer, _ source: Flow, fingerprint: Bool = false, unknown: [UInt16] = []
    ) -> (asked: [UInt8], outcome: Outcome) {
        let client = TestClient(server, source)
        client.addsFingerprint = fingerprint
        let asked = client.message(.request, .binding, isBare: true) { (writer, output) throws(STUNError) in
            for type in unknown { try writer.addFlag(STUNAttributeType(rawValue: type), to: &output) }
        }
        return (asked, client.send(asked))
    }

    @Test(arguments: ["198.18.1.1:4000", "[2600::7]:65535"], ClientTransport.allCases)
    func `a request is answered with the address it came from`(address: String, transport: ClientTransport) throws {
        for fingerprint in [false, true] {
            let source = flow(address, transport)
            let (_, outcome) = ask(TestServer(configuration()), source, fingerprint: fingerprint)
            let answer = try #require(outcome.answer.flatMap { Answer($0, key: nil) })
            #expect(answer.messageClass == .success)
            #expect(answer.mapped == source.client)
            #expect(answer.hasFingerprint == fingerprint)
            #expect(answer.software == "Roost")
            #expect(outcome == .answered(outcome.answer ?? [], to: source))
        }
    }

    @Test func `attributes that must be understood and are not are named in a 420`() throws {
        let (_, outcome) = ask(TestServer(configuration()), flow(), unknown: [0x0003, 0x7fff, 0xc001, 0x0003])
        let answer = try #require(outcome.answer.flatMap { Answer($0, key: nil) })
        #expect(answer.code == .unknownAttribute)
        #expect(answer.unknown == [0x0003, 0x7fff])
    }

    @Test func `no answer is longer than three times its request`() {
        let server = TestServer(configuration { $0.answersPerSecond = 1_000_000 })
        for source in [flow(), flow("[2600::7]:4000")] {
            for count in 0...20 {
                for fingerprint in [false, true] {
                    let (asked, outcome) = ask(
                        server, source, fingerprint: fingerprint, unknown: (0..<count).map { 0x7000 + UInt16($0) })
                    #expect(outcome.answer.map { $0.count <= asked.count * 3 } ?? false, "\(count) unknown")
                }
            }
        }
    }

    @Test func `all else is dropped for its reason`() {
        let server = TestServer(configuration())
        let client = TestClient(server, flow())
        client.addsFingerprint = true
        let good = client.message(.request, .binding, isBare: true)
        var broken = good
        broken[27] ^= 1
        var long = client.message(.request, .binding, isBare: true) { (writer, output) throws(STUNError) in
            try writer.addFlag(STUNAttributeType(rawValue: 0x7000), to: &output)
        }
        long[23] = 200

        server.dropTruncated()
        #expect(server.counters[.truncated] == 1)
        #expect(client.send([]) == .dropped(.notTURN))
        #expect(client.send([0]) == .dropped(.notTURN))
        #expect(client.send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]) == .dropped(.notTURN))
        // "G" is a channel's first byte, and the next ones a length that is not there.
        #expect(client.send(Array("GET / HTTP/1.1\r\nHost: example.org\r\n".utf8)) == .dropped(.malformed))
        #expect(client.send(Array(good.dropLast(1))) == .dropped(.malformed))
        #expect(client.send(long) == .dropped(.malformed))
        #expect(client.send(broken) == .dropped(.wrongFingerprint))
        #expect(client.send(client.message(.indication, .binding, isBare: true)) == .dropped(.notRequest))
        #expect(client.send(client.message(.success, .binding, isBare: true)) == .dropped(.notRequest))
        #expect(client.send(client.message(.failure, .allocate, isBare: true)) == .dropped(.notRequest))
        for method: STUNMethod in [.send, .data, .connect, .connectionBind, .connectionAttempt] {
            #expect(client.send(client.message(.request, method)) == .dropped(.unsupportedMethod))
        }
        for address in ["198.18.1.1:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1", "[::]:1"] {
            #expect(ask(server, flow(address)).outcome == .dropped(.badSource))
        }
    }

    @Test func `a network over its rate is silent, others and streams notice nothing`() {
        let server = TestServer(configuration { $0.answersPerSecond = 2 })
        func isAnswered(_ source: Flow) -> Bool { ask(server, source).outcome.answer != nil }
        #expect((0..<6).map { _ in isAnswered(flow()) } == [true, true, true, true, false, false])
        #expect(!isAnswered(flow("198.18.1.254:1")))
        #expect(isAnswered(flow("198.18.2.1:1")))
        #expect(isAnswered(flow("198.18.1.1:1", .tcp)))
        server.advance(.milliseconds(500))
        #expect(isAnswered(flow()))
        #expect(!isAnswered(flow()))
        #expect(server.counters[.overRate] == 4)
    }
}
