import Addresses
import Bytes
import STUN
import TURN
import TURNServer
import Time

/// What an answer says, as values that a test can compare.
struct Answer {
    let messageClass: STUNClass
    let method: STUNMethod
    let transaction: TransactionID
    let byteCount: Int
    var code: STUNErrorCode?
    var realm: String?
    var nonce: [UInt8]?
    var algorithms: [STUNPasswordAlgorithm]?
    var relayed: [Endpoint] = []
    var mapped: Endpoint?
    var lifetime: UInt32?
    var token: UInt64?
    var addressError: [String] = []
    var unknown: [UInt16] = []
    var software: String?
    var integrity: STUNIntegrity?
    var isTrusted = false
    var hasFingerprint = false

    init?(_ bytes: [UInt8], key: STUNKey?) {
        guard let message = try? STUNMessage(parsing: bytes.span.raw) else { return nil }
        messageClass = message.header.messageClass
        method = message.header.method
        transaction = message.header.transaction
        byteCount = bytes.count
        hasFingerprint = message.hasFingerprint
        do {
            code = try message.errorCode()
            if let value = try message.realm() { realm = String(decoding: [UInt8](copying: value), as: UTF8.self) }
            if let value = try message.nonce() { nonce = [UInt8](copying: value) }
            if let value = try message.software() {
                software = String(decoding: [UInt8](copying: value), as: UTF8.self)
            }
            algorithms = try message.passwordAlgorithms()
            var endpoints: [Endpoint] = []
            try message.forEachRelayedAddress { endpoints.append($0) }
            relayed = endpoints
            mapped = try message.xorMappedAddress()
            lifetime = try message.lifetime()
            token = try message.reservationToken()
            if let error = try message.addressErrorCode() {
                addressError = ["\(error.family) \(error.code.rawValue)"]
            }
            if let listed = try message.unknownAttributes() {
                unknown = (0..<listed.count).map { listed[$0].rawValue }
            }
        } catch {
            return nil
        }
        for kind in STUNIntegrity.allCases where message.hasIntegrity(kind) {
            integrity = kind
            if let key { isTrusted = message.verify(kind, key) }
        }
    }
}

/// A client that does as it is told, also what no client should.
final class TestClient {
    let server: TestServer
    let flow: Flow
    var username: String
    var password: String
    var realm = "roost"
    var nonce: [UInt8] = []
    var integrity = STUNIntegrity.sha1
    var algorithm = STUNPasswordAlgorithm.md5
    /// Whether PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS are sent.
    var statesAlgorithm = false
    var usesUserhash = false
    var addsFingerprint = false
    private var random: SeededGenerator

    init(_ server: TestServer, _ flow: Flow, username: String = "ann", password: String = "secret") {
        self.server = server
        self.flow = flow
        self.username = username
        self.password = password
        random = SeededGenerator(seed: UInt64(flow.client.port) << 8 | UInt64(flow.transport.rawValue))
    }

    var key: STUNKey {
        guard
            let key = STUNKey(username: username, realm: realm, password: password, algorithm: algorithm)
        else { preconditionFailure("an algorithm that has no key") }
        return key
    }

    typealias Body = (STUNWriter, inout OutputRawSpan) throws(STUNError) -> Void

    func transaction() -> TransactionID { TransactionID(using: &random) }

    /// The bytes of a message, with credentials unless `isBare`.
    func message(
        _ messageClass: STUNClass = .request, _ method: STUNMethod, transaction: TransactionID? = nil,
        isBare: Bool = false, _ body: Body = { (_, _) throws(STUNError) in }
    ) -> [UInt8] {
        let header = STUNHeader(messageClass, method, transaction ?? self.transaction())
        do {
            return try [UInt8](capacity: 66_000) { (output) throws(STUNError) in
                let writer = try STUNWriter(header, to: &output)
                try body(writer, &output)
                if !isBare { try addCredentials(writer, &output) }
                if addsFingerprint { try writer.addFingerprint(to: &output) }
            }
        } catch {
            preconditionFailure("a test writes a message that does not fit: \(error)")
        }
    }

