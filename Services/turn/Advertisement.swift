public import Addresses
public import TURNServer

/// The ICE URLs that clients are given for this server.
public struct Advertisement: Sendable {
    /// Where UDP is served.
    public var udp: [Endpoint] = []
    /// Where TCP is served.
    public var tcp: [Endpoint] = []
    /// Where TLS is served; its certificate names hosts, so that URLs with addresses suit tests more than users.
    public var tls: [Endpoint] = []
    /// What a 1:1 NAT makes of the host's addresses.
    public var external: [ExternalAddress] = []
    /// Whether there are credentials: without them only `stun:` URLs make sense.
    public var hasCredentials = false

    /// Nothing to say yet.
    public init() {}

    /// Addresses of a family for each transport: more would only lengthen the browsers' gathering, which asks each.
    static let limit = 2

    /// The URLs; `stun:` first, then `turn:` by UDP, by TCP, and `turns:`.
    ///
    /// - Parameters:
    ///   - advertised: whole URLs, which are then all that clients get; or `HOST:PORT`, the place of UDP: TCP and TLS are then at
    ///     the same hosts, at the ports that they are served at.
    ///   - host: the host's own addresses, which a wildcard stands for beside loopback; link-local ones are left out, as
    ///     these need a zone, which no URL has.
    public func urls(advertised: [String], host: [IPAddress]) -> [String] {
        let whole = advertised.filter { Self.isURL($0) }
        if !whole.isEmpty { return whole }
        let places = advertised.compactMap { Self.place($0) }
        let hosts = places.map(\.host)
        let udpPlaces =
            places.isEmpty
            ? reachable(udp, host).map(\.description) : Self.first(places.map { "\($0.host):\($0.port)" })
        var urls = udpPlaces.map { "stun:\($0)" }
        guard hasCredentials else { return urls }
        urls += udpPlaces.map { "turn:\($0)?transport=udp" }
        let tcpPlaces = hosts.isEmpty ? reachable(tcp, host).map(\.description) : Self.places(hosts, tcp)
        urls += tcpPlaces.map { "turn:\($0)?transport=tcp" }
        let tlsPlaces = hosts.isEmpty ? reachable(tls, host).map(Self.named) : Self.places(hosts, tls)
        urls += tlsPlaces.map { "turns:\($0)?transport=tcp" }
        return urls
    }

    /// Whether an item of `--advertise` is a whole URL.
    static func isURL(_ item: String) -> Bool {
        ["stun:", "stuns:", "turn:", "turns:"].contains { item.hasPrefix($0) }
    }

    /// `HOST:PORT` taken apart, an IPv6 address in its brackets; nil for anything else.
    static func place(_ item: String) -> (host: String, port: UInt16)? {
        guard let colon = item.lastIndex(of: ":"), let port = UInt16(item[item.index(after: colon)...]), port > 0
        else { return nil }
        let host = item[..<colon]
        if host.contains(":") { guard Endpoint(item) != nil else { return nil } }
        let isPlain = host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"/?#@,".utf8.contains($0) }
        return host.isEmpty || !isPlain ? nil : (String(host), port)
    }

    /// Each host with each port that is served.
    private static func places(_ hosts: [String], _ bound: [Endpoint]) -> [String] {
        var ports: [UInt16] = []
        for endpoint in bound where !ports.contains(endpoint.port) { ports.append(endpoint.port) }
        return first(hosts.flatMap { host in ports.map { "\(host):\($0)" } })
    }

    /// The first places, each once: a name may stand for both families.
    private static func first(_ places: [String]) -> [String] {
        var unique: [String] = []
        for place in places where !unique.contains(place) { unique.append(place) }
        return Array(unique.prefix(limit * 2))
    }

    /// A name where there is one without asking: Firefox (ESR 153) does not try TLS to an address, and says nothing.
    private static func named(_ endpoint: Endpoint) -> String {
        endpoint.address.isLoopback ? "localhost:\(endpoint.port)" : endpoint.description
    }

    /// Where clients find what is bound: outside a NAT that stands before it; loopback last, which serves this machine alone.
    private func reachable(_ bound: [Endpoint], _ host: [IPAddress]) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for endpoint in bound {
            guard endpoint.address.isUnspecified else {
                endpoints.append(outside(endpoint))
                continue
            }
            let family = endpoint.address.family
            var addresses = host.filter { $0.family == family && !$0.isLinkLocal }
            if family == .v4 { addresses.append(IPAddress(v4: 0x7f00_0001)) }
            endpoints += addresses.map { outside(Endpoint(address: $0, port: endpoint.port)) }
        }
        var chosen: [Endpoint] = []
        for endpoint in endpoints.filter({ !$0.address.isLoopback }) + endpoints.filter(\.address.isLoopback) {
            let family = endpoint.address.family
            guard !chosen.contains(endpoint), chosen.count(where: { $0.address.family == family }) < Self.limit else {
                continue
            }
            chosen.append(endpoint)
        }
        return chosen
    }

    private func outside(_ endpoint: Endpoint) -> Endpoint {
        let address = external.first { $0.local == endpoint.address }?.advertised
        return Endpoint(address: address ?? endpoint.address, port: endpoint.port)
    }
}
