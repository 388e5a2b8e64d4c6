internal import Addresses
internal import Attachment
public import ServiceKit
internal import TURNServer

/// The keys of a turn server beside the common ones. `docs/turn.md` sets them beside those of turnserver.conf.
public enum TurnKeys {
    /// Where UDP is served.
    public static let listen: ConfigurationKey<[String]> = endpoints(
        "listen", "UDP addresses to serve STUN and TURN at, IPv6 in brackets.",
        default: ["0.0.0.0:3478", "[::]:3478"])

    /// Where TCP is served.
    public static let tcpListen: ConfigurationKey<[String]> = endpoints(
        "tcp-listen", "TCP addresses to serve at; TLS is taken there too where there is a certificate.",
        default: ["0.0.0.0:3478", "[::]:3478"])

    /// Where TLS is served.
    public static let tlsListen: ConfigurationKey<[String]> = endpoints(
        "tls-listen", "TCP addresses to serve TLS at (443 passes most firewalls); plain TCP is taken there too.",
        default: ["0.0.0.0:5349", "[::]:5349"])

    /// The certificate of TLS.
    public static let certificate: ConfigurationKey<String?> = .optionalText(
        "certificate", "Certificate chain, PEM, read anew on SIGHUP; no TLS without it.", placeholder: "PATH")

    /// Its key.
    public static let privateKey: ConfigurationKey<String?> = .optionalText(
        "private-key", "Private key of the certificate, PEM.", placeholder: "PATH")

    /// What clients are told.
    public static let advertise: ConfigurationKey<[String]> = list(
        "advertise",
        "What clients are given: HOST:PORT of UDP (TCP and TLS: the same hosts, their own ports), or whole URLs (turn:…, turns:…, stun:…); made from the addresses unless given.",
        placeholder: "HOST:PORT|URL,…", default: [],
        expected: "expected HOST:PORT, such as turn.example.org:3478, or URLs that begin with stun:, turn: or turns:"
    ) { Advertisement.isURL($0) || Advertisement.place($0) != nil }

    /// Where registries are.
    public static var registry: ConfigurationKey<[String]> { AttachmentKeys.registryOrNone }

    /// Where relay addresses are.
    public static let relayAddress: ConfigurationKey<[String]> = addresses(
        "relay-address",
        "Addresses of this host to relay from, one a family; the listening ones, or the host's first, unless given."
    )

    /// The ports of relay addresses.
    public static let relayPorts: ConfigurationKey<ClosedRange<UInt16>> = ConfigurationKey(
        "relay-ports", "Ports of relay addresses.", placeholder: "FIRST-LAST", default: 49152...65535,
        shown: "49152-65535", parse: portRange)

    /// 1:1 NAT.
    public static let externalAddress: ConfigurationKey<[String]> = ConfigurationKey(
        "external-ip",
        "Behind a 1:1 NAT: the public address, or PUBLIC/PRIVATE for each relay address.", placeholder: "IP[/IP],…",
        default: [], shown: "", parse: externals)

    /// The realm.
    public static let realm: ConfigurationKey<String> = ConfigurationKey(
        "realm", "Realm of the credentials; static hashed users are bound to it.", placeholder: "NAME",
        default: "roost", shown: "roost"
    ) { text throws(ConfigurationProblem) in
        let realm = CredentialFiles.prepared(text)
        guard (1...48).contains(realm.utf8.count) else { throw ConfigurationProblem("expected 1 to 48 bytes") }
        return realm
    }

    /// Time-limited credentials.
    public static let secretFile: ConfigurationKey<String?> = .optionalText(
        "secret-file",
        "File of one or two secrets, a line each, that time-limited credentials may be signed with; read anew on SIGHUP.",
        placeholder: "PATH")

    /// Static users.
    public static let usersFile: ConfigurationKey<String?> = .optionalText(
        "users-file", "File of static users, NAME:PASSWORD or NAME:0xKEY a line; read anew on SIGHUP.",
        placeholder: "PATH")

    /// Peers let in beside the public ones.
    public static let allowPeer: ConfigurationKey<[String]> = networks(
        "allow-peer", "Networks that may be relayed to though they are private, loopback or otherwise refused.")

    /// Peers kept out.
    public static let denyPeer: ConfigurationKey<[String]> = networks(
        "deny-peer", "Networks that are never relayed to, whatever --allow-peer says.")

    /// The cluster's own.
    public static let serviceAddress: ConfigurationKey<[String]> = list(
        "service-address",
        "The cluster's own services on networks that clients may be relayed to (Redis, admin addresses): never relayed to, unless --allow-peer has them.",
        placeholder: "HOST:PORT,…", default: [],
        expected: "expected HOST:PORT, such as redis.example.org:6379, with commas between them"
    ) { item in (try? HostPort(parsing: item)).map { $0.port > 0 } ?? false }

    /// Allocations of one user.
    public static let userQuota: ConfigurationKey<Int> = .number(
        "user-quota", "Allocations at most of one user on all turn servers together; 0: no bound.", in: 0...1_000_000,
        default: 0)

    /// Allocations in all.
    public static let totalQuota: ConfigurationKey<Int> = .number(
        "total-quota",
        "Allocations at most on this server; 0: no bound but the relay ports, and 20,000 a worker in any case.",
        in: 0...1_000_000, default: 0)

    /// Bandwidth of one user.
    public static let userBandwidth: ConfigurationKey<Int> = .number(
        "user-bandwidth", "Bits a second that one user may relay in each direction; 0: no bound.",
        in: 0...1_000_000_000_000, default: 0)

