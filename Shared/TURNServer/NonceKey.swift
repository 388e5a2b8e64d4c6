internal import Addresses
internal import Bytes
internal import COpenSSL
internal import Time

/// The key of nonces. All turn servers of a fleet have the same, so that a client may be answered by any.
public struct NonceKey: Sendable, CustomStringConvertible, CustomReflectable {
    private let bytes: [UInt8]

    /// A key of 32 random bytes; nil for another length.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// A fresh key, for a server that stands alone. The generator must be unpredictable.
    public init(using random: inout some RandomNumberGenerator) {
        bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    /// Says nothing of the key.
    public var description: String { "(secret)" }

    /// Says nothing of the key.
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    /// HMAC-SHA256 of at most 64 bytes.
    func digest(_ message: [64 of UInt8], count: Int) -> [32 of UInt8] {
        var digest = [32 of UInt8](repeating: 0)
        var output = digest.mutableSpan
        unsafe message.span.withUnsafeBufferPointer { message in
            unsafe output.withUnsafeMutableBufferPointer { output in
                let result = unsafe HMAC(
                    EVP_sha256(), bytes, Int32(bytes.count), message.baseAddress, count, output.baseAddress, nil)
                precondition(unsafe result != nil, "OpenSSL refuses HMAC-SHA256")
            }
        }
        return digest
    }
}

/// The security features that a nonce says the server has (RFC 8489 §9.2 and §18.1). Bit 0 is the rightmost of 24: erratum
/// 6290 says so against §18.1, and the nonce of appendix B.1 has it so.
struct SecurityFeatures: OptionSet {
    let rawValue: UInt32
    static let passwordAlgorithms = SecurityFeatures(rawValue: 1)
    static let usernameAnonymity = SecurityFeatures(rawValue: 2)
}

/// A nonce that needs no memory: the cookie of RFC 8489 §9.2, features, when it was made, and a MAC over these and over who
/// asked.
///
/// It is short, as it travels in answers to strangers, which may be at most four times as long as what they asked: the time
/// counts in steps of four seconds (and so comes round in two years), and the MAC has 48 bits. To guess one helps only to
/// someone who has a key or a captured message, and takes a request each.
///
/// Bound to address *and* port: a captured request is then of no use from any other socket, also not from behind the same
/// NAT. The price is one more round trip for clients that use a nonce on another socket, or whose NAT gave them a new port;
/// and those have lost their allocation anyhow, as it hangs on the 5-tuple.
struct Nonce {
    static let byteCount = 25
    private static let cookie: StaticString = "obMatJos2"
    static let step: Int64 = 4
    /// Clocks of a fleet may be a minute apart.
    private static let skewSteps: UInt32 = 15

    let text: [25 of UInt8]

    /// A nonce for a flow.
    init(_ features: SecurityFeatures, for flow: Flow, at time: WallTime, key: NonceKey) {
        self.init(features.rawValue, Nonce.stamp(time), flow, key)
    }

    private init(_ features: UInt32, _ stamp: UInt32, _ flow: Flow, _ key: NonceKey) {
        var message = [64 of UInt8](repeating: 0)
        let (client, transport) = (flow.client, flow.transport.rawValue)
        Nonce.put(UInt64(features) << 24 | UInt64(stamp), at: 0, in: &message)
        Nonce.put(UInt64(client.port) << 16 | UInt64(transport) << 8, at: 8, in: &message)
        Nonce.put(client.address.high, at: 16, in: &message)
        Nonce.put(client.address.low, at: 24, in: &message)
        message[32] = client.address.family.rawValue
        let mac = key.digest(message, count: 33)

        var text = [25 of UInt8](repeating: 0)
        for index in 0..<9 { text[index] = unsafe Nonce.cookie.utf8Start[index] }
        Nonce.encode(features, at: 9, in: &text)
        Nonce.encode(stamp, at: 13, in: &text)
        Nonce.encode(UInt32(mac[0]) << 16 | UInt32(mac[1]) << 8 | UInt32(mac[2]), at: 17, in: &text)
        Nonce.encode(UInt32(mac[3]) << 16 | UInt32(mac[4]) << 8 | UInt32(mac[5]), at: 21, in: &text)
        self.text = text
    }

    /// The features of a nonce that this fleet made for the flow not longer than `age` ago; nil for any other, in a time that
    /// does not depend on how much of it is right.
    static func features(
        of stated: RawSpan, for flow: Flow, at time: WallTime, age: Interval, key: NonceKey
    ) -> SecurityFeatures? {
        guard stated.byteCount == byteCount, let features = decode(stated, at: 9), let stamp = decode(stated, at: 13)
        else { return nil }
        let computed = Nonce(features, stamp, flow, key).text
        guard stated.hasSameBytes(inConstantTimeAs: computed.span.raw) else { return nil }
        let old = (Nonce.stamp(time) &+ skewSteps &- stamp) & 0xff_ffff
        guard Int64(old) <= Int64(skewSteps) + age.milliseconds / 1_000 / step else { return nil }
        return SecurityFeatures(rawValue: features)
    }

    private static func stamp(_ time: WallTime) -> UInt32 {
        UInt32(truncatingIfNeeded: time.milliseconds / 1_000 / step) & 0xff_ffff
    }

    private static func put(_ value: UInt64, at start: Int, in message: inout [64 of UInt8]) {
        for index in 0..<8 { message[start + index] = UInt8(truncatingIfNeeded: value >> UInt64(56 - index * 8)) }
    }

    private static let digits: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    /// Base64 of 24 bits.
    private static func encode(_ value: UInt32, at start: Int, in text: inout [25 of UInt8]) {
        for index in 0..<4 {
            text[start + index] = unsafe digits.utf8Start[Int(value >> UInt32(18 - index * 6) & 63)]
        }
    }

    private static func decode(_ text: RawSpan, at start: Int) -> UInt32? {
        var value: UInt32 = 0
        for index in 0..<4 {
            let byte = text.uint8(at: start + index)
            let digit: UInt8
            switch byte {
            case 0x41...0x5a: digit = byte - 0x41
            case 0x61...0x7a: digit = byte - 0x61 + 26
            case 0x30...0x39: digit = byte - 0x30 + 52
            case 0x2b: digit = 62
            case 0x2f: digit = 63
            default: return nil
            }
            value = value << 6 | UInt32(digit)
        }
        return value
    }
}
