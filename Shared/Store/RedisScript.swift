private import COpenSSL

/// A Lua script, named to Redis by the SHA-1 of its text once Redis knows it.
public struct RedisScript: Hashable, Sendable {
    /// The script's text.
    public let source: String
    /// SHA-1 of the text in lower-case hex, as `EVALSHA` wants it.
    public let digest: String

    /// A script of this text.
    public init(_ source: String) {
        self.source = source
        let text = Array(source.utf8)
        var sum = [UInt8](repeating: 0, count: Int(SHA_DIGEST_LENGTH))
        _ = unsafe SHA1(text, text.count, &sum)
        digest = sum.map { byte in
            let hex = String(byte, radix: 16)
            return hex.count == 1 ? "0" + hex : hex
        }.joined()
    }
}
