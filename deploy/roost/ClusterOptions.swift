import ArgumentParser

/// How many of what, and where.
struct ClusterOptions: ParsableArguments {
    @Option(help: "How many registries.") var registries = 1
    @Option(help: "How many sfu-nodes.") var nodes = 2
    @Option(help: "How many turn servers.") var turns = 1
    @Option(help: "How many signals.") var signals = 1
    @Option(help: "HTTP port of the first signal, on localhost; the next ones take the following ports.") var httpPort =
        8080
    @Option(help: "HTTPS port of the first signal; the next ones take the following ports.") var httpsPort = 8443
    @Option(help: "STUN and TURN port of the first turn server; the next ones take the following ports.") var turnPort =
        3478
    @Option(
        help: "TURN over TLS of the first turn server, with --certificate; the next ones take the following ports.")
    var turnTlsPort = 5349
    @Option(
        help: "Media port of the first sfu-node, UDP and TCP; the next ones take the following ports. 0: any free ones."
    )
    var mediaPort = 0
    @Option(
        help: "Certificate chain (PEM) of pages and TURN over TLS; signal makes its own unless given, turn does not.")
    var certificate: String?
    @Option(help: "Private key (PEM) of the certificate.") var privateKey: String?
    @Option(help: "Folder for sockets, logs, state.json and made certificates.") var runDir = ".run"
    @Option(help: "URL of a Redis to use instead of a private one, such as redis://127.0.0.1:6379/0.")
    var externalRedis: String?
    @Option(help: "Folder of the built programs; that of roost itself unless given.") var programs: String?
    @Option(help: "Folder of the pages that signal serves.") var webRoot: String?
    @Option(help: "Log level of all services.") var logLevel = "info"

    func validate() throws {
        // 16 of a kind on one host is beyond what its cores can use, and the ports of a kind must not meet the next kind's.
        for (name, count, least) in [
            ("registries", registries, 1), ("nodes", nodes, 1), ("turns", turns, 0), ("signals", signals, 1),
        ] where !(least...16).contains(count) {
            throw ValidationError("--\(name) \(count): expected \(least) to 16.")
        }
        guard (certificate == nil) == (privateKey == nil) else {
            throw ValidationError("--certificate and --private-key belong together: give both or none.")
        }
        for (name, port, count) in [
            ("http-port", httpPort, signals), ("https-port", httpsPort, signals), ("turn-port", turnPort, turns),
            ("turn-tls-port", turnTlsPort, turns),
        ] where port < 1 || port + count - 1 > 65_535 {
            throw ValidationError("--\(name) \(port): expected a port from 1 on, with \(count) ports up to 65535.")
        }
    }
}
