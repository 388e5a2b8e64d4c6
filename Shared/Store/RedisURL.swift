/// Why a text is not the address of a Redis.
public enum RedisURLError: Error, Hashable, Sendable {
    /// Not one of `redis`, `rediss` and `unix`.
    case unknownScheme(String)
    /// No `://`, or no host or path behind it.
    case incomplete
    /// The port is not a number from 1 to 65535.
    case badPort
    /// The database is not a number from 0 to 65535.
    case badDatabase
    /// A `%` without two hex digits behind it, or bytes that are no UTF-8.
    case badEscape
    /// A parameter behind `?` that is not known.
    case unknownParameter(String)
}

extension RedisURLError: CustomStringConvertible {
    /// What to write instead.
    public var description: String {
        switch self {
        case .unknownScheme(let scheme): "\"\(scheme)\" is no scheme of a Redis; write redis://, rediss:// or unix://"
        case .incomplete: "a host or a path is missing; write redis://HOST:PORT/DB or unix:///PATH"
        case .badPort: "the port is no number from 1 to 65535"
        case .badDatabase: "the database is no number from 0 to 65535"
        case .badEscape: "a % is not followed by two hexadecimal digits"
        case .unknownParameter(let name): "the parameter \"\(name)\" is unknown"
        }
    }
}

/// Where Redis is and how to get in: `redis://user:password@host:port/db`, `rediss://…` (TLS), `unix:///path?db=1`.
///
/// Parameters: `db`, `user`, `password`; with `rediss` also `ca`, `cert`, `key` (paths of PEM files).
public struct RedisURL: Hashable, Sendable {
    /// How to get there.
    public enum Place: Hashable, Sendable {
        /// A Unix socket.
        case unix(path: String)
        /// A host by name or address.
        case tcp(host: String, port: Int)
    }
    /// TLS files; nil where the system's own authorities, or no client certificate, are wanted.
    public struct TLS: Hashable, Sendable {
        /// Authorities that may sign the server's certificate.
        public var authorities: String?
        /// Our certificate chain.
        public var certificate: String?
        /// The certificate's key.
        public var privateKey: String?
    }

    /// How to get there.
    public var place: Place
    /// Nil: plain.
    public var tls: TLS?
    /// Of an ACL user; nil: the default user.
    public var user: String?
    /// Never printed.
    public var password: String?
    /// Database number.
    public var database: Int

    /// A Redis on a Unix socket, without a password.
    public init(unixPath: String, database: Int = 0) {
        place = .unix(path: unixPath)
        self.database = database
    }

    /// A Redis on a host, without a password.
    public init(host: String, port: Int, database: Int = 0) {
        place = .tcp(host: host, port: port)
        self.database = database
    }

    /// Reads an address.
    public init(parsing text: String) throws(RedisURLError) {
        guard let (scheme, rest) = text.split(around: "://") else { throw .incomplete }
        let (address, query) = rest.split(around: "?") ?? (rest, "")
        database = 0
        switch scheme {
        case "unix":
            place = .unix(path: try unescape(address))
            guard address.hasPrefix("/") else { throw .incomplete }
        case "redis", "rediss":
            if scheme == "rediss" { tls = TLS() }
            // Passwords may hold an @ or a / unescaped in practice: the last @ divides.
            var location = address
            if let at = address.lastIndex(of: "@") {
                let login = String(address[..<at])
                location = String(address[address.index(after: at)...])
                let (name, secret) = login.split(around: ":") ?? (login, "")
                user = name.isEmpty ? nil : try unescape(name)
                password = secret.isEmpty ? nil : try unescape(secret)
            }
            let (authority, path) = location.split(around: "/") ?? (location, "")
            place = try Self.place(authority)
            if !path.isEmpty { database = try Self.database(path) }
        default: throw .unknownScheme(scheme)
        }
        for part in query.split(separator: "&") {
            let (name, raw) = String(part).split(around: "=") ?? (String(part), "")
            let value = try unescape(raw)
            switch name {
            case "db": database = try Self.database(value)
            case "user": user = value
            case "password": password = value
            case "ca" where tls != nil: tls?.authorities = value
            case "cert" where tls != nil: tls?.certificate = value
            case "key" where tls != nil: tls?.privateKey = value
            default: throw .unknownParameter(name)
            }
        }
    }

    private static func place(_ authority: String) throws(RedisURLError) -> Place {
        var host = authority
        var port = 6379
        if authority.hasPrefix("[") {
            guard let (inside, behind) = authority.dropFirst().description.split(around: "]") else { throw .incomplete }
            host = inside
            if !behind.isEmpty { port = try Self.port(String(behind.dropFirst())) }
        } else if let (name, number) = authority.split(around: ":") {
            host = name
            port = try Self.port(number)
        }
        guard !host.isEmpty else { throw .incomplete }
        return .tcp(host: host, port: port)
    }

    private static func port(_ text: String) throws(RedisURLError) -> Int {
        guard let number = Int(text), (1...65_535).contains(number) else { throw .badPort }
        return number
    }

    private static func database(_ text: String) throws(RedisURLError) -> Int {
        guard let number = Int(text), (0...65_535).contains(number) else { throw .badDatabase }
        return number
    }
}

extension RedisURL: CustomStringConvertible, CustomReflectable {
    /// The address without its secrets, for logs.
    public var description: String {
        switch place {
        case .unix(let path): "unix://\(path)?db=\(database)"
        case .tcp(let host, let port):
            "\(tls == nil ? "redis" : "rediss")://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)"
        }
    }

    /// Shows no field, so that a dump does not print the password.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension String {
    fileprivate func split(around divider: String) -> (String, String)? {
        guard let range = firstRange(of: divider) else { return nil }
        return (String(self[..<range.lowerBound]), String(self[range.upperBound...]))
    }
}

private func unescape(_ text: String) throws(RedisURLError) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
            throw .badEscape
        }
        bytes.append(value)
        rest.removeFirst(2)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .badEscape }
    return text
}
