import Addresses
import Bytes
import STUN
import TURN
import Time

/// A TURN server of few words for the client's tests: it answers rightly, except where its script says otherwise.
struct ScriptedServer {
    /// What to do with a request, in place of answering rightly.
    enum Step {
        case normal
        case silence
        case challenge
        case refuse(STUNErrorCode, signed: Bool)
        case alternate(Endpoint, domain: String)
        case stale
        case unsigned
        case wrongKey
        case withoutRelay
    }

    var username = "ann"
    var password = "secret"
    var realm = "example.org"
    var nonce = "nonce-1"
    var algorithms: [STUNPasswordAlgorithm]?
    var relayed = [endpoint("203.0.113.1:50000")]
    var mapped = endpoint("198.51.100.7:4000")
    var lifetime: UInt32 = 600
    var script: [Step] = []
    /// What was asked, in order, with how it was signed.
    var heard: [Heard] = []

    struct Heard: Equatable {
        var method: STUNMethod
        var types: [STUNAttributeType]
        var lifetime: UInt32?
        var peer: Endpoint?

        init(_ method: STUNMethod, _ types: [STUNAttributeType], lifetime: UInt32? = nil, peer: Endpoint? = nil) {
            self.method = method
            self.types = types
            self.lifetime = lifetime
            self.peer = peer
        }
    }

    func key(_ algorithm: STUNPasswordAlgorithm) -> STUNKey? {
        STUNKey(username: username, realm: realm, password: password, algorithm: algorithm)
    }

    /// The answer; nil for silence.
    mutating func answer(_ bytes: [UInt8]) throws -> [UInt8]? {
        let request = try STUNMessage(parsing: bytes.span.raw)
        var types: [STUNAttributeType] = []
        request.forEachType { types.append($0) }
        let asked = try request.lifetime()
        heard.append(
            Heard(request.header.method, types, lifetime: asked, peer: try request.xorPeerAddress()))
        let step = script.isEmpty ? .normal : script.removeFirst()

        let kind: STUNIntegrity = algorithms == nil ? .sha1 : .sha256
        let key = key(try request.passwordAlgorithm() ?? .md5)
        var isCurrent = false
        if let stated = try request.nonce() { isCurrent = [UInt8](copying: stated) == Array(nonce.utf8) }
        let isSigned = key.map { request.verify(kind, $0) } ?? false
        let header = request.header
        switch step {
        case .silence: return nil
        case .challenge: return try failure(header, .unauthenticated, challenge: true, key: nil)
        case .stale:
            nonce += "+"
            return try failure(header, .staleNonce, challenge: true, key: nil)
        case .refuse(let code, let signed):
            return try failure(header, code, challenge: false, key: signed ? key : nil)
        case .alternate(let server, let domain):
            return try message(STUNHeader(.failure, header.method, header.transaction), key: nil) {
                (writer, output) throws(STUNError) in
                try writer.addErrorCode(.tryAlternate, reason: "", to: &output)
                try writer.add(.alternateServer, address: server, to: &output)
                try writer.add(.alternateDomain, text: domain, to: &output)
            }
        case .normal, .unsigned, .wrongKey, .withoutRelay: break
        }
        guard isSigned else { return try failure(header, .unauthenticated, challenge: true, key: nil) }
        guard isCurrent else { return try failure(header, .staleNonce, challenge: true, key: nil) }
        var answerKey = key
        if case .unsigned = step { answerKey = nil }
        if case .wrongKey = step { answerKey = STUNKey(password: "wrong") }
        let (relayed, mapped) = (relayed, mapped)
        let lifetime = min(asked ?? lifetime, lifetime)
        var hasRelay = true
        if case .withoutRelay = step { hasRelay = false }
        return try message(STUNHeader(.success, header.method, header.transaction), key: answerKey) {
            (writer, output) throws(STUNError) in
            if header.method == .allocate {
                if hasRelay {
                    for address in relayed { try writer.add(.xorRelayedAddress, xorAddress: address, to: &output) }
                }
                try writer.add(.xorMappedAddress, xorAddress: mapped, to: &output)
            }
            if header.method == .allocate || header.method == .refresh {
                try writer.add(.lifetime, uint32: lifetime, to: &output)
            }
        }
    }

    private func failure(
        _ header: STUNHeader, _ code: STUNErrorCode, challenge: Bool, key: STUNKey?
    ) throws -> [UInt8] {
        try message(STUNHeader(.failure, header.method, header.transaction), key: key) {
            (writer, output) throws(STUNError) in
            try writer.addErrorCode(code, reason: "no", to: &output)
            guard challenge else { return }
            try writer.add(.realm, text: realm, to: &output)
            try writer.add(.nonce, text: nonce, to: &output)
            if let algorithms { try writer.add(.passwordAlgorithms, algorithms: algorithms, to: &output) }
        }
    }

    private func message(
        _ header: STUNHeader, key: STUNKey?, _ body: (STUNWriter, inout OutputRawSpan) throws(STUNError) -> Void
    ) throws(STUNError) -> [UInt8] {
        try [UInt8](capacity: 2_000) { (output) throws(STUNError) in
            let writer = try STUNWriter(header, to: &output)
            try body(writer, &output)
            if let key { try writer.addIntegrity(algorithms == nil ? .sha1 : .sha256, key, to: &output) }
        }
    }
}

func endpoint(_ text: String) -> Endpoint {
    guard let endpoint = Endpoint(text) else { preconditionFailure("\(text) is no endpoint") }
    return endpoint
}

/// Reproducible, and no secret.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// A client and a scripted server in virtual time: an answer arrives at once, or never.
struct Conversation {
    var client: TURNClient
    var server = ScriptedServer()
    var now = Instant.zero
    var random = Seeded(1)
    var events: [TURNClientEvent] = []
    /// When each request went out.
    var sentAt: [Interval] = []

    init(_ transport: TURNClientSettings.Transport = .udp, _ change: (inout TURNClientSettings) -> Void = { _ in }) {
        var settings = TURNClientSettings(
            transport, credentials: TURNCredentials(username: "ann", password: "secret"))
        change(&settings)
        client = TURNClient(settings)
    }

    /// Carries requests and answers until nobody has more to say.
    mutating func exchange() throws {
        while let request = try nextRequest() {
            sentAt.append(now - .zero)
            guard let answer = try server.answer(request) else { continue }
            if let event = try client.receive(answer.span.raw, now: now) { events.append(event) }
        }
    }

    mutating func nextRequest() throws(STUNError) -> [UInt8]? {
        let bytes = try [UInt8](capacity: TURNClient.longestRequest) { (output) throws(STUNError) in
            _ = try client.nextRequest(now: now, using: &random, to: &output)
        }
        return bytes.isEmpty ? nil : bytes
    }

    /// Lets time pass, from deadline to deadline.
    mutating func run(for interval: Interval) throws {
        let end = now + interval
        while let due = client.nextDeadline, due <= end {
            now = max(now, due)
            while let event = client.timeout(now: now) { events.append(event) }
            try exchange()
        }
        now = end
    }

    /// Events since the last look.
    mutating func take() -> [TURNClientEvent] {
        defer { events = [] }
        return events
    }

    mutating func allocated() throws {
        try client.allocate()
        try exchange()
        _ = take()
        server.heard = []
        sentAt = []
    }
}
