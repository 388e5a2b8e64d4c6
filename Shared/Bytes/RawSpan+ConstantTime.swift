internal import COpenSSL

extension RawSpan {
    /// Whether both spans hold the same bytes, in a time that depends on their lengths alone. For whatever a stranger must not
    /// be able to guess byte by byte: message integrity, nonces, passwords.
    public func hasSameBytes(inConstantTimeAs other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        return unsafe withUnsafeBytes { mine in
            unsafe other.withUnsafeBytes { theirs in
                unsafe CRYPTO_memcmp(mine.baseAddress, theirs.baseAddress, mine.count) == 0
            }
        }
    }
}
