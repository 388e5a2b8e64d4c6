import Glibc
import ServiceKit

/// What kind of process one is; the order is the order of starting, and ends in reverse.
enum Kind: String, CaseIterable, Sendable {
    case redis
    case registry
    case sfuNode = "sfu-node"
    case turn
    case signal
}

/// One process to run.
struct Program: Sendable {
    var id: String
    var kind: Kind
    var path: String
    var arguments: [String]
    /// What it will listen on, to be checked before anything starts.
    var ports: [Port] = []
}

/// A port that must be free.
struct Port: Sendable {
    enum Transport: String, Sendable { case tcp, udp }
    var transport: Transport
    var address: HostPort
    var flag: String
}

/// Everything that `roost up` will do, worked out from its flags.
struct Plan: Sendable {
    let runPath: String
    let socketPath: String
    /// The secret of TURN credentials, made where there is none.
    let secretPath: String
    let url: String
    let secureURL: String
    let programs: [Program]
    let webRoot: String
    /// Whether pages are served with a certificate that was given.
    let hasCertificate: Bool
    /// Given where Redis is someone else's.
    let externalRedis: String?

    init(options: ClusterOptions) throws(ServiceFailure) {
        let runPath = absolutePath(options.runDir)
        let socketPath = Self.socketFolder(for: runPath)
        let folder = options.programs.map(absolutePath) ?? Self.ownFolder()
        webRoot = options.webRoot.map(absolutePath) ?? Self.findWebRoot(from: folder)
        self.runPath = runPath
        self.socketPath = socketPath
        secretPath = "\(runPath)/\(Self.secretName)"
        externalRedis = options.externalRedis
        hasCertificate = options.certificate != nil
        url = "http://localhost:\(options.httpPort)"
        secureURL = "https://\(Self.outwardAddress() ?? "localhost"):\(options.httpsPort)"

        let redis = options.externalRedis ?? "unix://\(socketPath)/redis.sock"
        let registries = (1...options.registries).map { "unix:\(socketPath)/registry-\($0).sock" }.joined(
            separator: ",")
        func service(_ kind: Kind, _ id: String, _ more: [String], _ ports: [Port] = []) -> Program {
            var arguments = ["--id", id, "--run-dir", runPath, "--bus-listen", "unix:\(socketPath)/\(id).sock"]
            arguments += ["--log-file", "\(runPath)/\(id).log", "--log-level", options.logLevel]
            // Nobody is there to take over on Ctrl-C, so a long drain would only keep the operator waiting.
            arguments += ["--drain-timeout", "3s"]
            return Program(
                id: id, kind: kind, path: "\(folder)/\(kind.rawValue)", arguments: arguments + more, ports: ports)
        }

        var programs: [Program] = []
        if options.externalRedis == nil {
            programs.append(
                Program(
                    id: "redis", kind: .redis, path: findOnPath("redis-server") ?? "redis-server",
                    arguments: [
                        "--port", "0", "--unixsocket", "\(socketPath)/redis.sock", "--unixsocketperm", "700", "--save",
                        "",
                        "--appendonly", "no", "--dir", runPath, "--daemonize", "no", "--loglevel", "notice",
                    ]))
        }
        // All the nodes there are (unless others share the Redis): placement begins when they are attached, not a lease later.
        let nodes = options.externalRedis == nil ? (1...options.nodes).map { "sfu-\($0)" } : []
        let expected = nodes.isEmpty ? [] : ["--expected-nodes", nodes.joined(separator: ",")]
        for number in 1...options.registries {
            programs.append(
                service(
                    .registry, "registry-\(number)",
                    ["--redis", redis, "--turn-secret-file", "\(runPath)/\(Self.secretName)"] + expected))
        }
        for number in 1...options.nodes {
            programs.append(
                service(.sfuNode, "sfu-\(number)", ["--registry", registries] + Self.mediaAddresses(options, number)))
        }
        let tls = options.certificate.map { ["--certificate", absolutePath($0)] } ?? []
        let key = options.privateKey.map { ["--private-key", absolutePath($0)] } ?? []
        for number in 1..<(options.turns + 1) {
            programs.append(
                service(
                    .turn, "turn-\(number)",
                    ["--registry", registries, "--secret-file", "\(runPath)/\(Self.secretName)"] + tls + key
                        + Self.turnAddresses(options, number), Self.turnPorts(options, number)))
        }
        for number in 1...options.signals {
            let http = HostPort(host: "127.0.0.1", port: options.httpPort + number - 1)
            let https = HostPort(host: "0.0.0.0", port: options.httpsPort + number - 1)
            programs.append(
                service(
                    .signal, "signal-\(number)",
                    [
                        "--registry", registries, "--redis", redis, "--http-listen", "\(http)", "--https-listen",
                        "\(https)",
                        "--web-root", webRoot,
                    ] + tls + key,
                    [
                        Port(transport: .tcp, address: http, flag: "http-port"),
                        Port(transport: .tcp, address: https, flag: "https-port"),
                    ]))
        }
        self.programs = programs
    }

