import ServiceKit
import Testing

private enum Keys {
    static let redis: ConfigurationKey<String> = .text("redis", "Where Redis is.", placeholder: "URL", default: "none")
    static let peers: ConfigurationKey<[String]> = .list("peers", "Who else.", placeholder: "NAME,…")
    static let count: ConfigurationKey<Int> = .number("count", "How many.", in: 1...9, default: 3)
    static let loud: ConfigurationKey<Bool> = .flag("loud", "Whether it shouts.")
    static let wait: ConfigurationKey<Duration> = .duration("wait", "How long.", default: .milliseconds(1500))
    static let listen: ConfigurationKey<[HostPort]> = .hostPorts("listen", "Where.", default: [])
    static let secret: ConfigurationKey<Int> = ConfigurationKey(
        "secret", "Not for logs.", placeholder: "TEXT", default: 0, shown: "", isSecret: true
    ) { text throws(ConfigurationProblem) in throw ConfigurationProblem("expected a longer one") }
    static let all: [any AnyConfigurationKey] = [redis, peers, count, loud, wait, listen, secret]
}

private func load(
    _ flags: [String] = [], environment: [String: String] = [:], file: String? = nil
) throws(ConfigurationError) -> ServiceConfiguration {
    let file: ConfigurationFile? =
        if let file { try ConfigurationFile(path: "/etc/x.json", bytes: Array(file.utf8)) } else { nil }
    return try ServiceConfiguration(keys: Keys.all, flags: flags, environment: environment, file: file)
}

private func problems(_ flags: [String], environment: [String: String] = [:], file: String? = nil) -> [String] {
    do throws(ConfigurationError) {
        _ = try load(flags, environment: environment, file: file)
        return []
    } catch {
        return error.problems
    }
}

@Test func `a flag wins over the environment, that over the file, that over the default`() throws {
    let file = #"{"redis": "file", "count": 7}"#

    #expect(try load()[Keys.redis] == "none")
    #expect(try load(file: file)[Keys.redis] == "file")
    #expect(try load(environment: ["ROOST_REDIS": "environment"], file: file)[Keys.redis] == "environment")
    let all = try load(["--redis", "flag"], environment: ["ROOST_REDIS": "environment"], file: file)
    #expect(all[Keys.redis] == "flag")
    #expect(all[Keys.count] == 7)
    #expect(all.source(of: Keys.redis) == .flag("redis"))
    #expect(all.source(of: Keys.count) == .file(path: "/etc/x.json", key: "count"))
}

@Test(arguments: ["true", "\"yes\"", "1"])
func `a switch in the file is a boolean`(value: String) throws {
    #expect(try load(file: "{\"loud\": \(value)}")[Keys.loud])
}

@Test func `an empty environment variable counts as absent`() throws {
    #expect(try load(environment: ["ROOST_REDIS": ""])[Keys.redis] == "none")
}

@Test func `lists take commas, and arrays in the file`() throws {
    #expect(try load(["--peers", "a, b,,c"])[Keys.peers] == ["a", "b", "c"])
    #expect(try load(environment: ["ROOST_PEERS": "a,b"])[Keys.peers] == ["a", "b"])
    #expect(try load(file: #"{"peers": ["a", "b"]}"#)[Keys.peers] == ["a", "b"])
    #expect(
        try load(["--listen=0.0.0.0:1,[::]:2"])[Keys.listen]
            == [HostPort(host: "0.0.0.0", port: 1), HostPort(host: "::", port: 2)])
}

@Test(arguments: [
    (["--loud"], true), (["--loud", "no"], false), (["--loud=true"], true), ([], false),
])
func `a switch may stand alone`(flags: [String], expected: Bool) throws {
    #expect(try load(flags)[Keys.loud] == expected)
}

@Test(arguments: [
    ("250ms", Duration.milliseconds(250)), ("3s", .seconds(3)), ("2m", .seconds(120)), ("1h", .seconds(3600)),
])
func `times have units`(text: String, expected: Duration) throws {
    #expect(try load(["--wait", text])[Keys.wait] == expected)
}

