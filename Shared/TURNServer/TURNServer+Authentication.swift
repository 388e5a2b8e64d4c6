internal import Bytes
internal import STUN
internal import TURN
internal import Time

/// Who sent a request.
struct Credentials {
    /// As in USERNAME, or what USERHASH stands for.
    let username: String
    /// Whom quotas count: without the time of a time-limited name.
    let user: String
    let trust: Trust
}

/// What a request says of its sender, not believed yet.
private struct StatedCredentials {
    let realm: [UInt8]?
    let nonce: [UInt8]?
    let username: [UInt8]?
    let userhash: [UInt8]?
    let algorithm: STUNPasswordAlgorithm?
    let algorithms: [STUNPasswordAlgorithm]?

    init(_ message: STUNMessage) throws(STUNError) {
        realm = StatedCredentials.copy(try message.realm())
        nonce = StatedCredentials.copy(try message.nonce())
        username = StatedCredentials.copy(try message.username())
        userhash = StatedCredentials.copy(try message.userhash())
        algorithm = try message.passwordAlgorithm()
        algorithms = try message.passwordAlgorithms()
    }

    private static func copy(_ value: RawSpan?) -> [UInt8]? {
        guard let value else { return nil }
        return [UInt8](copying: value)
    }
}

/// A key that may be the sender's.
private struct Candidate {
    let username: String
    let user: String
    let key: STUNKey
}

extension TURNServer {
    /// Long-term credentials, in the order of RFC 8489 §9.2.4. Nothing is remembered of a request that fails.
    func authenticate(
        _ message: STUNMessage, from flow: Flow, now: Instant
    ) throws(Refusal) -> Credentials {
        // The stronger one counts, so that nobody gains by taking it away and leaving the other.
        let integrity: STUNIntegrity
        if message.hasIntegrity(.sha256) {
            integrity = .sha256
        } else if message.hasIntegrity(.sha1) {
            integrity = .sha1
        } else {
            throw Refusal(.unauthenticated)
        }
        let stated: StatedCredentials
        do throws(STUNError) {
            stated = try StatedCredentials(message)
        } catch {
            throw Refusal(error)
        }
        guard let realm = stated.realm, let nonce = stated.nonce, stated.username != nil || stated.userhash != nil
        else { throw Refusal(.badRequest) }
        guard
            let features = Nonce.features(
                of: nonce.span.raw, for: flow, at: wallTime(at: now), age: configuration.nonceAge,
                key: configuration.nonceKey)
        else { throw Refusal(.staleNonce) }
        let algorithm = try TURNServer.algorithm(of: stated, features)
        guard realm == Array(configuration.realm.utf8) else { throw Refusal(.unauthenticated) }
        for candidate in candidates(stated, algorithm, of: flow, now: now)
        where message.verify(integrity, candidate.key) {
            return Credentials(
                username: candidate.username, user: candidate.user,
                trust: Trust(key: candidate.key, integrity: integrity))
        }
        throw Refusal(.unauthenticated)
    }

    /// The algorithm of the key. What the server offered must have reached the client unchanged, or someone on the way wants a
    /// weaker one (RFC 8489 §9.2.4: 400); the nonce's own bits are under its MAC.
    private static func algorithm(
        of stated: StatedCredentials, _ features: SecurityFeatures
    ) throws(Refusal) -> STUNPasswordAlgorithm {
        switch (stated.algorithm, stated.algorithms) {
        case (nil, nil):
            return .md5
        case (let algorithm?, let algorithms?):
            guard features.contains(.passwordAlgorithms), algorithms == offeredAlgorithms,
                algorithms.contains(algorithm)
            else { throw Refusal(.badRequest) }
            return algorithm
        default:
            throw Refusal(.badRequest)
        }
    }

    /// Most wanted first.
    static let offeredAlgorithms: [STUNPasswordAlgorithm] = [.sha256, .md5]

    /// The keys that fit the name, and mostly one. An allocation knows its own: it outlives the end of the credential that it
    /// was made with, and the secret behind it, or else calls would break after an hour (RFC 8656 has no time-limited names;
    /// coturn does likewise).
    private func candidates(
        _ stated: StatedCredentials, _ algorithm: STUNPasswordAlgorithm, of flow: Flow, now: Instant
    ) -> [Candidate] {
        var candidates: [Candidate] = []
        if let allocation = table.allocation(of: flow), let own = details[allocation],
            TURNServer.isSame(stated, own.username, configuration.realm)
        {
            let user = users.rows[Int(table.allocations.rows[allocation].user)].name
            candidates.append(Candidate(username: own.username, user: user, key: own.trust.key))
        }
        if let user = staticUser(stated) {
            if let key = algorithm == .sha256 ? user.sha256 : user.md5 {
                candidates.append(Candidate(username: user.name, user: user.name, key: key))
            }
            return candidates
        }
        // A time-limited name is not in any table, so its hash says nothing: that is why username anonymity is only offered
        // where no secret is.
        guard let bytes = stated.username, let name = String(validating: bytes, as: UTF8.self),
            let parts = try? TimeLimitedCredential.check(username: name, now: wallTime(at: now))
        else { return candidates }
        for secret in configuration.secrets {
            let password = TimeLimitedCredential.password(of: name, secret: secret)
            guard
                let key = STUNKey(
                    username: name, realm: configuration.realm, password: password, algorithm: algorithm)
            else { continue }
            candidates.append(Candidate(username: name, user: parts.user ?? name, key: key))
        }
        return candidates
    }

    private func staticUser(_ stated: StatedCredentials) -> StaticUsers.User? {
        if let bytes = stated.username {
            return String(validating: bytes, as: UTF8.self).flatMap { configuration.users.user(named: $0) }
        }
        return stated.userhash.flatMap { configuration.users.user(hashed: $0) }
    }

    private static func isSame(_ stated: StatedCredentials, _ username: String, _ realm: String) -> Bool {
        if let bytes = stated.username { return bytes == Array(username.utf8) }
        return stated.userhash == STUNKey.userhash(username: username, realm: realm)
    }
}
