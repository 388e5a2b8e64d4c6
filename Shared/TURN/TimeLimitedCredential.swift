internal import Bytes
internal import COpenSSL
public import Time

/// A secret that a TURN server shares with whoever hands out credentials for it. Never shown.
public struct SharedSecret: Sendable, CustomStringConvertible, CustomReflectable {
    let bytes: [UInt8]

    /// The secret of a text; nil if it is empty, as anyone would know it.
    public init?(_ text: String) {
        guard !text.isEmpty else { return nil }
        bytes = Array(text.utf8)
    }

    /// Says nothing of the secret.
    public var description: String { "(secret)" }

    /// Says nothing of the secret.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// The user name of a time-limited credential: when it ends and for whom it is, `1700003600:ann`.
///
/// The user may be missing (`1700003600`), as draft-uberti-behave-turn-rest-00 allows, and may hold colons.
public struct TimeLimitedUsername: Hashable, Sendable {
    /// When it ends: Unix time, whole seconds.
    public let expires: WallTime
    /// For whom it is; nil where it does not say.
    public let user: String?

    /// The user name of these. A fraction of a second is cut off.
    public init(user: String?, expires: WallTime) {
        self.expires = WallTime(milliseconds: expires.milliseconds / 1000 * 1000)
        self.user = user
    }

    /// Takes it apart. Nil unless it starts with 1 to 12 digits that end at a colon or at the end.
    public init?(_ text: String) {
        let bytes = text.utf8
        let digits = bytes.prefix { (0x30...0x39).contains($0) }
        // Twelve digits last until the year 33658; more could overflow.
        guard (1...12).contains(digits.count) else { return nil }
        var seconds: Int64 = 0
        for digit in digits { seconds = seconds * 10 + Int64(digit - 0x30) }
        expires = WallTime(milliseconds: seconds * 1000)
        guard digits.endIndex < bytes.endIndex else {
            user = nil
            return
        }
        guard bytes[digits.endIndex] == UInt8(ascii: ":") else { return nil }
        user = String(text[text.index(after: digits.endIndex)...])
    }

    /// As it travels in USERNAME.
    public var text: String {
        let seconds = expires.milliseconds / 1000
        return if let user { "\(seconds):\(user)" } else { "\(seconds)" }
    }
}

/// Why a credential is not taken.
public enum CredentialError: Error, Equatable, Sendable {
    /// The user name does not begin with a time.
    case malformedUsername
    /// Its time is over.
    case expired(WallTime)
    /// The password is not the one that any of the secrets gives.
    case wrongPassword
}

/// A credential that ends by itself and needs no table of users: what coturn calls `use-auth-secret`, and others the
/// "TURN REST API" (draft-uberti-behave-turn-rest-00).
///
/// The password is base64(HMAC-SHA1(secret, user name)), so a server that knows the secret knows the password of each name.
public struct TimeLimitedCredential: Equatable, Sendable {
    /// What goes into USERNAME.
    public let username: String
    /// The password of that name.
    public let password: String

    /// Makes a credential for `user` that lasts until `expires`.
    public init(user: String?, expires: WallTime, secret: SharedSecret) {
        username = TimeLimitedUsername(user: user, expires: expires).text
        password = TimeLimitedCredential.password(of: username, secret: secret)
    }

    /// The password of a name. A server derives the key of a message's integrity from it, and so checks it.
    public static func password(of username: String, secret: SharedSecret) -> String {
        String(decoding: passwordBytes(of: username, secret), as: UTF8.self)
    }

    /// Checks that a name has not ended, and gives its parts. It ends at the second it states.
    public static func check(username: String, now: WallTime) throws(CredentialError) -> TimeLimitedUsername {
        guard let parts = TimeLimitedUsername(username) else { throw .malformedUsername }
        guard now < parts.expires else { throw .expired(parts.expires) }
        return parts
    }

    /// Checks a name and its password against every secret that is valid now (two, while one replaces the other), in a
    /// time that does not depend on what is wrong with the password. Gives the name's parts.
    public static func verify(
        username: String, password: String, secrets: [SharedSecret], now: WallTime
    ) throws(CredentialError) -> TimeLimitedUsername {
        let parts = try check(username: username, now: now)
        let stated = Array(password.utf8)
        var fits = false
        for secret in secrets {
            let computed = passwordBytes(of: username, secret)
            // The length is no secret: it is always 28.
            fits = stated.span.raw.hasSameBytes(inConstantTimeAs: computed.span.raw) || fits
        }
        guard fits else { throw .wrongPassword }
        return parts
    }

    private static func passwordBytes(of username: String, _ secret: SharedSecret) -> [UInt8] {
        let name = Array(username.utf8)
        var mac = [UInt8](repeating: 0, count: 20)
        let result = unsafe HMAC(
            EVP_sha1(), secret.bytes, Int32(secret.bytes.count), name, name.count, &mac, nil)
        precondition(unsafe result != nil, "OpenSSL refuses an HMAC that TURN requires")
        return Base64.encode(mac)
    }
}
