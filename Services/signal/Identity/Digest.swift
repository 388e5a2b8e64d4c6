import COpenSSL

/// Hashes and random texts.
package enum Digest {
    /// SHA-256.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let done = unsafe EVP_Digest(bytes, bytes.count, &digest, &length, EVP_sha256(), nil)
        precondition(done == 1 && length == 32, "OpenSSL has no SHA-256")
        return digest
    }

    /// The SHA-256 of a secret, as text: what is stored in its place.
    package static func secretHash(_ secret: String) -> String { base64URL(sha256(Array(secret.utf8))) }

    /// The first characters of a text's SHA-256 in base64url.
    package static func short(_ text: String, length: Int) -> String {
        String(base64URL(sha256(Array(text.utf8))).prefix(length))
    }

    /// Unpredictable URL-safe characters.
    package static func randomText(length: Int) -> String {
        var random = SystemRandomNumberGenerator()
        return String((0..<length).map { _ in alphabet[Int.random(in: 0..<64, using: &random)] })
    }

    /// Base64url without padding (RFC 4648 §5).
    package static func base64URL(_ bytes: [UInt8]) -> String {
        var text = ""
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                text.append(alphabet[Int(bits >> UInt32(count) & 63)])
            }
        }
        if count > 0 { text.append(alphabet[Int(bits << UInt32(6 - count) & 63)]) }
        return text
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}
