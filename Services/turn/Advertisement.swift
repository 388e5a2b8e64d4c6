public import Addresses

/// The ICE URLs that clients are given for this server.
public enum Advertisement {
    /// More would only lengthen the browsers' gathering, which asks each.
    static let limit = 4

    /// URLs for `advertised` addresses, or else for where the server is bound.
    ///
    /// A wildcard address stands for loopback and the host's own addresses of that family, link-local ones left out: these
    /// need a zone, which no URL has.
    public static func urls(advertised: [String], bound: [Endpoint], host: [IPAddress]) -> [String] {
        if !advertised.isEmpty { return advertised.map { "stun:\($0)" } }
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
        return endpoints.prefix(limit).map { "stun:\($0)" }
    }
}
