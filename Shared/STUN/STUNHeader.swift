/// What a message asks or says: twelve bits (RFC 8489 §5).
public struct STUNMethod: RawRepresentable, Hashable, Sendable {
    /// The number, 0 to 0xfff.
    public let rawValue: UInt16

    /// The method of a number; bits above the twelfth are cut off.
    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue & 0xfff }

    /// Asks for the reflexive address (RFC 8489), or checks a path (RFC 8445).
    public static let binding = STUNMethod(rawValue: 0x001)
    /// Asks for a relay address (RFC 8656 §6).
    public static let allocate = STUNMethod(rawValue: 0x003)
    /// Prolongs or ends an allocation (RFC 8656 §7).
    public static let refresh = STUNMethod(rawValue: 0x004)
    /// Data from the client to a peer (RFC 8656 §11).
    public static let send = STUNMethod(rawValue: 0x006)
    /// Data from a peer to the client (RFC 8656 §11).
    public static let data = STUNMethod(rawValue: 0x007)
    /// Lets a peer's address in (RFC 8656 §9).
    public static let createPermission = STUNMethod(rawValue: 0x008)
    /// Gives a peer a channel number (RFC 8656 §12).
    public static let channelBind = STUNMethod(rawValue: 0x009)
}

/// The four roles of a message (RFC 8489 §5).
public enum STUNClass: UInt8, Sendable {
    /// Wants an answer.
    case request = 0
    /// Wants none.
    case indication = 1
    /// The answer of a request that succeeded.
    case success = 2
    /// The answer of a request that failed.
    case failure = 3
}

/// The 96 random bits that tie an answer to its request.
public struct TransactionID: Hashable, Sendable {
    /// The first four bytes, big-endian.
    public let high: UInt32
    /// The other eight bytes, big-endian.
    public let low: UInt64

    /// The id of these bits.
    @inlinable
    public init(high: UInt32, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A fresh id. The generator must be unpredictable where answers are not authenticated: the id is their only proof.
    public init(using random: inout some RandomNumberGenerator) {
        self.init(high: random.next(), low: random.next())
    }
}

/// The first twenty bytes of each message.
public struct STUNHeader: Hashable, Sendable {
    /// What it is about.
    public let method: STUNMethod
    /// Request, indication or answer.
    public let messageClass: STUNClass
    /// Ties answers to requests.
    public let transaction: TransactionID

    /// A header of these fields.
    @inlinable
    public init(_ messageClass: STUNClass, _ method: STUNMethod, _ transaction: TransactionID) {
        self.method = method
        self.messageClass = messageClass
        self.transaction = transaction
    }

    /// How many bytes a header takes.
    public static let byteCount = 20
    /// The fixed bits that tell STUN from what else comes to the same port.
    public static let magicCookie: UInt32 = 0x2112_A442

    /// The first two bytes: the method's bits with the class's two bits among them (RFC 8489 §5, figure 3).
    @inlinable public var type: UInt16 {
        let method = self.method.rawValue
        let role = UInt16(messageClass.rawValue)
        return method & 0xf | (role & 1) << 4 | (method & 0x70) << 1 | (role & 2) << 7 | (method & 0xf80) << 2
    }

    /// The header of a type and an id; nil if the top two bits of `type` are set, which no STUN message has.
    @inlinable
    public init?(type: UInt16, transaction: TransactionID) {
        guard type & 0xc000 == 0 else { return nil }
        let role = UInt8(truncatingIfNeeded: type >> 4 & 1 | type >> 7 & 2)
        let method = type & 0xf | type >> 1 & 0x70 | type >> 2 & 0xf80
        guard let messageClass = STUNClass(rawValue: role) else { return nil }
        self.init(messageClass, STUNMethod(rawValue: method), transaction)
    }
}
