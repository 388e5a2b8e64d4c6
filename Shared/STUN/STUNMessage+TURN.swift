public import Addresses
internal import Bytes

// The attributes of RFC 8656 §18. As with those of STUN: nil where absent, `.malformed` where one breaks its rules.

extension STUNMessage {
    /// CHANNEL-NUMBER, whatever its range (RFC 8656 §18.1).
    public func channelNumber() throws(STUNError) -> UInt16? {
        guard let value = try fixed(.channelNumber, 4) else { return nil }
        return value.uint16(at: 0)
    }

    /// LIFETIME in seconds (RFC 8656 §18.2).
    public func lifetime() throws(STUNError) -> UInt32? { try uint32(.lifetime) }

    /// XOR-PEER-ADDRESS, the first of them (RFC 8656 §18.3).
    public func xorPeerAddress() throws(STUNError) -> Endpoint? { try xorAddress(.xorPeerAddress) }

    /// Calls `body` with each XOR-PEER-ADDRESS, in order: a CreatePermission may name several.
    public func forEachPeerAddress(_ body: (Endpoint) -> Void) throws(STUNError) {
        var cursor = STUNHeader.byteCount
        while let value = nextValue(of: .xorPeerAddress, after: &cursor) {
            body(STUNAddress.xor(try STUNAddress.parse(value, of: .xorPeerAddress), header.transaction))
        }
    }

    /// XOR-RELAYED-ADDRESS, the first of them (RFC 8656 §18.5).
    public func xorRelayedAddress() throws(STUNError) -> Endpoint? { try xorAddress(.xorRelayedAddress) }

    /// Calls `body` with each XOR-RELAYED-ADDRESS, in order: a double allocation has two.
    public func forEachRelayedAddress(_ body: (Endpoint) -> Void) throws(STUNError) {
        var cursor = STUNHeader.byteCount
        while let value = nextValue(of: .xorRelayedAddress, after: &cursor) {
            body(STUNAddress.xor(try STUNAddress.parse(value, of: .xorRelayedAddress), header.transaction))
        }
    }

    /// Where the value of DATA is in `bytes` (RFC 8656 §18.4).
    public func dataRange() -> Range<Int>? { valueRange(of: .data) }

    /// REQUESTED-ADDRESS-FAMILY (RFC 8656 §18.6). A family that nobody knows is `.malformed`; ask `familyNumber` for it.
    public func requestedAddressFamily() throws(STUNError) -> IPAddress.Family? {
        try family(.requestedAddressFamily)
    }

    /// ADDITIONAL-ADDRESS-FAMILY (RFC 8656 §18.11).
    public func additionalAddressFamily() throws(STUNError) -> IPAddress.Family? {
        try family(.additionalAddressFamily)
    }

    /// The number in an attribute that names a family: 1 is IPv4, 2 is IPv6, others are to be refused with 440.
    public func familyNumber(_ type: STUNAttributeType) throws(STUNError) -> UInt8? {
        guard let value = try fixed(type, 4) else { return nil }
        return value.uint8(at: 0)
    }

    /// EVEN-PORT: whether the next port is to be kept, too (RFC 8656 §18.7).
    public func evenPort() throws(STUNError) -> Bool? {
        guard let value = try fixed(.evenPort, 1) else { return nil }
        return value.uint8(at: 0) & 0x80 != 0
    }

    /// REQUESTED-TRANSPORT (RFC 8656 §18.8).
    public func requestedTransport() throws(STUNError) -> TURNTransport? {
        guard let value = try fixed(.requestedTransport, 4) else { return nil }
        return TURNTransport(rawValue: value.uint8(at: 0))
    }

    /// Whether DONT-FRAGMENT is there (RFC 8656 §18.9).
    public func dontFragment() throws(STUNError) -> Bool { try fixed(.dontFragment, 0) != nil }

    /// RESERVATION-TOKEN (RFC 8656 §18.10).
    public func reservationToken() throws(STUNError) -> UInt64? { try uint64(.reservationToken) }

    /// ADDRESS-ERROR-CODE (RFC 8656 §18.12).
    public func addressErrorCode() throws(STUNError) -> (family: IPAddress.Family, code: STUNErrorCode)? {
        guard let value = value(of: .addressErrorCode) else { return nil }
        guard value.byteCount >= 4 else { throw .malformed(.addressErrorCode) }
        let hundreds = UInt16(value.uint8(at: 2) & 7)
        let units = UInt16(value.uint8(at: 3))
        guard (3...6).contains(hundreds), units < 100 else { throw .malformed(.addressErrorCode) }
        let family = try STUNAddress.family(value.uint8(at: 0), of: .addressErrorCode)
        return (family, STUNErrorCode(rawValue: hundreds * 100 + units))
    }

    /// ICMP: type, code and four bytes of the error, the MTU where a packet was too big (RFC 8656 §18.13).
    public func icmp() throws(STUNError) -> (type: UInt8, code: UInt16, data: UInt32)? {
        guard let value = try fixed(.icmp, 8) else { return nil }
        let typeAndCode = value.uint16(at: 2)
        return (UInt8(truncatingIfNeeded: typeAndCode >> 9), typeAndCode & 0x1ff, value.uint32(at: 4))
    }

    private func family(_ type: STUNAttributeType) throws(STUNError) -> IPAddress.Family? {
        guard let number = try familyNumber(type) else { return nil }
        return try STUNAddress.family(number, of: type)
    }

    @_lifetime(copy self)
    private func fixed(_ type: STUNAttributeType, _ count: Int) throws(STUNError) -> RawSpan? {
        guard let value = value(of: type) else { return nil }
        guard value.byteCount == count else { throw .malformed(type) }
        return value
    }

    /// The value of the next attribute of a kind from `cursor` on, which it moves behind it.
    @_lifetime(copy self)
    private func nextValue(of type: STUNAttributeType, after cursor: inout Int) -> RawSpan? {
        while cursor < end {
            let start = cursor + 4
            let length = Int(bytes.uint16(at: cursor + 2))
            let found = bytes.uint16(at: cursor) == type.rawValue
            cursor = start + (length + 3) & ~3
            if found { return bytes.extracting(start..<(start + length)) }
        }
        return nil
    }
}

extension STUNAddress {
    /// 1 is IPv4 and 2 is IPv6, in each attribute that names a family.
    static func family(_ number: UInt8, of type: STUNAttributeType) throws(STUNError) -> IPAddress.Family {
        switch number {
        case 1: .v4
        case 2: .v6
        default: throw .malformed(type)
        }
    }
}
