public import Addresses

/// Addresses from one to another, of one family.
public struct AddressRange: Hashable, Sendable {
    /// The first.
    public let first: IPAddress
    /// The last, not before the first.
    public let last: IPAddress

    /// All addresses from `first` to `last`; nil if the families differ or the order is wrong.
    public init?(from first: IPAddress, to last: IPAddress) {
        guard first.family == last.family, (first.high, first.low) <= (last.high, last.low) else { return nil }
        self.first = first
        self.last = last
    }

    /// The block of `length` leading bits; nil if there are not so many. Bits behind them are ignored.
    public init?(_ address: IPAddress, length: Int) {
        switch address.family {
        case .v4:
            guard (0...32).contains(length) else { return nil }
            let mask = length == 0 ? 0 : UInt32.max << UInt32(32 - length)
            let bits = UInt32(truncatingIfNeeded: address.low)
            self.init(from: IPAddress(v4: bits & mask), to: IPAddress(v4: bits | ~mask))
        case .v6:
            guard (0...128).contains(length) else { return nil }
            let high = length == 0 ? 0 : length >= 64 ? UInt64.max : UInt64.max << UInt64(64 - length)
            let low = length <= 64 ? 0 : UInt64.max << UInt64(128 - length)
            self.init(
                from: IPAddress(v6High: address.high & high, low: address.low & low),
                to: IPAddress(v6High: address.high | ~high, low: address.low | ~low))
        }
    }

    /// Whether it holds an address. Zones are not looked at.
    public func contains(_ address: IPAddress) -> Bool {
        address.family == first.family && (first.high, first.low) <= (address.high, address.low)
            && (address.high, address.low) <= (last.high, last.low)
    }
}

extension AddressRange: LosslessStringConvertible, CustomStringConvertible {
    /// Parses `10.0.0.0/8`, `192.0.2.1`, and `192.0.2.1-192.0.2.9` as coturn has it; IPv6 alike. Nil for anything else.
    public init?(_ text: String) {
        if let dash = text.firstIndex(of: "-") {
            guard let first = IPAddress(String(text[..<dash])),
                let last = IPAddress(String(text[text.index(after: dash)...]))
            else { return nil }
            self.init(from: first, to: last)
        } else if let slash = text.firstIndex(of: "/") {
            let digits = text[text.index(after: slash)...]
            guard let address = IPAddress(String(text[..<slash])), (1...3).contains(digits.utf8.count),
                digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(digits)
            else { return nil }
            self.init(address, length: length)
        } else {
            guard let address = IPAddress(text) else { return nil }
            self.init(from: address, to: address)
        }
    }

    /// `192.0.2.0-192.0.2.255`.
    public var description: String { first == last ? "\(first)" : "\(first)-\(last)" }
}

/// Ports of one address: an exact peer, or an exact service.
public struct PeerRange: Hashable, Sendable {
    /// The address.
    public let address: IPAddress
    /// Its ports.
    public let ports: ClosedRange<UInt16>

    /// These ports of an address; all of them unless given.
    public init(address: IPAddress, ports: ClosedRange<UInt16> = 0...65_535) {
        self.address = address
        self.ports = ports
    }

    /// Whether it holds an endpoint.
    public func contains(_ endpoint: Endpoint) -> Bool {
        endpoint.address == address && ports.contains(endpoint.port)
    }
}
