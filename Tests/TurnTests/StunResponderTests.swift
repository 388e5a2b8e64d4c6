import Addresses
import Bytes
import STUN
import TURNServer
import Testing
import Time
import Turn

struct StunResponderTests {
    let source = Endpoint(address: IPAddress(v4: 0xc000_0201), port: 4_000)
    let transaction = TransactionID(high: 1, low: 2)

    func responder(rate: Int = 1_000_000, burst: Int = 1_000_000) -> StunResponder {
        StunResponder(software: "Roost", limiter: SourceLimiter(rate: rate, burst: burst, seed: 1))
    }

    /// The answer of a fresh responder, or why there is none.
    func answer(_ bytes: [UInt8], from source: Endpoint) throws(StunDrop) -> [UInt8] {
        var responder = responder()
        return try [UInt8](capacity: 2_048) { (output) throws(StunDrop) in
            _ = try responder.receive(bytes.span.raw, from: source, now: Instant(nanoseconds: 1), to: &output)
        }
    }

    func request(
        _ header: STUNHeader? = nil, fingerprint: Bool = false, unknown: [UInt16] = []
    ) throws(STUNError) -> [UInt8] {
        try [UInt8](capacity: 400) { (output) throws(STUNError) in
            let writer = try STUNWriter(header ?? STUNHeader(.request, .binding, transaction), to: &output)
            for type in unknown { try writer.add(STUNAttributeType(rawValue: type), bytes: RawSpan(), to: &output) }
            if fingerprint { try writer.addFingerprint(to: &output) }
        }
    }

    @Test(arguments: ["192.0.2.1:4000", "[2001:db8::7]:65535"], [false, true])
    func `a request is answered with the address it came from`(address: String, fingerprint: Bool) throws {
        let source = try #require(Endpoint(address))
        let bytes = try answer(try request(fingerprint: fingerprint), from: source)
        let message = try STUNMessage(parsing: bytes.span.raw)
        let (header, mapped, hasFingerprint) = (message.header, try message.xorMappedAddress(), message.hasFingerprint)

        #expect(header == STUNHeader(.success, .binding, transaction))
        #expect(mapped == source)
        #expect(hasFingerprint == fingerprint)
    }

    @Test func `attributes that must be understood and are not are named in a 420`() throws {
        let bytes = try answer(try request(unknown: [0x0003, 0x7fff, 0xc001, 0x0003]), from: source)
        let message = try STUNMessage(parsing: bytes.span.raw)
        let (header, code) = (message.header, try message.errorCode())
        let unknown = try #require(try message.unknownAttributes())

        #expect(header == STUNHeader(.failure, .binding, transaction))
        #expect(code == .unknownAttribute)
        #expect((0..<unknown.count).map { unknown[$0].rawValue } == [0x0003, 0x7fff])
    }

    @Test func `no answer is longer than three times its request`() throws {
        let sources = [source, try #require(Endpoint("[2001:db8::7]:4000"))]
        for source in sources {
            for count in 0...20 {
                for fingerprint in [false, true] {
                    let asked = try request(
                        fingerprint: fingerprint, unknown: (0..<count).map { 0x7000 + UInt16($0) })
                    let said = try answer(asked, from: source)
                    #expect(said.count <= asked.count * StunResponder.amplification, "\(count) unknown")
                }
            }
        }
    }

    @Test func `all else is dropped for its reason`() throws {
        func drop(_ bytes: [UInt8], from source: Endpoint? = nil) -> StunDrop? {
            do throws(StunDrop) {
                _ = try answer(bytes, from: source ?? self.source)
                return nil
            } catch {
                return error
            }
        }
        let good = try request(fingerprint: true)
        let indication = try request(STUNHeader(.indication, .binding, transaction))
        let success = try request(STUNHeader(.success, .binding, transaction))
        let allocate = try request(STUNHeader(.request, .allocate, transaction))
        var broken = good
        broken[27] ^= 1
        var long = try request(unknown: [0x7000])
        long[23] = 200

        #expect(drop([]) == .notSTUN)
        #expect(drop(Array("GET / HTTP/1.1\r\nHost: example.org\r\n".utf8)) == .notSTUN)
        #expect(drop(Array(good.dropLast(1))) == .malformed)
        #expect(drop(long) == .malformed)
        #expect(drop(broken) == .wrongFingerprint)
        #expect(drop(indication) == .notRequest)
        #expect(drop(success) == .notRequest)
        #expect(drop(allocate) == .unsupportedMethod)
        for address in ["192.0.2.1:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1"] {
            let source = try #require(Endpoint(address))
            #expect(drop(good, from: source) == .badSource)
        }
    }

    @Test func `a network over its rate is silent until time has passed, and others notice nothing`() throws {
        var responder = responder(rate: 10, burst: 3)
        let asked = try request()
        func isAnswered(_ source: Endpoint, at milliseconds: Int64) -> Bool {
            let now = Instant(nanoseconds: 0) + .milliseconds(milliseconds)
            let said = try? [UInt8](capacity: 100) { (output) throws(StunDrop) in
                _ = try responder.receive(asked.span.raw, from: source, now: now, to: &output)
            }
            return said != nil
        }
        let neighbour = Endpoint(address: IPAddress(v4: 0xc000_02fe), port: 1)
        let stranger = Endpoint(address: IPAddress(v4: 0xc633_6401), port: 1)

        #expect((0..<5).map { _ in isAnswered(source, at: 0) } == [true, true, true, false, false])
        #expect(!isAnswered(neighbour, at: 50))
        #expect(isAnswered(stranger, at: 50))
        #expect(isAnswered(neighbour, at: 100))
        #expect(!isAnswered(source, at: 100))
        #expect((0..<4).map { _ in isAnswered(source, at: 10_000) } == [true, true, true, false])
    }

    @Test func `wildcard addresses stand for the host's own in what clients are told`() throws {
        let host = try ["192.0.2.7", "169.254.1.1", "2001:db8::7", "fe80::1"].map { try #require(IPAddress($0)) }
        let bound = try ["0.0.0.0:3478", "[::]:3479", "198.51.100.1:1"].map { try #require(Endpoint($0)) }

        #expect(
            Advertisement.urls(advertised: [], bound: bound, host: host) == [
                "stun:127.0.0.1:3478", "stun:192.0.2.7:3478", "stun:[2001:db8::7]:3479", "stun:198.51.100.1:1",
            ])
        #expect(
            Advertisement.urls(advertised: ["turn.example.org:3478"], bound: bound, host: host)
                == ["stun:turn.example.org:3478"])
    }
}
