extension ConfigurationKey where Value == String {
    /// Any text.
    public static func text(
        _ name: String, _ help: String, placeholder: String, default value: String, isSecret: Bool = false
    ) -> Self {
        Self(name, help, placeholder: placeholder, default: value, shown: value, isSecret: isSecret) { $0 }
    }
}

extension ConfigurationKey where Value == String? {
    /// A text that may be left out.
    public static func optionalText(
        _ name: String, _ help: String, placeholder: String, isSecret: Bool = false
    ) -> Self {
        Self(name, help, placeholder: placeholder, default: nil, shown: "", isSecret: isSecret) {
            $0.isEmpty ? nil : $0
        }
    }
}

extension ConfigurationKey where Value == String? {
    /// A name that is also part of file names; it may be left out.
    static func optionalName(_ name: String, _ help: String) -> Self {
        Self(name, help, placeholder: "NAME", default: nil, shown: "") { text throws(ConfigurationProblem) in
            guard !text.isEmpty else { return nil }
            let isAllowed = text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
            guard isAllowed, text.utf8.count <= 64, !text.hasPrefix(".") else {
                throw ConfigurationProblem("expected 1 to 64 of A-Z a-z 0-9 - _ . and no dot first")
            }
            return text
        }
    }
}

extension ConfigurationKey where Value == [String] {
    /// Texts with commas between them; the file may hold a JSON array instead.
    public static func list(_ name: String, _ help: String, placeholder: String, default value: [String] = []) -> Self {
        Self(
            name, help, placeholder: placeholder, default: value, shown: value.joined(separator: ","),
            parse: commaSeparated)
    }
}

extension ConfigurationKey where Value == Int {
    /// A whole number within a range.
    public static func number(_ name: String, _ help: String, in range: ClosedRange<Int>, default value: Int) -> Self {
        Self(name, help, placeholder: "N", default: value, shown: String(value)) { text throws(ConfigurationProblem) in
            guard let number = Int(text), range.contains(number) else {
                throw ConfigurationProblem("expected a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }
}

extension ConfigurationKey where Value == Bool {
    /// On or off; the flag alone means on.
    public static func flag(_ name: String, _ help: String, default value: Bool = false) -> Self {
        Self(name, help, placeholder: "true|false", default: value, shown: String(value)) {
            text throws(ConfigurationProblem) in
            switch text.lowercased() {
            case "true", "yes", "on", "1": return true
            case "false", "no", "off", "0": return false
            default: throw ConfigurationProblem("expected true or false")
            }
        }
    }
}

extension ConfigurationKey where Value == Duration {
    /// A time such as `500ms`, `30s` or `2m`, within a range.
    public static func duration(
        _ name: String, _ help: String, in range: ClosedRange<Duration>, default value: Duration
    ) -> Self {
        let any = duration(name, help, default: value)
        return Self(name, help, placeholder: "TIME", default: value, shown: describe(value)) {
            text throws(ConfigurationProblem) in
            let duration = try any.parse(text)
            guard range.contains(duration) else {
                throw ConfigurationProblem(
                    "expected a time from \(describe(range.lowerBound)) to \(describe(range.upperBound))")
            }
            return duration
        }
    }

    /// A time such as `500ms`, `30s` or `2m`, from zero on.
    public static func duration(_ name: String, _ help: String, default value: Duration) -> Self {
        Self(name, help, placeholder: "TIME", default: value, shown: describe(value)) {
            text throws(ConfigurationProblem) in
            let digits = text.prefix { $0.isASCII && $0.isNumber }
            guard let count = Int64(digits), count <= 1_000_000_000 else {
                throw ConfigurationProblem("expected a time such as 500ms, 30s or 2m")
            }
            switch text.dropFirst(digits.count) {
            case "ms": return .milliseconds(count)
            case "s": return .seconds(count)
            case "m": return .seconds(count * 60)
            case "h": return .seconds(count * 3600)
            default: throw ConfigurationProblem("expected a time such as 500ms, 30s or 2m")
            }
        }
    }

    private static func describe(_ value: Duration) -> String {
        let (seconds, fraction) = value.components
        // A millisecond is 10^15 attoseconds, the fraction's unit.
        return fraction == 0 ? "\(seconds)s" : "\(seconds * 1000 + fraction / 1_000_000_000_000_000)ms"
    }
}

extension ConfigurationKey where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of an enumeration's names.
    public static func choice(_ name: String, _ help: String, default value: Value) -> Self {
        let names = Value.allCases.map(\.rawValue)
        return Self(name, help, placeholder: names.joined(separator: "|"), default: value, shown: value.rawValue) {
            text throws(ConfigurationProblem) in
            guard let choice = Value(rawValue: text) else {
                throw ConfigurationProblem("expected one of \(names.joined(separator: ", "))")
            }
            return choice
        }
    }
}

extension ConfigurationKey where Value == HostPort {
    /// An address to listen on or to connect to.
    public static func hostPort(_ name: String, _ help: String, default value: HostPort) -> Self {
        Self(name, help, placeholder: "HOST:PORT", default: value, shown: value.description) {
            text throws(ConfigurationProblem) in try HostPort(parsing: text)
        }
    }
}

extension ConfigurationKey where Value == [HostPort] {
    /// Addresses with commas between them.
    public static func hostPorts(_ name: String, _ help: String, default value: [HostPort]) -> Self {
        Self(
            name, help, placeholder: "HOST:PORT,…", default: value,
            shown: value.map(\.description).joined(separator: ",")
        ) { text throws(ConfigurationProblem) in
            var addresses: [HostPort] = []
            for item in commaSeparated(text) { addresses.append(try HostPort(parsing: item)) }
            return addresses
        }
    }
}

/// The items of a list, trimmed, empty ones left out.
@Sendable
func commaSeparated(_ text: String) -> [String] {
    text.split(separator: ",").map { item in
        String(item.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }.filter { !$0.isEmpty }
}

/// A host name or address with a port: `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`.
public struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// A name, or an IPv4 or IPv6 address without brackets.
    public var host: String
    /// 0 to 65535; 0 means that the system chooses.
    public var port: Int

    /// Joins the two.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `HOST:PORT`, IPv6 in brackets.
    public init(parsing text: String) throws(ConfigurationProblem) {
        let expected = ConfigurationProblem("expected HOST:PORT, such as 127.0.0.1:8080 or [::]:8080")
        guard let colon = text.lastIndex(of: ":") else { throw expected }
        var host = text[..<colon]
        guard let port = UInt16(text[text.index(after: colon)...]) else { throw expected }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw expected
        }
        guard !host.isEmpty else { throw expected }
        self.init(host: String(host), port: Int(port))
    }

    /// `HOST:PORT`, IPv6 in brackets.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
