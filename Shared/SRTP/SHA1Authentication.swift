internal import COpenSSL

/// HMAC-SHA1 (RFC 2104) with one key: its two keyed states are made once, and copied for each packet. Allocates nothing.
struct SHA1Authentication {
    private var inner = SHA_CTX()
    private var outer = SHA_CTX()

    init(key: [UInt8]) {
        precondition(key.count <= 64, "a session key of SRTP has 20 bytes")
        let padded = key + [UInt8](repeating: 0, count: 64 - key.count)
        for (pad, keyPath) in [(UInt8(0x36), \SHA1Authentication.inner), (0x5c, \SHA1Authentication.outer)] {
            let block = padded.map { $0 ^ pad }
            _ = unsafe copenssl_sha1_init(&self[keyPath: keyPath])
            _ = unsafe copenssl_sha1_update(&self[keyPath: keyPath], block, 64)
        }
    }

    /// The first ten bytes of the HMAC of the bytes and, behind them, of the four of `suffix` if there is one.
    func tag(_ bytes: UnsafeRawPointer, _ count: Int, suffix: UInt32?) -> (UInt64, UInt16) {
        var state = inner
        var digest = (UInt64(0), UInt64(0), UInt32(0))
        _ = unsafe copenssl_sha1_update(&state, bytes, count)
        if var suffix = suffix?.bigEndian { _ = unsafe copenssl_sha1_update(&state, &suffix, 4) }
        unsafe withUnsafeMutableBytes(of: &digest) { digest in
            let output = unsafe digest.assumingMemoryBound(to: UInt8.self).baseAddress
            _ = unsafe copenssl_sha1_final(output, &state)
            state = outer
            _ = unsafe copenssl_sha1_update(&state, digest.baseAddress, 20)
            _ = unsafe copenssl_sha1_final(output, &state)
        }
        return (digest.0, UInt16(truncatingIfNeeded: UInt64(littleEndian: digest.1)))
    }
}
