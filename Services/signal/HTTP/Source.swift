import Glibc
package import NIOCore

/// Where a connection comes from, as limits see it.
package enum Source {
    /// An IPv4 address, or the network of an IPv6 one: a host has all the addresses of its /64 (RFC 4291 §2.5.4).
    package static func of(_ address: SocketAddress?) -> String {
        guard let address else { return "unknown" }
        guard case .v6(let v6) = address, let text = address.ipAddress else { return address.ipAddress ?? "unknown" }
        let bytes = unsafe withUnsafeBytes(of: v6.address.sin6_addr) { unsafe Array($0) }
        let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        if isMapped, let v4 = text.split(separator: ":").last { return String(v4) }
        return bytes[..<8].map { String($0, radix: 16) }.joined(separator: ".")
    }
}
