internal import Bytes
internal import COpenSSL

/// The two kinds of integrity that a message can carry.
public enum STUNIntegrity: Sendable, CaseIterable {
    /// MESSAGE-INTEGRITY, HMAC-SHA1.
    case sha1
    /// MESSAGE-INTEGRITY-SHA256, HMAC-SHA256.
    case sha256

    /// The length of its HMAC.
    var byteCount: Int {
        switch self {
        case .sha1: 20
        case .sha256: 32
        }
    }

    var type: STUNAttributeType {
        switch self {
        case .sha1: .messageIntegrity
        case .sha256: .messageIntegritySHA256
        }
    }
}

/// The key of a message's integrity. Texts must be prepared already (RFC 8265 OpaqueString; SASLprep for MD5).
public struct STUNKey: Sendable {
    let bytes: [UInt8]

    /// Short-term: the password itself (RFC 8489 §9.1.1). ICE uses this.
    public init(password: String) {
        bytes = Array(password.utf8)
    }

    /// Long-term: a hash of user name, realm and password (RFC 8489 §9.2.2). Nil for an algorithm not known here.
    public init?(username: String, realm: String, password: String, algorithm: STUNPasswordAlgorithm) {
        let text = Array("\(username):\(realm):\(password)".utf8)
        switch algorithm {
        case .md5: bytes = Digest.md5.hash(text)
        case .sha256: bytes = Digest.sha256.hash(text)
        default: return nil
        }
    }

    /// A long-term key that was derived before: 16 bytes (MD5) or 32 (SHA-256). Nil for another length.
    public init?(hashed bytes: [UInt8]) {
        guard bytes.count == 16 || bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// USERHASH: what stands for a user name on the wire, so that who listens does not learn it (RFC 8489 §14.4).
    public static func userhash(username: String, realm: String) -> [UInt8] {
        Digest.sha256.hash(Array("\(username):\(realm)".utf8))
    }
}

extension STUNMessage {
    /// Whether the integrity of that kind fits the key. False if there is none, or if it was cut, which a usage of STUN must
    /// allow (RFC 8489 §14.6): neither TURN (RFC 8656) nor ICE (RFC 8445) does. Compares in constant time.
    public func verify(_ kind: STUNIntegrity, _ key: STUNKey) -> Bool {
        guard let offset = integrityOffset(kind) else { return false }
        let length = Int(bytes.uint16(at: offset + 2))
        guard length == kind.byteCount else { return false }
        let mac = Digest.hmac(kind, key, over: bytes, first: offset, endingAt: offset + 4 + length)
        let stated = bytes.extracting((offset + 4)..<(offset + 4 + length))
        return stated.hasSameBytes(inConstantTimeAs: mac.span.raw.extracting(..<length))
    }
}

/// OpenSSL's digests, as far as STUN needs them.
enum Digest {
    case md5
    case sha256

    /// The hash of `text`. Allocates: a key is made once for each user.
    func hash(_ text: [UInt8]) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: self == .md5 ? 16 : 32)
        let done = unsafe EVP_Digest(text, text.count, &result, nil, self == .md5 ? EVP_md5() : EVP_sha256(), nil)
        precondition(done == 1, "OpenSSL refuses a digest that STUN requires (a FIPS configuration without MD5?)")
        return result
    }

    /// The HMAC of the first `count` bytes of a message, whose length field is taken to reach to `end` (RFC 8489 §14.5:
    /// attributes after the integrity, such as FINGERPRINT, are left out of account).
    static func hmac(
        _ kind: STUNIntegrity, _ key: STUNKey, over bytes: RawSpan, first count: Int, endingAt end: Int
    ) -> [32 of UInt8] {
        var mac = [32 of UInt8](repeating: 0)
        unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { copy in
            unsafe bytes.withUnsafeBytes {
                unsafe copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count]))
            }
            unsafe copy.storeBytes(of: UInt16(end - STUNHeader.byteCount).bigEndian, toByteOffset: 2, as: UInt16.self)
            var span = mac.mutableSpan
            unsafe span.withUnsafeMutableBufferPointer { output in
                let result = unsafe HMAC(
                    kind == .sha1 ? EVP_sha1() : EVP_sha256(), key.bytes, Int32(key.bytes.count),
                    copy.assumingMemoryBound(to: UInt8.self).baseAddress, count, output.baseAddress, nil)
                precondition(unsafe result != nil, "OpenSSL refuses an HMAC that STUN requires")
            }
        }
        return mac
    }
}
