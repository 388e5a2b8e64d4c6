internal import Addresses

/// What is refused unless it is allowed by name: addresses that lead back into the server's own house, or to many at once.
enum RefusedRanges {
    /// Whether an address, or the IPv4 address inside of it, is refused.
    static func contains(_ address: IPAddress) -> Bool {
        guard address.family == .v6 else { return containsV4(UInt32(truncatingIfNeeded: address.low)) }
        if containsV6(address) { return true }
        return EmbeddedV4.first(in: address).map(containsV4) ?? false
            || EmbeddedV4.second(in: address).map(containsV4) ?? false
    }

    private static func containsV4(_ bits: UInt32) -> Bool {
        switch bits >> 24 {
        case 0: true  // 0.0.0.0/8: unspecified, this host (RFC 6890)
        case 10: true  // private (RFC 1918)
        case 100: bits >> 22 == 0x6440_0000 >> 22  // 100.64.0.0/10: shared (RFC 6598)
        case 127: true  // loopback
        case 169: bits >> 16 == 0xa9fe  // link-local (RFC 3927): clouds' metadata services
        case 172: bits >> 20 == 0xac1  // 172.16.0.0/12: private
        case 192:
            bits >> 16 == 0xc0a8  // 192.168.0.0/16: private
                || bits >> 8 == 0xc0_0002  // 192.0.2.0/24: documentation (RFC 5737)
        case 198: bits >> 8 == 0xc6_3364  // 198.51.100.0/24: documentation
        case 203: bits >> 8 == 0xcb_0071  // 203.0.113.0/24: documentation
        case 224...255: true  // multicast, reserved, broadcast
        default: false
        }
    }

    private static func containsV6(_ address: IPAddress) -> Bool {
        let (high, low) = (address.high, address.low)
        if high == 0, low <= 1 { return true }  // unspecified, loopback
        return high >> 57 == 0xfc >> 1  // fc00::/7: unique-local (RFC 4193)
            || high >> 54 == 0x3fa  // fe80::/10: link-local
            || high >> 54 == 0x3fb  // fec0::/10: site-local (RFC 3879)
            || high >> 56 == 0xff  // ff00::/8: multicast
            || high >> 32 == 0x2001_0db8  // 2001:db8::/32: documentation (RFC 3849)
            || high >> 44 == 0x3_fff0  // 3fff::/20: documentation (RFC 9637)
            // 64:ff9b:1::/48: NAT64 of one network alone (RFC 8215). Where in it the IPv4 address stands is the network's
            // own choice (RFC 6052 §2.2), so none of it can be judged.
            || high >> 16 == 0x0064_ff9b_0001
    }
}

/// The IPv4 addresses that stand inside of IPv6 ones: a gateway on the way would send there.
enum EmbeddedV4 {
    /// Of an IPv4-mapped, IPv4-compatible, 6to4, Teredo or NAT64 address.
    static func first(in address: IPAddress) -> UInt32? {
        let (high, low) = (address.high, address.low)
        if high == 0, low >> 32 == 0 || low >> 32 == 0xffff { return UInt32(truncatingIfNeeded: low) }
        // ::ffff:0:0:0/96 (RFC 2765): IPv4-translated, the third of the family.
        if high == 0, low >> 32 == 0xffff_0000 { return UInt32(truncatingIfNeeded: low) }
        if high >> 48 == 0x2002 { return UInt32(truncatingIfNeeded: high >> 16) }  // 6to4 (RFC 3056)
        if high >> 32 == 0x2001_0000 { return ~UInt32(truncatingIfNeeded: low) }  // Teredo's client (RFC 4380 §4)
        if high == 0x0064_ff9b_0000_0000, low >> 32 == 0 { return UInt32(truncatingIfNeeded: low) }  // NAT64 (RFC 6052)
        return nil
    }

    /// Teredo has two: this is its server.
    static func second(in address: IPAddress) -> UInt32? {
        address.high >> 32 == 0x2001_0000 ? UInt32(truncatingIfNeeded: address.high) : nil
    }
}
