internal import Bytes
internal import STUN

/// Why a static user is not taken. Never tells a password.
public enum StaticUserError: Error, Equatable, Sendable {
    /// A line without a colon between name and password, or with an empty name or password.
    case malformedLine(Int)
    /// The name, or what comes after `0x`, cannot be used; the line, counted from 1.
    case unusable(line: Int)
    /// A name that was there before.
    case repeated(line: Int)
    /// More than the table takes.
    case tooMany
}

extension StaticUserError: CustomStringConvertible {
    /// What is wrong, and where.
    public var description: String {
        switch self {
        case .malformedLine(let line): "line \(line) has no name and password with a colon between them"
        case .unusable(let line): "line \(line) has a name or a key that cannot be used"
        case .repeated(let line): "line \(line) names a user who was there before"
        case .tooMany: "it has more than \(StaticUsers.limit) users"
        }
    }
}

/// Users with lasting passwords, as coturn's `user=name:password`. Their keys are made once, for one realm.
public struct StaticUsers: Sendable {
    struct User: Sendable {
        let name: String
        let md5: STUNKey?
        let sha256: STUNKey?
    }

    /// More belong into a store, or get time-limited credentials.
    public static let limit = 10_000

    /// The realm that the keys were made for.
    public let realm: String
    private var users: [User] = []
    private var byName: [String: Int] = [:]
    private var byUserhash: [[UInt8]: Int] = [:]

    /// None yet.
    public init(realm: String) { self.realm = realm }

    /// How many there are.
    public var count: Int { users.count }

    /// Whether each of them can use SHA-256: who has only an MD5 key would be locked out by an offer of more.
    var offerSHA256: Bool { users.allSatisfy { $0.sha256 != nil } }

    /// Adds a user. `secret` is the password; or `0x` and 32 hex digits, MD5 of `name:realm:password` as coturn's
    /// `turnadmin -k` prints it; or `0x` and 64 digits, SHA-256 of the same; or both of these, with a comma between.
    public mutating func add(name: String, secret: String, line: Int = 0) throws(StaticUserError) {
        guard !name.isEmpty, name.utf8.count <= 508, !secret.isEmpty else { throw .unusable(line: line) }
        guard byName[name] == nil else { throw .repeated(line: line) }
        guard users.count < StaticUsers.limit else { throw .tooMany }
        let user: User
        if secret.hasPrefix("0x") {
            var (md5, sha256): (STUNKey?, STUNKey?) = (nil, nil)
            for part in secret.split(separator: ",", omittingEmptySubsequences: false) {
                guard let bytes = StaticUsers.hex(part), let key = STUNKey(hashed: bytes) else {
                    throw .unusable(line: line)
                }
                if bytes.count == 16 { md5 = key } else { sha256 = key }
            }
            user = User(name: name, md5: md5, sha256: sha256)
        } else {
            user = User(
                name: name, md5: STUNKey(username: name, realm: realm, password: secret, algorithm: .md5),
                sha256: STUNKey(username: name, realm: realm, password: secret, algorithm: .sha256))
        }
        byName[name] = users.count
        byUserhash[STUNKey.userhash(username: name, realm: realm)] = users.count
        users.append(user)
    }

    /// The users of a file: a line each, `name:secret` or `user=name:secret`; empty lines and those with `#` in front are
    /// passed over.
    public init(file text: String, realm: String) throws(StaticUserError) {
        self.init(realm: realm)
        var number = 0
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            number += 1
            var content = line.drop(while: \.isWhitespace)
            while content.last?.isWhitespace ?? false { content.removeLast() }
            guard !content.isEmpty, content.first != "#" else { continue }
            if content.hasPrefix("user=") { content = content.dropFirst(5) }
            guard let colon = content.firstIndex(of: ":") else { throw .malformedLine(number) }
            let (name, secret) = (content[..<colon], content[content.index(after: colon)...])
            guard !name.isEmpty, !secret.isEmpty else { throw .malformedLine(number) }
            try add(name: String(name), secret: String(secret), line: number)
        }
    }

    func user(named name: String) -> User? { byName[name].map { users[$0] } }

    func user(hashed userhash: [UInt8]) -> User? { byUserhash[userhash].map { users[$0] } }

    private static func hex(_ text: Substring) -> [UInt8]? {
        guard text.hasPrefix("0x") else { return nil }
        let digits = text.dropFirst(2).utf8
        guard digits.count == 32 || digits.count == 64 else { return nil }
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in digits {
            let value: UInt8
            switch digit {
            case 0x30...0x39: value = digit - 0x30
            case 0x61...0x66: value = digit - 0x61 + 10
            case 0x41...0x46: value = digit - 0x41 + 10
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return bytes
    }
}
