internal import Bytes
internal import STUN

/// What a client knows of how its server wants requests signed (RFC 8489 §9.2), once the server has said so.
struct LongTermAuthentication: Sendable {
    let realm: [UInt8]
    let nonce: [UInt8]
    /// The server's list, which goes back to it as it came; nil where there was none.
    let offered: [STUNPasswordAlgorithm]?
    let algorithm: STUNPasswordAlgorithm
    let userhash: [UInt8]?
    let key: STUNKey

    /// RFC 8489 §9.2.4: SHA-256 for who speaks of algorithms; SHA-1 as RFC 5389 has it for the rest.
    var integrity: STUNIntegrity { offered == nil ? .sha1 : .sha256 }

    /// Reads a 401 or 438. `previous` lends its list to a 438 that has none, and no cookie that says there was one.
    init(
        challenge message: borrowing STUNMessage, credentials: TURNCredentials?, previous: LongTermAuthentication?
    ) throws(TURNFailure) {
        guard let credentials else { throw .credentialsNeeded }
        do throws(STUNError) {
            guard let realm = try message.realm(), let nonce = try message.nonce() else {
                throw STUNError.malformed(.nonce)
            }
            self.realm = [UInt8](copying: realm)
            self.nonce = [UInt8](copying: nonce)
            let isSameRealm = previous?.realm == self.realm
            offered = try message.passwordAlgorithms() ?? (isSameRealm ? previous?.offered : nil)
        } catch {
            throw .malformedAnswer
        }
        let cookie = NonceCookie(nonce: nonce)
        guard offered != nil || cookie?.contains(.passwordAlgorithms) != true else { throw .bidDown }
        let known: [STUNPasswordAlgorithm] = [.sha256, .md5]
        guard let algorithm = (offered ?? [.md5]).first(where: known.contains) else { throw .noKnownAlgorithm }
        self.algorithm = algorithm
        let realmText = String(decoding: realm, as: UTF8.self)
        guard
            let key = STUNKey(
                username: credentials.username, realm: realmText, password: credentials.password, algorithm: algorithm)
        else { throw .noKnownAlgorithm }
        self.key = key
        userhash =
            cookie?.contains(.usernameAnonymity) == true
            ? STUNKey.userhash(username: credentials.username, realm: realmText) : nil
    }

    /// Adds what signs a request; only FINGERPRINT may follow.
    func sign(
        _ writer: STUNWriter, username: String, to output: inout OutputRawSpan
    ) throws(STUNError) {
        if let userhash {
            try writer.add(.userhash, bytes: userhash.span.raw, to: &output)
        } else {
            try writer.add(.username, text: username, to: &output)
        }
        try writer.add(.realm, bytes: realm.span.raw, to: &output)
        try writer.add(.nonce, bytes: nonce.span.raw, to: &output)
        if let offered {
            try writer.add(.passwordAlgorithms, algorithms: offered, to: &output)
            try writer.add(.passwordAlgorithm, algorithms: [algorithm], to: &output)
        }
        try writer.addIntegrity(integrity, key, to: &output)
    }
}
