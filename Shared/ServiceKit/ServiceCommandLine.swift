import Foundation

/// What a service's command line asks for.
package enum ServiceCommandLine: Sendable {
    /// Print a text and end: `--help`, `--version`, `--check`, `--describe-keys`.
    case print(String)
    /// Run with these values.
    case run(ServiceConfiguration)

    /// Reads the command line; `--help` and the like win over everything else. `check` says what is wrong with values that are each
    /// well formed: files that cannot be used, keys that need each other.
    package init(
        kind: String, summary: String, keys: [any AnyConfigurationKey], arguments: [String],
        environment: [String: String], check problems: (ServiceConfiguration) -> [String] = { _ in [] }
    ) throws(ConfigurationError) {
        let all = CommonKeys.all + keys
        precondition(Set(all.map(\.name)).count == all.count, "\(kind) declares a key twice")
        if arguments.contains("--help") || arguments.contains("-h") {
            self = .print(KeyTable.help(kind: kind, summary: summary, own: keys))
            return
        }
        switch arguments {
        case ["--version"]:
            self = .print("\(kind) \(RoostVersion.text)\n")
            return
        case ["--describe-keys"]:
            self = .print(KeyTable.markdown(title: kind, summary: summary, keys: keys))
            return
        case ["--describe-common-keys"]:
            self = .print(
                KeyTable.markdown(title: "Every service", summary: "Keys that all four have.", keys: CommonKeys.all))
            return
        default: break
        }

        var flags = arguments
        let check = flags.contains("--check")
        flags.removeAll { $0 == "--check" }
        let path = try Self.takeFile(from: &flags) ?? environment["ROOST_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        var file: ConfigurationFile?
        if let path { file = try ConfigurationFile(path: path) }
        let configuration = try ServiceConfiguration(keys: all, flags: flags, environment: environment, file: file)
        let found = problems(configuration)
        guard found.isEmpty else { throw ConfigurationError(problems: found) }
        self = check ? .print("\(kind): the configuration is valid.\n") : .run(configuration)
    }

    /// Takes `--config PATH` or `--config=PATH` out of the flags: it says where to look, and is no key itself.
    private static func takeFile(from flags: inout [String]) throws(ConfigurationError) -> String? {
        guard let index = flags.firstIndex(where: { $0 == "--config" || $0.hasPrefix("--config=") }) else { return nil }
        let flag = flags.remove(at: index)
        if flag.hasPrefix("--config=") { return String(flag.dropFirst("--config=".count)) }
        guard index < flags.count, !flags[index].hasPrefix("--") else {
            throw ConfigurationError(problems: ["flag --config needs a value: --config PATH."])
        }
        return flags.remove(at: index)
    }
}

/// The environment of this process.
func processEnvironment() -> [String: String] { ProcessInfo.processInfo.environment }
