public import Bytes

/// A well-formed message, as a view of the bytes it came in. Nothing is copied or allocated.
///
/// It was checked whole: header, length, every attribute's bounds, and FINGERPRINT where there is one. Attributes that come
/// after MESSAGE-INTEGRITY are not seen (RFC 8489 §14.5), as nobody vouches for them. Of several of a kind the first counts.
public struct STUNMessage: ~Escapable {
    /// All bytes of the message.
    public let bytes: RawSpan
    /// Method, class and transaction.
    public let header: STUNHeader
    /// Where attributes end that count.
    let end: Int
    let integrityOffset: Int?
    let integritySHA256Offset: Int?
    let fingerprintOffset: Int?

    /// Whether the first bytes look like STUN, in the sense of RFC 7983 and with the magic cookie. Costs two loads.
    @inlinable
    public static func looksLikeSTUN(_ bytes: RawSpan) -> Bool {
        bytes.byteCount >= STUNHeader.byteCount && bytes.uint8(at: 0) < 4
            && bytes.uint32(at: 4) == STUNHeader.magicCookie
    }

    /// Checks the bytes of one datagram, or of one frame, which must hold exactly one message.
    @_lifetime(copy bytes)
    public init(parsing bytes: RawSpan) throws(STUNError) {
        guard STUNMessage.looksLikeSTUN(bytes) else { throw .notSTUN }
        let transaction = TransactionID(high: bytes.uint32(at: 8), low: bytes.uint64(at: 12))
        guard let header = STUNHeader(type: bytes.uint16(at: 0), transaction: transaction) else { throw .notSTUN }
        let stated = Int(bytes.uint16(at: 2))
        guard stated == bytes.byteCount - STUNHeader.byteCount, stated.isMultiple(of: 4) else {
            throw .wrongLength(stated: stated, actual: bytes.byteCount - STUNHeader.byteCount)
        }

        var offset = STUNHeader.byteCount
        var end = bytes.byteCount
        var integrity: Int?
        var integritySHA256: Int?
        var fingerprint: Int?
        while offset < bytes.byteCount {
            // The length is a multiple of four and so is each step: a type and a length are always there.
            let type = STUNAttributeType(rawValue: bytes.uint16(at: offset))
            let length = Int(bytes.uint16(at: offset + 2))
            let next = offset + 4 + (length + 3) & ~3
            guard next <= bytes.byteCount else { throw .cutAttribute(type) }
            switch type {
            case .messageIntegrity where integrity == nil && integritySHA256 == nil:
                guard length == 20 else { throw .malformed(type) }
                integrity = offset
                end = min(end, offset)
            case .messageIntegritySHA256 where integritySHA256 == nil:
                // RFC 8489 §14.6: may be cut to 16 bytes or more, in steps of four. Whether a cut one counts: see `verify`.
                guard (16...32).contains(length), length.isMultiple(of: 4) else { throw .malformed(type) }
                integritySHA256 = offset
                end = min(end, offset)
            case .fingerprint:
                guard length == 4, next == bytes.byteCount else { throw .wrongFingerprint }
                fingerprint = offset
                end = min(end, offset)
            default:
                break
            }
            offset = next
        }

        self.bytes = bytes
        self.header = header
        self.end = end
        integrityOffset = integrity
        integritySHA256Offset = integritySHA256
        fingerprintOffset = fingerprint
        if let fingerprint {
            let stated = bytes.uint32(at: fingerprint + 4)
            guard stated == CRC32.checksum(of: bytes, first: fingerprint) ^ STUNMessage.fingerprintMask else {
                throw .wrongFingerprint
            }
        }
    }

    /// "STUN": makes FINGERPRINT differ from a CRC that another protocol may carry (RFC 8489 §14.7).
    static let fingerprintMask: UInt32 = 0x5354_554e

    /// Whether it carries a (correct) FINGERPRINT.
    public var hasFingerprint: Bool { fingerprintOffset != nil }

    /// Whether it carries a MESSAGE-INTEGRITY of that kind, not yet compared with any key.
    public func hasIntegrity(_ kind: STUNIntegrity) -> Bool { integrityOffset(kind) != nil }

    func integrityOffset(_ kind: STUNIntegrity) -> Int? {
        switch kind {
        case .sha1: integrityOffset
        case .sha256: integritySHA256Offset
        }
    }

    /// The value of the first attribute of a kind; nil if there is none before the integrity.
    @_lifetime(copy self)
    public func value(of type: STUNAttributeType) -> RawSpan? {
        guard let range = valueRange(of: type) else { return nil }
        return bytes.extracting(range)
    }

    /// Where in `bytes` the value of the first attribute of a kind is.
    public func valueRange(of type: STUNAttributeType) -> Range<Int>? {
        var offset = STUNHeader.byteCount
        while offset < end {
            let length = Int(bytes.uint16(at: offset + 2))
            if bytes.uint16(at: offset) == type.rawValue { return (offset + 4)..<(offset + 4 + length) }
            offset += 4 + (length + 3) & ~3
        }
        return nil
    }

    /// Calls `body` with the kind of each attribute that counts, in order.
    public func forEachType(_ body: (STUNAttributeType) -> Void) {
        var offset = STUNHeader.byteCount
        while offset < end {
            body(STUNAttributeType(rawValue: bytes.uint16(at: offset)))
            offset += 4 + (Int(bytes.uint16(at: offset + 2)) + 3) & ~3
        }
    }

    /// The kinds that must be understood and that `isKnown` does not know: if any, a request is answered with 420, and
    /// anything else is dropped (RFC 8489 §6.3.1).
    public func unknownRequired(isKnown: (STUNAttributeType) -> Bool) -> STUNUnknownAttributes {
        var unknown = STUNUnknownAttributes()
        forEachType { type in
            if type.isComprehensionRequired, !isKnown(type) { unknown.insert(type) }
        }
        return unknown
    }
}

/// Attribute kinds that were not understood, without duplicates, in the order they came.
public struct STUNUnknownAttributes: Sendable {
    /// More are not listed: enough for any honest client, and an answer stays short.
    public static let limit = 16

    private var types = [16 of UInt16](repeating: 0)
    /// How many are listed.
    public private(set) var count = 0

    /// None.
    public init() {}

    /// Whether there are none.
    public var isEmpty: Bool { count == 0 }

    /// The kind at a position below `count`.
    public subscript(index: Int) -> STUNAttributeType {
        precondition(index < count, "only \(count) kinds are listed")
        return STUNAttributeType(rawValue: types[index])
    }

    /// Adds a kind, unless it is there already or the list is full.
    public mutating func insert(_ type: STUNAttributeType) {
        guard count < STUNUnknownAttributes.limit else { return }
        for index in 0..<count where types[index] == type.rawValue { return }
        types[count] = type.rawValue
        count += 1
    }

    /// Whether a kind is listed.
    public func contains(_ type: STUNAttributeType) -> Bool {
        for index in 0..<count where types[index] == type.rawValue { return true }
        return false
    }
}
