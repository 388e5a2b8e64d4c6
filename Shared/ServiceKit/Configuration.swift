import Configuration

/// The values of all keys of a service, each from the first source that has it: flags, environment, file, default.
public struct ServiceConfiguration: Sendable {
    private var values: [String: any Sendable]
    private var sources: [String: ConfigurationSource]

    /// The value of a declared key.
    ///
    /// Stops the process with a sentence where the key was not declared to `ServiceMain.run`: that is our own mistake.
    public subscript<Value>(_ key: ConfigurationKey<Value>) -> Value {
        guard let value = values[key.name] as? Value else {
            preconditionFailure("key \(key.name) was not declared to ServiceMain.run")
        }
        return value
    }

    /// Where a key's value came from.
    public func source<Value>(of key: ConfigurationKey<Value>) -> ConfigurationSource {
        sources[key.name] ?? .unset
    }

    /// The names of the keys whose values differ from another reading's, in alphabetical order.
    public func changes(from other: ServiceConfiguration) -> [String] {
        values.filter { "\($0.value)" != other.values[$0.key].map { "\($0)" } }.map(\.key).sorted()
    }

    /// Reads every key.
    ///
    /// - Parameters:
    ///   - keys: All keys of the service.
    ///   - flags: The command line without the program's name.
    ///   - environment: The process environment.
    ///   - file: The file named by `--config`, already read.
    /// - Throws: All problems found, each with key, source and what to do.
    public init(
        keys: [any AnyConfigurationKey], flags: [String], environment: [String: String], file: ConfigurationFile? = nil
    ) throws(ConfigurationError) {
        var problems = Self.unknownFlags(flags, keys: keys)
        let flagProvider = CommandLineArgumentsProvider(arguments: ["roost"] + flags)
        let environmentProvider = EnvironmentVariablesProvider(environmentVariables: environment)
        let known = Set(keys.map(\.name))
        for name in file?.names.sorted() ?? [] where !known.contains(name) {
            problems.append(
                "unknown key \(name) (from file \(file?.path ?? "")). Remove it, or see --help for the keys.")
        }

        values = [:]
        sources = [:]
        for key in keys {
            let found: (text: String, source: ConfigurationSource)
            if let text = Self.text(AbsoluteConfigKey([key.name]), in: flagProvider) {
                found = (text.isEmpty && key.isSwitch ? "true" : text, .flag(key.name))
            } else if let text = Self.text(AbsoluteConfigKey(["roost", key.name]), in: environmentProvider),
                !text.isEmpty
            {
                // An empty variable counts as absent: compose files write `NAME=${NAME:-}`.
                found = (text, .environment(key.environmentName))
            } else if let file, let text = file.text(of: key.name) {
                found = (text, .file(path: file.path, key: key.name))
            } else {
                guard let value = key.defaultValue else {
                    problems.append(
                        "\(key.name) is not set. Give --\(key.name) \(key.placeholder), or \(key.environmentName).")
                    continue
                }
                values[key.name] = value
                sources[key.name] = .default
                continue
            }
            do throws(ConfigurationProblem) {
                values[key.name] = try key.value(of: found.text)
                sources[key.name] = found.source
            } catch {
                let shown = key.isSecret ? "the value" : "\"\(found.text)\""
                problems.append("bad value for \(key.name) (from \(found.source)): \(shown): \(error.reason).")
            }
        }
        guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    }

    private static func text(_ key: AbsoluteConfigKey, in provider: some ConfigProvider) -> String? {
        // As an array always: both providers split at commas, and the key's own parser decides what a comma means.
        guard let found = try? provider.value(forKey: key, type: .stringArray), let value = found.value,
            case .stringArray(let items) = value.content
        else { return nil }
        return items.joined(separator: ",")
    }

    /// The provider ignores flags that nobody asks for; an operator's typing error must not pass in silence.
    private static func unknownFlags(_ flags: [String], keys: [any AnyConfigurationKey]) -> [String] {
        var problems: [String] = []
        var index = 0
        var seen: Set<String> = []
        while index < flags.count {
            let flag = flags[index]
            index += 1
            guard flag.hasPrefix("--") else {
                problems.append("unexpected argument \"\(flag)\". Settings are written --key value; see --help.")
                continue
            }
            let name = String(flag.dropFirst(2).prefix { $0 != "=" })
            guard let key = keys.first(where: { $0.name == name }) else {
                problems.append("unknown flag --\(name). See --help for the flags.")
                if index < flags.count, !flags[index].hasPrefix("--") { index += 1 }
                continue
            }
            if !seen.insert(name).inserted {
                problems.append("flag --\(name) is given twice. Give it once; lists take commas.")
            }
            if flag.contains("=") { continue }
            if index < flags.count, !flags[index].hasPrefix("--") {
                index += 1
            } else if !key.isSwitch {
                problems.append("flag --\(name) needs a value: --\(name) \(key.placeholder).")
            }
        }
        return problems
    }
}

/// Where a value came from.
public enum ConfigurationSource: Sendable, Equatable, CustomStringConvertible {
    /// A flag.
    case flag(String)
    /// An environment variable.
    case environment(String)
    /// The file of `--config`.
    case file(path: String, key: String)
    /// The key's default.
    case `default`
    /// The key does not exist.
    case unset

    /// For messages.
    public var description: String {
        switch self {
        case .flag(let name): "flag --\(name)"
        case .environment(let name): "environment \(name)"
        case .file(let path, let key): "file \(path), key \(key)"
        case .default: "default"
        case .unset: "nowhere"
        }
    }
}

/// Everything wrong with a configuration, so that an operator mends it in one go.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A sentence or two each, with key, source and what to do.
    public var problems: [String]
    /// Takes sentences for people.
    public init(problems: [String]) { self.problems = problems }
    /// All problems, a line each.
    public var description: String { problems.joined(separator: "\n") }
}