    private func addCredentials(_ writer: STUNWriter, _ output: inout OutputRawSpan) throws(STUNError) {
        if usesUserhash {
            let hash = STUNKey.userhash(username: username, realm: realm)
            try writer.add(.userhash, bytes: hash.span.raw, to: &output)
        } else {
            try writer.add(.username, text: username, to: &output)
        }
        try writer.add(.realm, text: realm, to: &output)
        let nonce = self.nonce
        try writer.add(.nonce, bytes: nonce.span.raw, to: &output)
        if statesAlgorithm {
            try writer.add(.passwordAlgorithms, algorithms: [.sha256, .md5], to: &output)
            try writer.add(.passwordAlgorithm, algorithms: [algorithm], to: &output)
        }
        try writer.addIntegrity(integrity, key, to: &output)
    }

    func send(_ bytes: [UInt8]) -> Outcome { server.receive(bytes, from: flow) }

    /// Sends a request with credentials and reads the answer; nil if there is none.
    func ask(_ method: STUNMethod, transaction: TransactionID? = nil, _ body: Body = { (_, _) throws(STUNError) in })
        -> Answer?
    {
        send(message(.request, method, transaction: transaction, body)).answer.flatMap { Answer($0, key: key) }
    }

    /// Learns realm and nonce from a 401.
    @discardableResult
    func challenge() -> Answer? {
        let bytes = message(.request, .allocate, isBare: true) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
        }
        let answer = send(bytes).answer.flatMap { Answer($0, key: nil) }
        realm = answer?.realm ?? realm
        nonce = answer?.nonce ?? nonce
        return answer
    }

    /// Allocates, with the challenge before; further attributes by `body`.
    @discardableResult
    func allocate(_ body: Body = { (_, _) throws(STUNError) in }) -> Answer? {
        if nonce.isEmpty { challenge() }
        return ask(.allocate) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
            try body(writer, &output)
        }
    }

    @discardableResult
    func refresh(_ seconds: UInt32?, family: IPAddress.Family? = nil) -> Answer? {
        ask(.refresh) { (writer, output) throws(STUNError) in
            if let seconds { try writer.add(.lifetime, uint32: seconds, to: &output) }
            if let family { try writer.add(.requestedAddressFamily, family: family, to: &output) }
        }
    }

    @discardableResult
    func permit(_ peers: Endpoint...) -> Answer? {
        ask(.createPermission) { (writer, output) throws(STUNError) in
            for peer in peers { try writer.add(.xorPeerAddress, xorAddress: peer, to: &output) }
        }
    }

    @discardableResult
    func bind(_ number: UInt16, to peer: Endpoint) -> Answer? {
        ask(.channelBind) { (writer, output) throws(STUNError) in
            try writer.addChannelNumber(number, to: &output)
            try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
        }
    }

    /// A Send indication.
    func send(_ data: [UInt8], to peer: Endpoint, dontFragment: Bool = false) -> Outcome {
        send(
            message(.indication, .send, isBare: true) { (writer, output) throws(STUNError) in
                try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
                if dontFragment { try writer.addFlag(.dontFragment, to: &output) }
                try writer.add(.data, bytes: data.span.raw, to: &output)
            })
    }

    /// ChannelData, padded where a stream wants it.
    func send(_ data: [UInt8], on channel: UInt16) -> Outcome {
        send(channelData(channel, data, isPadded: flow.isStream))
    }
}

func channelData(_ channel: UInt16, _ data: [UInt8], isPadded: Bool = false) -> [UInt8] {
    let padding = isPadded ? -data.count & 3 : 0
    return [UInt8(channel >> 8), UInt8(channel & 255), UInt8(data.count >> 8), UInt8(data.count & 255)] + data
        + [UInt8](repeating: 0, count: padding)
}

/// A Data indication, as values.
struct ReadIndication: Equatable {
    var peer: Endpoint
    var data: [UInt8]?
    var icmp: [UInt32]?

    init(peer: Endpoint, data: [UInt8]? = nil, icmp: [UInt32]? = nil) {
        self.peer = peer
        self.data = data
        self.icmp = icmp
    }

    init?(_ bytes: [UInt8]) {
        guard let message = try? STUNMessage(parsing: bytes.span.raw), message.header.messageClass == .indication,
            message.header.method == .data, let peer = try? message.xorPeerAddress()
        else { return nil }
        self.peer = peer
        data = message.dataRange().map { Array(bytes[$0]) }
        if let error = try? message.icmp() { icmp = [UInt32(error.type), UInt32(error.code), error.data] }
    }
}

extension Outcome {
    /// What a client read in a Data indication.
    var indication: ReadIndication? {
        if case .toClient(_, let bytes) = self { ReadIndication(bytes) } else { nil }
    }
}
