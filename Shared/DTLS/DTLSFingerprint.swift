internal import Bytes
internal import COpenSSL

/// A hash of a certificate, as `a=fingerprint` states it (RFC 8122 §5).
public struct DTLSFingerprint: Hashable, Sendable {
    /// The hashes that are believed. SHA-1 and MD5 are not.
    public enum Algorithm: String, Sendable, CaseIterable {
        /// What browsers state.
        case sha256 = "sha-256"
        /// Longer.
        case sha384 = "sha-384"
        /// Longer still.
        case sha512 = "sha-512"

        var byteCount: Int {
            switch self {
            case .sha256: 32
            case .sha384: 48
            case .sha512: 64
            }
        }
    }

    /// Which hash.
    public let algorithm: Algorithm
    /// Its bytes.
    public let bytes: [UInt8]

    /// Nil if that hash has another length.
    public init?(_ algorithm: Algorithm, _ bytes: [UInt8]) {
        guard bytes.count == algorithm.byteCount else { return nil }
        self.algorithm = algorithm
        self.bytes = bytes
    }

    /// Of a certificate; nil if OpenSSL does not know the hash.
    init?(_ algorithm: Algorithm, of certificate: OpaquePointer) {
        let digest =
            switch algorithm {
            case .sha256: unsafe EVP_sha256()
            case .sha384: unsafe EVP_sha384()
            case .sha512: unsafe EVP_sha512()
            }
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard unsafe X509_digest(certificate, digest, &bytes, &count) == 1 else { return nil }
        self.init(algorithm, Array(bytes[..<Int(count)]))
    }

    /// Whether the certificate has this hash. In constant time.
    func isOf(_ certificate: OpaquePointer) -> Bool {
        guard let actual = unsafe DTLSFingerprint(algorithm, of: certificate) else { return false }
        return actual.bytes.span.raw.hasSameBytes(inConstantTimeAs: bytes.span.raw)
    }
}

extension DTLSFingerprint: LosslessStringConvertible {
    /// `sha-256 AB:CD:…`, as the attribute's value is written.
    public var description: String {
        let digits = Array("0123456789ABCDEF".utf8)
        var text = Array("\(algorithm.rawValue) ".utf8)
        for (index, byte) in bytes.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ":")) }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Parses the attribute's value; nil for hashes that are not believed, and rubbish.
    public init?(_ text: String) {
        guard text.utf8.count <= 256 else { return nil }
        let words = text.split(separator: " ")
        guard words.count == 2, let algorithm = Algorithm(rawValue: words[0].lowercased()) else { return nil }
        var bytes: [UInt8] = []
        for part in words[1].split(separator: ":", omittingEmptySubsequences: false) {
            // UInt8(_:radix:) alone would take a sign.
            guard part.utf8.count == 2, part.utf8.first != UInt8(ascii: "+"), let byte = UInt8(part, radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        self.init(algorithm, bytes)
    }
}
