/// How log lines look.
public enum LogFormat: String, CaseIterable, Sendable {
    /// A line to read.
    case human
    /// An object a line, for machines.
    case json
}

/// The least severe level that is written.
public enum LogLevel: String, CaseIterable, Sendable {
    /// Most talkative.
    case trace
    /// The story of each call.
    case debug
    /// Starts, stops and what an operator wants to know.
    case info
    /// Someone should look soon.
    case warning
    /// Someone must act now.
    case error
}

/// The keys that every service has.
public enum CommonKeys {
    /// The instance's name.
    public static let id: ConfigurationKey<String?> = .optionalName(
        "id", "Name of this instance, unique in its cluster; the service's kind with -1 unless given.")
    /// Where sockets and the admin address are written.
    public static let runFolder: ConfigurationKey<String> = .text(
        "run-dir", "Folder for sockets, process files and made certificates.", placeholder: "PATH",
        default: "/run/roost")
    /// Where the bus listens.
    public static let busListen: ConfigurationKey<[String]> = .busAddresses(
        "bus-listen", "Bus addresses to listen on; unix:RUN-DIR/ID.sock unless given.", placeholder: "unix:PATH,…")
    /// Where metrics and health are served.
    public static let adminListen: ConfigurationKey<HostPort> = .hostPort(
        "admin-listen",
        "Address of /metrics, /healthz and /readyz; port 0 takes a free one, written to RUN-DIR/ID.admin.",
        default: HostPort(host: "127.0.0.1", port: 0))
    /// How log lines look.
    public static let logFormat: ConfigurationKey<LogFormat> = .choice(
        "log-format", "Log lines to read, or one JSON object a line.", default: .human)
    /// Where log lines go.
    public static let logFile: ConfigurationKey<String?> = .optionalText(
        "log-file", "File for the log, opened anew on SIGHUP; standard error unless given.", placeholder: "PATH")
    /// The least severe level written.
    public static let logLevel: ConfigurationKey<LogLevel> = .choice(
        "log-level", "Least severe level to write.", default: .info)
    /// Where the instance stands.
    public static let region: ConfigurationKey<String> = .text(
        "region", "Where this instance stands; rooms are placed near their callers.", placeholder: "NAME",
        default: "default")
    /// How long a drain may take. 10 s: what must still be said is said in one or two; those who follow (a page's resume, a room's
    /// move) need 5 s at most; and supervisors kill after 30 s (systemd gives 90 s, compose.yaml 20 s).
    public static let drainTimeout: ConfigurationKey<Duration> = .duration(
        "drain-timeout", "Longest time from SIGTERM to the end; what is not done by then is cut.", default: .seconds(10)
    )

    /// All of them, in the order of the table.
    public static let all: [any AnyConfigurationKey] = [
        id, runFolder, busListen, adminListen, logFormat, logFile, logLevel, region, drainTimeout,
    ]
}
