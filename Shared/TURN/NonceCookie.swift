/// What a server says about itself in the first 13 bytes of its nonces (RFC 8489 §9.2): a fixed text and 24 bits in
/// base64. Who meddles with the rest of the answer cannot take it out, as the server would not know its nonce again.
public struct NonceCookie: OptionSet, Sendable {
    /// The 24 bits. Bit 0 is the least significant one, as erratum 6290 has it and the vector of appendix B.1.
    public let rawValue: UInt32

    /// The set of these bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue & 0xff_ffff }

    /// The server lists password algorithms.
    public static let passwordAlgorithms = NonceCookie(rawValue: 1)
    /// The server takes USERHASH in place of USERNAME.
    public static let usernameAnonymity = NonceCookie(rawValue: 2)

    /// How many bytes it takes.
    public static let byteCount = 13
    private static let mark = Array("obMatJos2".utf8)

    /// The bytes a nonce begins with.
    public var bytes: [UInt8] {
        let bits = [UInt8(rawValue >> 16 & 255), UInt8(rawValue >> 8 & 255), UInt8(rawValue & 255)]
        return NonceCookie.mark + Base64.encode(bits)
    }

    /// What a nonce says; nil where it has no cookie.
    public init?(nonce: some Collection<UInt8>) {
        let cookie = nonce.prefix(NonceCookie.byteCount)
        guard cookie.count == NonceCookie.byteCount, cookie.starts(with: NonceCookie.mark) else { return nil }
        var bits: UInt32 = 0
        for letter in cookie.dropFirst(NonceCookie.mark.count) {
            guard let value = Base64.value(of: letter) else { return nil }
            bits = bits << 6 | UInt32(value)
        }
        self.init(rawValue: bits)
    }
}
