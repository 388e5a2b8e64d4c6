/// A setting of a service, declared once: its flag, environment variable, file key, help and table row all come from here.
///
/// `bus-listen` is read from `--bus-listen`, `ROOST_BUS_LISTEN` and the file's `"bus-listen"`, the first that has it.
public struct ConfigurationKey<Value: Sendable>: Sendable {
    /// The name in kebab case, as in the flag without its dashes.
    public let name: String
    /// What it is for, in one sentence for an operator.
    public let help: String
    /// What a value looks like, such as `HOST:PORT`.
    public let placeholder: String
    /// A secret is never repeated in messages.
    public let isSecret: Bool
    let absent: Absent
    let parse: @Sendable (String) throws(ConfigurationProblem) -> Value

    enum Absent: Sendable {
        case required
        case value(Value, shown: String)
    }

    /// A key that every run must set.
    public init(
        required name: String, _ help: String, placeholder: String, isSecret: Bool = false,
        parse: @escaping @Sendable (String) throws(ConfigurationProblem) -> Value
    ) {
        self.name = name
        self.help = help
        self.placeholder = placeholder
        self.isSecret = isSecret
        self.absent = .required
        self.parse = parse
    }

    /// A key with a default; `shown` is the default as the table and `--help` print it.
    public init(
        _ name: String, _ help: String, placeholder: String, default value: Value, shown: String,
        isSecret: Bool = false,
        parse: @escaping @Sendable (String) throws(ConfigurationProblem) -> Value
    ) {
        self.name = name
        self.help = help
        self.placeholder = placeholder
        self.isSecret = isSecret
        self.absent = .value(value, shown: shown)
        self.parse = parse
    }
}

/// Why a text is no value for a key: what was expected.
public struct ConfigurationProblem: Error, Sendable {
    /// The end of a sentence that begins with the value: `is not …: expected …`.
    public var reason: String
    /// A reason such as `expected HOST:PORT`.
    public init(_ reason: String) { self.reason = reason }
}

/// What the loader, the help and the table need of a key, whatever its type.
public protocol AnyConfigurationKey: Sendable {
    /// The name in kebab case.
    var name: String { get }
    /// What it is for.
    var help: String { get }
    /// What a value looks like.
    var placeholder: String { get }
    /// Whether the value is kept out of messages.
    var isSecret: Bool { get }
    /// The default as text; nil where the key is required.
    var shownDefault: String? { get }
    /// Whether the flag may stand alone, meaning `true`.
    var isSwitch: Bool { get }
    /// Turns a text into the key's value.
    func value(of text: String) throws(ConfigurationProblem) -> any Sendable
    /// The default; nil where the key is required.
    var defaultValue: (any Sendable)? { get }
}

extension ConfigurationKey: AnyConfigurationKey {
    /// The default as text; nil where the key is required.
    public var shownDefault: String? {
        switch absent {
        case .required: nil
        case .value(_, let shown): shown
        }
    }

    /// Whether the flag may stand alone, meaning `true`.
    public var isSwitch: Bool { Value.self == Bool.self }

    /// Turns a text into the key's value.
    public func value(of text: String) throws(ConfigurationProblem) -> any Sendable { try parse(text) }

    /// The default; nil where the key is required.
    public var defaultValue: (any Sendable)? {
        switch absent {
        case .required: nil
        case .value(let value, _): value
        }
    }
}

extension AnyConfigurationKey {
    /// The environment variable: `bus-listen` is `ROOST_BUS_LISTEN`.
    public var environmentName: String {
        "ROOST_" + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }
}