    static let secretName = "turn-secret"

    /// Where a node takes media, and what clients are told: this host as others see it, and as itself does.
    private static func mediaAddresses(_ options: ClusterOptions, _ number: Int) -> [String] {
        let port = options.mediaPort == 0 ? 0 : options.mediaPort + number - 1
        let hosts = (outwardAddress().map { [$0] } ?? []) + ["127.0.0.1"]
        // Of IPv6 the node announces what the host has. Where the kernel has none, [::] could not be bound.
        let everywhere = ["0.0.0.0:\(port)"] + (hasIPv6 ? ["[::]:\(port)"] : [])
        return ["--media-listen", everywhere.joined(separator: ","), "--media-address", hosts.joined(separator: ",")]
    }

    /// Where a turn server listens, and what clients are told: this host as itself sees it, and as others do.
    private static func turnAddresses(_ options: ClusterOptions, _ number: Int) -> [String] {
        let (port, tlsPort) = (options.turnPort + number - 1, options.turnTlsPort + number - 1)
        let isSecure = options.certificate != nil
        let hosts = ["127.0.0.1"] + (outwardAddress().map { [$0] } ?? [])
        // Firefox does not try TLS to an address; elsewhere than here, that takes a name that only the operator knows.
        let urls = hosts.flatMap { host in
            ["stun:\(host):\(port)", "turn:\(host):\(port)?transport=udp", "turn:\(host):\(port)?transport=tcp"]
                + (isSecure ? ["turns:\(host == "127.0.0.1" ? "localhost" : host):\(tlsPort)?transport=tcp"] : [])
        }
        let everywhere = "0.0.0.0:\(port),[::]:\(port)"
        return [
            "--listen", everywhere, "--tcp-listen", everywhere, "--tls-listen",
            isSecure ? "0.0.0.0:\(tlsPort),[::]:\(tlsPort)" : "none", "--advertise", urls.joined(separator: ","),
        ] + relayPorts(options, number)
    }

    /// Of several turn servers on one host each has a share of the usual ports: a server knows its own relays port by port, and
    /// lets nobody reach what else is in its range, a sibling's relays among it.
    private static func relayPorts(_ options: ClusterOptions, _ number: Int) -> [String] {
        guard options.turns > 1 else { return [] }
        let share = (65_536 - 49_152) / options.turns
        let first = 49_152 + (number - 1) * share
        return ["--relay-ports", "\(first)-\(first + share - 1)"]
    }

    private static func turnPorts(_ options: ClusterOptions, _ number: Int) -> [Port] {
        let address = HostPort(host: "0.0.0.0", port: options.turnPort + number - 1)
        let tls = HostPort(host: "0.0.0.0", port: options.turnTlsPort + number - 1)
        return [
            Port(transport: .udp, address: address, flag: "turn-port"),
            Port(transport: .tcp, address: address, flag: "turn-port"),
        ] + (options.certificate == nil ? [] : [Port(transport: .tcp, address: tls, flag: "turn-tls-port")])
    }

    /// The run folder, or a short one beside it in /tmp: a Unix socket's path has at most 107 bytes.
    static func socketFolder(for runPath: String) -> String {
        // The longest name here is registry-16.sock, with a slash 17 bytes; 100 leaves services room for temporary names.
        if runPath.utf8.count + 17 <= 100 { return runPath }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in runPath.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return "/tmp/roost-\(getuid())-\(String(hash, radix: 36))"
    }

    private static func ownFolder() -> String {
        let path = readLink("/proc/self/exe") ?? "roost"
        return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    /// Pages lie beside installed programs (`share/roost/web`), or in the repository that `.build/…/release` belongs to.
    private static func findWebRoot(from folder: String) -> String {
        let candidates = [
            "\(folder)/../share/roost/web", "\(folder)/../../../Services/signal/Web",
            "\(folder)/../../Services/signal/Web",
        ]
        let found = candidates.first { unsafe access($0, R_OK) == 0 } ?? candidates[1]
        guard let resolved = unsafe realpath(found, nil) else { return found }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    /// Whether the kernel speaks IPv6: then loopback has an address at least.
    private static var hasIPv6: Bool {
        guard let file = unsafe fopen("/proc/net/if_inet6", "r") else { return false }
        defer { unsafe fclose(file) }
        return unsafe fgetc(file) != EOF
    }

    /// This host's address towards others; nil without a network. Nothing is sent: connecting a UDP socket only picks a route.
    private static func outwardAddress() -> String? {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // 192.0.2.1 is reserved for documentation (RFC 5737), so it takes the default route.
        guard Sockets.connect(descriptor, to: HostPort(host: "192.0.2.1", port: 9)) else { return nil }
        return Sockets.localAddress(of: descriptor)
    }
}