    /// Bandwidth in all.
    public static let totalBandwidth: ConfigurationKey<Int> = .number(
        "total-bandwidth", "Bits a second that this server relays in each direction; 0: no bound.",
        in: 0...1_000_000_000_000, default: 0)

    /// The longest lifetime.
    public static let maxLifetime: ConfigurationKey<Duration> = .duration(
        "max-lifetime", "Longest time an allocation is given at once; clients refresh it.",
        in: .seconds(1) ... .seconds(604_800), default: .seconds(3600))

    /// How long a nonce is good.
    public static let nonceAge: ConfigurationKey<Duration> = .duration(
        "nonce-age", "How long a nonce is taken; then clients are given a new one.",
        in: .seconds(1) ... .seconds(86_400), default: .seconds(3600))

    /// How many loops.
    public static let workers: ConfigurationKey<Int> = .number(
        "workers", "Threads that serve, each with its own socket on every address.", in: 1...64, default: 1)

    /// How far wake-ups are apart.
    public static let pace: ConfigurationKey<Int> = .number(
        "pace",
        "Microseconds between a worker's wake-ups at least while packets come faster than that: less CPU, and as much more delay; 0: none.",
        in: 0...10_000, default: 200)

    /// How much a network may ask without credentials.
    public static let rate: ConfigurationKey<Int> = .number(
        "stun-rate",
        "Answers a second to requests without credentials of one network (/24, or /48 for IPv6), twice as many in a burst; its address may be forged.",
        in: 1...1_000_000, default: 1_000)

    /// Streams in all.
    public static let maxConnections: ConfigurationKey<Int> = .number(
        "max-connections", "TCP and TLS connections at most, over all workers.", in: 1...1_000_000, default: 20_000)

    /// Streams of one address.
    public static let connectionsPerAddress: ConfigurationKey<Int> = .number(
        "connections-per-address", "TCP and TLS connections at most from one address, at each worker.",
        in: 1...1_000_000, default: 200)

    /// When a drain is over.
    public static let drainFloor: ConfigurationKey<Int> = .number(
        "drain-floor", "A drain ends once so few allocations are left; --drain-timeout ends it anyway.",
        in: 0...1_000_000, default: 0)

    /// All of them, in the order of the table.
    public static let all: [any AnyConfigurationKey] = [
        listen, tcpListen, tlsListen, certificate, privateKey, advertise, registry, relayAddress,
        relayPorts, externalAddress, realm, secretFile, usersFile, allowPeer, denyPeer, serviceAddress, userQuota,
        totalQuota,
        userBandwidth, totalBandwidth, maxLifetime, nonceAge, workers, pace, rate, maxConnections,
        connectionsPerAddress,
        drainFloor,
    ]
}

extension TurnKeys {
    private static func endpoints(_ name: String, _ help: String, default value: [String])
        -> ConfigurationKey<[String]>
    {
        list(
            name, help, placeholder: "ADDRESS:PORT,…", default: value,
            expected: "expected addresses such as 0.0.0.0:3478 or [::]:3478, with commas between them, or none"
        ) { Endpoint($0) != nil }
    }

    private static func addresses(_ name: String, _ help: String) -> ConfigurationKey<[String]> {
        list(
            name, help, placeholder: "ADDRESS,…", default: [],
            expected: "expected addresses of this host, such as 192.0.2.1 or 2001:db8::1, with commas between them"
        ) { IPAddress($0).map { !$0.isUnspecified } ?? false }
    }

    private static func networks(_ name: String, _ help: String) -> ConfigurationKey<[String]> {
        list(
            name, help, placeholder: "CIDR,…", default: [],
            expected: "expected networks such as 10.0.0.0/8 or fd00::/8, addresses or ranges, with commas between them"
        ) { AddressRange($0) != nil }
    }

    /// A list whose items all pass `isGood`. `none` is the empty one: it turns a default off.
    private static func list(
        _ name: String, _ help: String, placeholder: String, default value: [String], expected: String,
        _ isGood: @escaping @Sendable (String) -> Bool
    ) -> ConfigurationKey<[String]> {
        ConfigurationKey(
            name, help, placeholder: placeholder, default: value, shown: value.joined(separator: ",")
        ) { text throws(ConfigurationProblem) in
            let items = items(text)
            guard items.allSatisfy(isGood) else { throw ConfigurationProblem(expected) }
            return items
        }
    }

    private static func items(_ text: String) -> [String] {
        let items = text.split(separator: ",").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
        return items == ["none"] ? [] : items
    }

    @Sendable
    private static func portRange(_ text: String) throws(ConfigurationProblem) -> ClosedRange<UInt16> {
        let parts = text.split(separator: "-").map { UInt16($0.filter { $0 != " " }) }
        guard parts.count == 2, let first = parts[0], let last = parts[1], first >= 1024, first < last else {
            throw ConfigurationProblem("expected two ports from 1024 on, such as 49152-65535")
        }
        return first...last
    }

    @Sendable
    private static func externals(_ text: String) throws(ConfigurationProblem) -> [String] {
        let items = items(text)
        let good = items.allSatisfy { item in
            let parts = item.split(separator: "/", omittingEmptySubsequences: false).map { IPAddress(String($0)) }
            guard let first = parts[0] else { return false }
            guard parts.count == 2 else { return parts.count == 1 }
            return parts[1]?.family == first.family
        }
        guard good else {
            throw ConfigurationProblem("expected PUBLIC or PUBLIC/PRIVATE, such as 198.51.100.7/10.0.0.7")
        }
        return items
    }
}
