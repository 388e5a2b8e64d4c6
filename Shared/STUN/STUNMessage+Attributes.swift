public import Addresses
internal import Bytes

// Each of these gives nil where the attribute is absent, and throws `.malformed` or `.tooLong` where it breaks its rules.

extension STUNMessage {
    /// MAPPED-ADDRESS (RFC 8489 §14.1).
    public func mappedAddress() throws(STUNError) -> Endpoint? { try address(.mappedAddress) }

    /// XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
    public func xorMappedAddress() throws(STUNError) -> Endpoint? { try xorAddress(.xorMappedAddress) }

    /// ALTERNATE-SERVER (RFC 8489 §14.15).
    public func alternateServer() throws(STUNError) -> Endpoint? { try address(.alternateServer) }

    /// An address in plain form.
    public func address(_ type: STUNAttributeType) throws(STUNError) -> Endpoint? {
        guard let value = value(of: type) else { return nil }
        return try STUNAddress.parse(value, of: type)
    }

    /// An address in the form of XOR-MAPPED-ADDRESS: also XOR-PEER-ADDRESS and XOR-RELAYED-ADDRESS of TURN.
    public func xorAddress(_ type: STUNAttributeType) throws(STUNError) -> Endpoint? {
        guard let value = value(of: type) else { return nil }
        return STUNAddress.xor(try STUNAddress.parse(value, of: type), header.transaction)
    }

    /// USERNAME, at most 508 bytes of UTF-8 (RFC 8489 §14.3: fewer than 509).
    @_lifetime(copy self)
    public func username() throws(STUNError) -> RawSpan? { try text(.username, limit: STUNLimits.username) }

    /// REALM (RFC 8489 §14.9).
    @_lifetime(copy self)
    public func realm() throws(STUNError) -> RawSpan? { try text(.realm, limit: STUNLimits.text) }

    /// NONCE (RFC 8489 §14.10).
    @_lifetime(copy self)
    public func nonce() throws(STUNError) -> RawSpan? { try text(.nonce, limit: STUNLimits.text) }

    /// SOFTWARE (RFC 8489 §14.14).
    @_lifetime(copy self)
    public func software() throws(STUNError) -> RawSpan? { try text(.software, limit: STUNLimits.text) }

    /// ALTERNATE-DOMAIN (RFC 8489 §14.16).
    @_lifetime(copy self)
    public func alternateDomain() throws(STUNError) -> RawSpan? { try text(.alternateDomain, limit: 255) }

    /// USERHASH, 32 bytes (RFC 8489 §14.4).
    @_lifetime(copy self)
    public func userhash() throws(STUNError) -> RawSpan? {
        guard let value = value(of: .userhash) else { return nil }
        guard value.byteCount == 32 else { throw .malformed(.userhash) }
        return value
    }

    /// The number of ERROR-CODE (RFC 8489 §14.8).
    public func errorCode() throws(STUNError) -> STUNErrorCode? {
        guard let value = value(of: .errorCode) else { return nil }
        guard value.byteCount >= 4 else { throw .malformed(.errorCode) }
        let hundreds = UInt16(value.uint8(at: 2) & 7)
        let units = UInt16(value.uint8(at: 3))
        guard (3...6).contains(hundreds), units < 100 else { throw .malformed(.errorCode) }
        return STUNErrorCode(rawValue: hundreds * 100 + units)
    }

    /// The text of ERROR-CODE, for people.
    @_lifetime(copy self)
    public func errorReason() throws(STUNError) -> RawSpan? {
        guard let value = value(of: .errorCode) else { return nil }
        guard value.byteCount >= 4 else { throw .malformed(.errorCode) }
        guard value.byteCount - 4 <= STUNLimits.text else { throw .tooLong(.errorCode) }
        return value.extracting(droppingFirst: 4)
    }

    /// UNKNOWN-ATTRIBUTES (RFC 8489 §14.13), at most as many as `STUNUnknownAttributes` lists.
    public func unknownAttributes() throws(STUNError) -> STUNUnknownAttributes? {
        guard let value = value(of: .unknownAttributes) else { return nil }
        guard value.byteCount.isMultiple(of: 2) else { throw .malformed(.unknownAttributes) }
        var unknown = STUNUnknownAttributes()
        for offset in stride(from: 0, to: value.byteCount, by: 2) {
            unknown.insert(STUNAttributeType(rawValue: value.uint16(at: offset)))
        }
        return unknown
    }

