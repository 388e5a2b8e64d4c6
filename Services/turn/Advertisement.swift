public import Addresses

/// The ICE URLs that clients are given for this server.
public struct Advertisement: Sendable {
    /// Where UDP is served.
    public var udp: [Endpoint] = []
    /// Where TCP is served.
    public var tcp: [Endpoint] = []
    /// Where TLS is served; its certificate names hosts, so that URLs with addresses suit tests more than users.
    public var tls: [Endpoint] = []
    /// Whether there are credentials: without them only `stun:` URLs make sense.
    public var hasCredentials = false

    /// Nothing to say yet.
    public init() {}

    /// Addresses for each transport: more would only lengthen the browsers' gathering, which asks each.
    static let limit = 2

    /// The URLs; `stun:` first, then `turn:` by UDP, by TCP, and `turns:`.
    ///
    /// - Parameters:
    ///   - advertised: whole URLs, which are then all that clients get, or `HOST:PORT` in place of the UDP addresses.
    ///   - host: the host's own addresses, which a wildcard stands for beside loopback; link-local ones are left out, as
    ///     these need a zone, which no URL has.
    public func urls(advertised: [String], host: [IPAddress]) -> [String] {
        let whole = advertised.filter { Self.isURL($0) }
        if !whole.isEmpty { return whole }
        let places =
            advertised.isEmpty ? Self.reachable(udp, host).map(\.description) : Array(advertised.prefix(Self.limit))
        var urls = places.map { "stun:\($0)" }
        guard hasCredentials else { return urls }
        urls += places.map { "turn:\($0)?transport=udp" }
        urls += Self.reachable(tcp, host).map { "turn:\($0)?transport=tcp" }
        urls += Self.reachable(tls, host).map { "turns:\(Self.named($0))?transport=tcp" }
        return urls
    }

    /// Whether an item of `--advertise` is a whole URL.
    static func isURL(_ item: String) -> Bool {
        ["stun:", "stuns:", "turn:", "turns:"].contains { item.hasPrefix($0) }
    }

    /// A name where there is one without asking: Firefox (ESR 153) does not try TLS to an address, and says nothing.
    private static func named(_ endpoint: Endpoint) -> String {
        endpoint.address.isLoopback ? "localhost:\(endpoint.port)" : endpoint.description
    }

    private static func reachable(_ bound: [Endpoint], _ host: [IPAddress]) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for endpoint in bound {
            guard endpoint.address.isUnspecified else {
                endpoints.append(endpoint)
                continue
            }
            let family = endpoint.address.family
            var addresses = host.filter { $0.family == family && !$0.isLinkLocal }
            if family == .v4 { addresses.insert(IPAddress(v4: 0x7f00_0001), at: 0) }
            endpoints += addresses.map { Endpoint(address: $0, port: endpoint.port) }
        }
        return Array(endpoints.prefix(limit))
    }
}
