/// An IPv4 or IPv6 address.
///
/// A small value without references: it is compared, hashed and kept in tables for each flow.
public struct IPAddress: Hashable, Sendable {
    /// The two families of addresses.
    public enum Family: UInt8, Sendable {
        /// 32 bits.
        case v4 = 4
        /// 128 bits.
        case v6 = 6
    }

    /// Which of the two it is.
    public let family: Family
    /// The interface of an IPv6 link-local address, where the kernel told it; else 0. Not part of any wire format.
    public let zone: UInt32
    /// The first eight bytes of an IPv6 address; 0 for IPv4.
    public let high: UInt64
    /// The last eight bytes of an IPv6 address, or the four of an IPv4 address.
    public let low: UInt64

    /// The IPv4 address whose four bytes, read big-endian, are `bits`.
    @inlinable
    public init(v4 bits: UInt32) {
        family = .v4
        zone = 0
        high = 0
        low = UInt64(bits)
    }

    /// The IPv6 address whose sixteen bytes, read big-endian, are `high` and `low`.
    @inlinable
    public init(v6High high: UInt64, low: UInt64, zone: UInt32 = 0) {
        family = .v6
        self.zone = zone
        self.high = high
        self.low = low
    }

    /// The four bytes of an IPv4 address as a number; nil for IPv6.
    @inlinable public var v4Bits: UInt32? { family == .v4 ? UInt32(truncatingIfNeeded: low) : nil }

    /// `0.0.0.0` or `::`: as a listening address, all addresses of the host.
    public var isUnspecified: Bool { high == 0 && low == 0 }

    /// `127.0.0.0/8` or `::1`.
    public var isLoopback: Bool {
        switch family {
        case .v4: low >> 24 == 127
        case .v6: high == 0 && low == 1
        }
    }

    /// `169.254.0.0/16` or `fe80::/10`.
    public var isLinkLocal: Bool {
        switch family {
        case .v4: low >> 16 == 0xa9fe
        case .v6: high >> 54 == 0x3fa
        }
    }

    /// `224.0.0.0/4` or `ff00::/8`: never the source of an honest packet.
    public var isMulticast: Bool {
        switch family {
        case .v4: low >> 28 == 0xe
        case .v6: high >> 56 == 0xff
        }
    }

    /// `255.255.255.255`.
    public var isBroadcast: Bool { family == .v4 && low == 0xffff_ffff }

    /// `::ffff:0:0/96`, an IPv4 address in IPv6 clothes.
    public var isV4Mapped: Bool { family == .v6 && high == 0 && low >> 32 == 0xffff }
}
