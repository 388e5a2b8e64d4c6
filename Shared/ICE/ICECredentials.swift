internal import Bytes
internal import STUN

/// A user fragment of ours: eight characters, as a number that tables are keyed by without a string.
public struct ICEUfrag: Hashable, Sendable {
    /// The characters, the first in the highest byte.
    public let bits: UInt64

    /// The fragment with these characters.
    public init(bits: UInt64) { self.bits = bits }

    /// Nil unless there are eight bytes.
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount == ICEUfrag.length else { return nil }
        bits = bytes.uint64(at: 0)
    }

    /// How many characters ours have: 48 random bits, twice what RFC 8445 §5.3 wants.
    public static let length = 8

    /// Whom a check is for: the part of its USERNAME before the colon, if that may be one of ours. Nothing is verified yet.
    public init?(of message: RawSpan) {
        guard let message = try? STUNMessage(parsing: message), let username = message.value(of: .username),
            username.byteCount > ICEUfrag.length, username.uint8(at: ICEUfrag.length) == UInt8(ascii: ":")
        else { return nil }
        bits = username.uint64(at: 0)
    }
}

/// A user fragment and a password (RFC 8445 §5.3), as they stand in SDP.
public struct ICECredentials: Hashable, Sendable {
    /// `a=ice-ufrag`.
    public let ufrag: String
    /// `a=ice-pwd`.
    public let password: String

    /// The credentials that a peer states.
    public init(ufrag: String, password: String) {
        self.ufrag = ufrag
        self.password = password
    }

    /// Credentials of ours: eight characters, and 24 (144 bits; RFC 8445 §5.3 wants 128). The generator must be unpredictable.
    public static func random(using generator: inout some RandomNumberGenerator) -> ICECredentials {
        ICECredentials(ufrag: text(ICEUfrag.length, &generator), password: text(24, &generator))
    }

    /// What tables are keyed by; nil if the fragment is not one of ours.
    public var key: ICEUfrag? {
        guard ufrag.utf8.count == ICEUfrag.length else { return nil }
        return ICEUfrag(bits: ufrag.utf8.reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// Whether the texts are of the length and the characters that RFC 8839 §5.4 allows.
    public var isWellFormed: Bool {
        (4...256).contains(ufrag.utf8.count) && (22...256).contains(password.utf8.count)
            && ufrag.utf8.allSatisfy(ICECredentials.isICECharacter)
            && password.utf8.allSatisfy(ICECredentials.isICECharacter)
    }

    static func isICECharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
            true
        default: false
        }
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func text(_ count: Int, _ generator: inout some RandomNumberGenerator) -> String {
        String(decoding: (0..<count).map { _ in alphabet[Int.random(in: 0..<64, using: &generator)] }, as: UTF8.self)
    }
}