@Test(arguments: [
    (["--nope"], "unknown flag --nope. See --help for the flags."),
    (["--nope", "value"], "unknown flag --nope. See --help for the flags."),
    (["stray"], #"unexpected argument "stray". Settings are written --key value; see --help."#),
    (["--redis"], "flag --redis needs a value: --redis URL."),
    (["--redis", "--loud"], "flag --redis needs a value: --redis URL."),
    (["--redis=a", "--redis=b"], "flag --redis is given twice. Give it once; lists take commas."),
    (["--count", "12"], #"bad value for count (from flag --count): "12": expected a whole number from 1 to 9."#),
    (["--wait", "5"], #"bad value for wait (from flag --wait): "5": expected a time such as 500ms, 30s or 2m."#),
    (["--loud", "perhaps"], #"bad value for loud (from flag --loud): "perhaps": expected true or false."#),
    (["--secret", "pass"], "bad value for secret (from flag --secret): the value: expected a longer one."),
])
func `a wrong flag is named with what to do`(flags: [String], expected: String) {
    #expect(problems(flags) == [expected])
}

@Test(arguments: ["::1:80", "host", "host:", ":80", "host:65536", "[]:1"])
func `an address without host or port is refused`(text: String) {
    let expected = "expected HOST:PORT, such as 127.0.0.1:8080 or [::]:8080"
    #expect(problems(["--listen", text]) == [#"bad value for listen (from flag --listen): "\#(text)": \#(expected)."#])
}

@Test func `all problems are told at once, each with its source`() {
    let found = problems(["--nope"], environment: ["ROOST_COUNT": "x"], file: #"{"wiat": "1s", "loud": "maybe"}"#)

    #expect(
        found == [
            "unknown flag --nope. See --help for the flags.",
            "unknown key wiat (from file /etc/x.json). Remove it, or see --help for the keys.",
            #"bad value for count (from environment ROOST_COUNT): "x": expected a whole number from 1 to 9."#,
            #"bad value for loud (from file /etc/x.json, key loud): "maybe": expected true or false."#,
        ])
}

@Test(arguments: ["", "[]", "{", "7"])
func `a file that is not one object is refused`(text: String) {
    let found = problems([], file: text)

    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("/etc/x.json (from flag --config) is not one JSON object") == true)
}

@Test func `a required key must be given`() {
    let key = ConfigurationKey<String>(required: "name", "Who.", placeholder: "NAME") { $0 }

    #expect(throws: ConfigurationError(problems: ["name is not set. Give --name NAME, or ROOST_NAME."])) {
        try ServiceConfiguration(keys: [key], flags: [], environment: [:])
    }
}

@Test func `check validates without running`() throws {
    let good = try ServiceCommandLine(
        kind: "turn", summary: "", keys: Keys.all, arguments: ["--check", "--count", "4"], environment: [:])

    guard case .print(let text) = good else {
        Issue.record("--check must only print")
        return
    }
    #expect(text == "turn: the configuration is valid.\n")
    #expect(throws: ConfigurationError.self) {
        try ServiceCommandLine(
            kind: "turn", summary: "", keys: Keys.all, arguments: ["--check", "--count", "0"], environment: [:])
    }
}

@Test func `a program says which Roost it is`() throws {
    let line = try ServiceCommandLine(
        kind: "turn", summary: "", keys: Keys.all, arguments: ["--version"], environment: [:])
    guard case .print(let text) = line else {
        Issue.record("--version must only print")
        return
    }
    #expect(text == "turn \(RoostVersion.text)\n")
}

@Test func `help and table name every key`() throws {
    for arguments in [["--help"], ["--describe-keys"]] {
        let line = try ServiceCommandLine(
            kind: "turn", summary: "tests", keys: Keys.all, arguments: arguments, environment: [:])
        guard case .print(let text) = line else {
            Issue.record("\(arguments) must only print")
            continue
        }
        for key in Keys.all { #expect(text.contains(key.name) && text.contains(key.help)) }
    }
}

@Test func `a file that cannot be read is named`() {
    #expect(
        throws: ConfigurationError(problems: [
            "cannot read /nowhere/x.json (from flag --config). Check the path and permissions."
        ])
    ) {
        try ServiceCommandLine(
            kind: "turn", summary: "", keys: [], arguments: ["--config", "/nowhere/x.json"], environment: [:])
    }
}
