public import Addresses
internal import Glibc
public import ServiceKit
public import TURNServer

/// Where the cluster's own services are, as peers would be named.
public enum ServiceAddresses {
    /// The addresses that a place stands for: those of a name, and of a wildcard each of the host's. Throws for a name that has
    /// none: to go on would leave the service open.
    public static func ranges(of place: HostPort, host: [IPAddress]) throws(ServiceFailure) -> [PeerRange] {
        guard let port = UInt16(exactly: place.port), port > 0 else { return [] }
        return try addresses(of: place, host: host).map { PeerRange(address: $0, ports: port...port) }
    }

    private static func addresses(of place: HostPort, host: [IPAddress]) throws(ServiceFailure) -> [IPAddress] {
        guard let address = IPAddress(place.host) else { return try resolve(place) }
        guard address.isUnspecified else { return [address] }
        let v4 = host.filter { $0.family == .v4 } + [IPAddress(v4: 0x7f00_0001)]
        if address.family == .v4 { return v4 }
        // Such a socket may take IPv4, too.
        return host.filter { $0.family == .v6 } + [IPAddress(v6High: 0, low: 1)] + v4
    }

    /// Blocks for as long as the resolver takes: at the start only.
    private static func resolve(_ place: HostPort) throws(ServiceFailure) -> [IPAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let result = unsafe getaddrinfo(place.host, nil, &hints, &found)
        defer { if let found = unsafe found { unsafe freeaddrinfo(found) } }
        var addresses: [IPAddress] = []
        var next = unsafe found
        while let entry = unsafe next {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if unsafe getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
                == 0
            {
                let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
                if let address = IPAddress(String(decoding: bytes, as: UTF8.self)) { addresses.append(address) }
            }
            unsafe next = entry.pointee.ai_next
        }
        guard result == 0, !addresses.isEmpty else {
            throw ServiceFailure(
                "turn: \(place.host) has no address, so it cannot be kept from clients. Check --service-address and "
                    + "--admin-listen, or write addresses there.")
        }
        return addresses
    }
}
