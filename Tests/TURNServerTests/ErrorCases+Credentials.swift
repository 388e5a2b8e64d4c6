import Addresses
import Bytes
import STUN
import TURN
import TURNServer
import Time

private let methods: [STUNMethod] = [.allocate, .refresh, .createPermission, .channelBind]

/// What each method needs to be well-formed.
private func body(_ method: STUNMethod) -> TestClient.Body {
    { (writer, output) throws(STUNError) in
        switch method {
        case .allocate: try writer.addRequestedTransport(.udp, to: &output)
        case .createPermission: try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
        case .channelBind:
            try writer.addChannelNumber(0x4000, to: &output)
            try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
        default: break
        }
    }
}

/// A request with these attributes about credentials and a wrong integrity, where `signs` is set.
private func stated(
    _ client: TestClient, _ method: STUNMethod, _ types: [STUNAttributeType], signs: Bool = true
) -> Answer? {
    let bytes = client.message(.request, method, isBare: true) { (writer, output) throws(STUNError) in
        try body(method)(writer, &output)
        for type in types {
            switch type {
            case .username: try writer.add(.username, text: client.username, to: &output)
            case .realm: try writer.add(.realm, text: client.realm, to: &output)
            case .nonce:
                let nonce = client.nonce
                try writer.add(.nonce, bytes: nonce.span.raw, to: &output)
            case .passwordAlgorithms: try writer.add(.passwordAlgorithms, algorithms: [.sha256, .md5], to: &output)
            case .passwordAlgorithm: try writer.add(.passwordAlgorithm, algorithms: [.sha256], to: &output)
            default: try writer.addFlag(type, to: &output)
            }
        }
        if signs { try writer.addIntegrity(.sha1, client.key, to: &output) }
    }
    return client.send(bytes).answer.flatMap { Answer($0, key: client.key) }
}

/// Errors that have to do with who asks: alike for each method.
let credentialCases: [ErrorCase] = methods.flatMap { method -> [ErrorCase] in
    [
        ErrorCase(method: method, code: .unauthenticated, why: "no credentials", isVouched: false) { _, client in
            stated(client, method, [], signs: false)
        },
        ErrorCase(method: method, code: .unauthenticated, why: "all but an integrity", isVouched: false) { _, client in
            stated(client, method, [.username, .realm, .nonce], signs: false)
        },
        ErrorCase(method: method, code: .badRequest, why: "no name", isVouched: false) { _, client in
            stated(client, method, [.realm, .nonce])
        },
        ErrorCase(method: method, code: .badRequest, why: "no realm", isVouched: false) { _, client in
            stated(client, method, [.username, .nonce])
        },
        ErrorCase(method: method, code: .badRequest, why: "no nonce", isVouched: false) { _, client in
            stated(client, method, [.username, .realm])
        },
        ErrorCase(
            method: method, code: .badRequest, why: "a chosen algorithm, the offered ones cut out", isVouched: false
        ) {
            _, client in stated(client, method, [.username, .realm, .nonce, .passwordAlgorithm])
        },
        ErrorCase(method: method, code: .badRequest, why: "offered algorithms, none chosen", isVouched: false) {
            _, client in stated(client, method, [.username, .realm, .nonce, .passwordAlgorithms])
        },
        ErrorCase(method: method, code: .unauthenticated, why: "a wrong password", isVouched: false) { _, client in
            client.password = "wrong"
            return client.ask(method, body(method))
        },
        ErrorCase(method: method, code: .unauthenticated, why: "nobody's name", isVouched: false) { _, client in
            client.username = "carol"
            return client.ask(method, body(method))
        },
        ErrorCase(method: method, code: .unauthenticated, why: "a time-limited name that has ended", isVouched: false) {
            server, client in
            client.become("ann", until: server.wall + .seconds(-1), secret: "north")
            return client.ask(method, body(method))
        },
        ErrorCase(
            method: method, code: .unauthenticated, why: "a time-limited name of another secret", isVouched: false
        ) {
            server, client in
            client.become("ann", until: server.wall + .seconds(60), secret: "south")
            return client.ask(method, body(method))
        },
        ErrorCase(method: method, code: .unauthenticated, why: "another realm", isVouched: false) { _, client in
            client.realm = "elsewhere"
            return client.ask(method, body(method))
        },
        ErrorCase(method: method, code: .staleNonce, why: "a nonce of an hour ago", isVouched: false) {
            server, client in
            server.advance(.seconds(3_600 + 100))
            return client.ask(method, body(method))
        },
        ErrorCase(method: method, code: .staleNonce, why: "a nonce that is none", isVouched: false) { _, client in
            client.nonce = Array("0123456789".utf8)
            return client.ask(method, body(method))
        },
        ErrorCase(method: method, code: .staleNonce, why: "a nonce with a bit turned", isVouched: false) { _, client in
            client.nonce[20] ^= 1
            return client.ask(method, body(method))
        },
        ErrorCase(method: method, code: .unknownAttribute, why: "an attribute that must be understood") { _, client in
            client.ask(method) { (writer, output) throws(STUNError) in
                try body(method)(writer, &output)
                try writer.add(STUNAttributeType(rawValue: 0x7ff0), uint32: 1, to: &output)
            }
        },
        ErrorCase(method: method, code: .unknownAttribute, why: "RFC 6062's CONNECTION-ID") { _, client in
            client.ask(method) { (writer, output) throws(STUNError) in
                try body(method)(writer, &output)
                try writer.add(.connectionID, uint32: 1, to: &output)
            }
        },
    ]
        + (method == .allocate
            ? []
            : [
                ErrorCase(method: method, code: .allocationMismatch, why: "no allocation") { _, client in
                    client.ask(method, body(method))
                },
                ErrorCase(method: method, code: .allocationMismatch, why: "no allocation any more") { _, client in
                    client.allocate()
                    client.refresh(0)
                    return client.ask(method, body(method))
                },
                ErrorCase(method: method, code: .wrongCredentials, why: "another user's allocation") { _, client in
                    client.allocate()
                    (client.username, client.password) = ("bob", "hunter2")
                    return client.ask(method, body(method))
                },
            ])
}

extension TestClient {
    /// Takes a time-limited credential.
    func become(_ user: String?, until expires: WallTime, secret: String) {
        guard let secret = SharedSecret(secret) else { return }
        let credential = TimeLimitedCredential(user: user, expires: expires, secret: secret)
        (username, password) = (credential.username, credential.password)
    }
}
