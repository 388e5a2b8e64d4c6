/// The kind of an attribute (RFC 8489 §14 and §18.3). Kinds below 0x8000 must be understood, or the message is refused.
public struct STUNAttributeType: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt16

    /// The kind of a number.
    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Whether who does not know it must not process the message.
    @inlinable public var isComprehensionRequired: Bool { rawValue < 0x8000 }

    /// The reflexive address in plain form, for clients of RFC 3489.
    public static let mappedAddress = STUNAttributeType(rawValue: 0x0001)
    /// RFC 5780: answer from another address.
    public static let changeRequest = STUNAttributeType(rawValue: 0x0003)
    /// Who asks, in UTF-8.
    public static let username = STUNAttributeType(rawValue: 0x0006)
    /// HMAC-SHA1 of all before it.
    public static let messageIntegrity = STUNAttributeType(rawValue: 0x0008)
    /// Why a request failed.
    public static let errorCode = STUNAttributeType(rawValue: 0x0009)
    /// The kinds that were not understood (with 420).
    public static let unknownAttributes = STUNAttributeType(rawValue: 0x000A)
    /// The realm of long-term credentials.
    public static let realm = STUNAttributeType(rawValue: 0x0014)
    /// The server's nonce.
    public static let nonce = STUNAttributeType(rawValue: 0x0015)
    /// HMAC-SHA256 of all before it, perhaps cut.
    public static let messageIntegritySHA256 = STUNAttributeType(rawValue: 0x001C)
    /// The password algorithm that the client chose.
    public static let passwordAlgorithm = STUNAttributeType(rawValue: 0x001D)
    /// SHA-256 of user name and realm, in place of the user name.
    public static let userhash = STUNAttributeType(rawValue: 0x001E)
    /// The reflexive address, hidden from meddling NATs.
    public static let xorMappedAddress = STUNAttributeType(rawValue: 0x0020)
    /// RFC 8445: the candidate's priority.
    public static let priority = STUNAttributeType(rawValue: 0x0024)
    /// RFC 8445: this pair is chosen.
    public static let useCandidate = STUNAttributeType(rawValue: 0x0025)
    /// The password algorithms that the server offers.
    public static let passwordAlgorithms = STUNAttributeType(rawValue: 0x8002)
    /// The name that the alternate server's certificate bears.
    public static let alternateDomain = STUNAttributeType(rawValue: 0x8003)
    /// Name and version of the software.
    public static let software = STUNAttributeType(rawValue: 0x8022)
    /// Another server to ask (with 300).
    public static let alternateServer = STUNAttributeType(rawValue: 0x8023)
    /// CRC-32 of all before it.
    public static let fingerprint = STUNAttributeType(rawValue: 0x8028)
    /// RFC 8445: the sender is the controlled agent; a tie breaker.
    public static let iceControlled = STUNAttributeType(rawValue: 0x8029)
    /// RFC 8445: the sender is the controlling agent; a tie breaker.
    public static let iceControlling = STUNAttributeType(rawValue: 0x802A)
}

/// The error codes of RFC 8489 §14.8. Others are carried alike.
public struct STUNErrorCode: RawRepresentable, Hashable, Sendable {
    /// 300 to 699.
    public let rawValue: UInt16

    /// The code of a number.
    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Ask the alternate server.
    public static let tryAlternate = STUNErrorCode(rawValue: 300)
    /// The request is malformed.
    public static let badRequest = STUNErrorCode(rawValue: 400)
    /// Credentials are missing or wrong.
    public static let unauthenticated = STUNErrorCode(rawValue: 401)
    /// Attributes were not understood.
    public static let unknownAttribute = STUNErrorCode(rawValue: 420)
    /// The nonce is too old.
    public static let staleNonce = STUNErrorCode(rawValue: 438)
    /// Try again.
    public static let serverError = STUNErrorCode(rawValue: 500)
}

/// How a long-term key is derived from a password (RFC 8489 §18.5).
public struct STUNPasswordAlgorithm: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt16

    /// The algorithm of a number.
    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// MD5, for who knows nothing newer.
    public static let md5 = STUNPasswordAlgorithm(rawValue: 1)
    /// SHA-256.
    public static let sha256 = STUNPasswordAlgorithm(rawValue: 2)
}