    /// PASSWORD-ALGORITHM (RFC 8489 §14.12).
    public func passwordAlgorithm() throws(STUNError) -> STUNPasswordAlgorithm? {
        guard let value = value(of: .passwordAlgorithm) else { return nil }
        let algorithms = try STUNMessage.algorithms(value, of: .passwordAlgorithm)
        guard algorithms.count == 1 else { throw .malformed(.passwordAlgorithm) }
        return algorithms[0]
    }

    /// PASSWORD-ALGORITHMS, most wanted first (RFC 8489 §14.11). Allocates.
    public func passwordAlgorithms() throws(STUNError) -> [STUNPasswordAlgorithm]? {
        guard let value = value(of: .passwordAlgorithms) else { return nil }
        return try STUNMessage.algorithms(value, of: .passwordAlgorithms)
    }

    /// A value that is one 32-bit number: PRIORITY, LIFETIME and the like.
    public func uint32(_ type: STUNAttributeType) throws(STUNError) -> UInt32? {
        guard let value = value(of: type) else { return nil }
        guard value.byteCount == 4 else { throw .malformed(type) }
        return value.uint32(at: 0)
    }

    /// A value that is one 64-bit number: ICE-CONTROLLED, ICE-CONTROLLING.
    public func uint64(_ type: STUNAttributeType) throws(STUNError) -> UInt64? {
        guard let value = value(of: type) else { return nil }
        guard value.byteCount == 8 else { throw .malformed(type) }
        return value.uint64(at: 0)
    }

    @_lifetime(copy self)
    private func text(_ type: STUNAttributeType, limit: Int) throws(STUNError) -> RawSpan? {
        guard let value = value(of: type) else { return nil }
        guard value.byteCount <= limit else { throw .tooLong(type) }
        return value
    }

    private static func algorithms(
        _ value: RawSpan, of type: STUNAttributeType
    ) throws(STUNError) -> [STUNPasswordAlgorithm] {
        var reader = ByteReader(value)
        var algorithms: [STUNPasswordAlgorithm] = []
        do throws(BytesError) {
            while reader.left > 0 {
                algorithms.append(STUNPasswordAlgorithm(rawValue: try reader.uint16()))
                let length = Int(try reader.uint16())
                // Parameters are padded to four bytes; neither algorithm of today has any.
                try reader.skip((length + 3) & ~3)
            }
        } catch {
            throw .malformed(type)
        }
        return algorithms
    }
}

/// Bounds of RFC 8489 §14.
enum STUNLimits {
    /// §14.3: fewer than 509 bytes.
    static let username = 508
    /// §14.8 to §14.14: fewer than 128 characters, which is at most 763 bytes.
    static let text = 763
}

/// The value of MAPPED-ADDRESS and its relatives.
enum STUNAddress {
    static func parse(_ value: RawSpan, of type: STUNAttributeType) throws(STUNError) -> Endpoint {
        guard value.byteCount >= 8 else { throw .malformed(type) }
        let port = value.uint16(at: 2)
        switch (value.uint8(at: 1), value.byteCount) {
        case (1, 8):
            return Endpoint(address: IPAddress(v4: value.uint32(at: 4)), port: port)
        case (2, 20):
            return Endpoint(address: IPAddress(v6High: value.uint64(at: 4), low: value.uint64(at: 12)), port: port)
        default:
            throw .malformed(type)
        }
    }

    /// Port and address, mixed with the cookie and the transaction id. Twice is once undone.
    static func xor(_ endpoint: Endpoint, _ transaction: TransactionID) -> Endpoint {
        let cookie = STUNHeader.magicCookie
        let port = endpoint.port ^ UInt16(cookie >> 16)
        if let bits = endpoint.address.v4Bits {
            return Endpoint(address: IPAddress(v4: bits ^ cookie), port: port)
        }
        let high = endpoint.address.high ^ (UInt64(cookie) << 32 | UInt64(transaction.high))
        return Endpoint(address: IPAddress(v6High: high, low: endpoint.address.low ^ transaction.low), port: port)
    }
}
