internal import COpenSSL

/// The cipher of one direction and of one of RTP and RTCP, with its session keys. Its OpenSSL context is kept: a packet only
/// sets the initialization vector. Allocates nothing after `init`.
///
/// Where counts and pointers go in, the caller has checked the bounds.
@safe struct Transform: ~Copyable {
    let isAEAD: Bool
    let tagLength: Int
    private let context: OpaquePointer
    /// Asks for GCM's tag, or tells it: kept, as `EVP_CIPHER_CTX_ctrl` makes such a list anew for each packet.
    private let tag: UnsafeMutablePointer<OSSL_PARAM>
    private let saltHigh: UInt64
    private let saltLow: UInt64
    private let authentication: SHA1Authentication

    init(_ keys: SRTPSessionKeys, seals: Bool) throws(SRTPError) {
        let profile = keys.profile
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw .refusedByOpenSSL }
        let cipher =
            switch profile {
            case .aes128CMHMACSHA180: unsafe EVP_aes_128_ctr()
            case .aeadAES128GCM: unsafe EVP_aes_128_gcm()
            case .aeadAES256GCM: unsafe EVP_aes_256_gcm()
            }
        // Counter mode is its own inverse: it always encrypts.
        let done = unsafe EVP_CipherInit_ex(
            context, cipher, nil, keys.encryption, nil, seals || !profile.isAEAD ? 1 : 0)
        guard done == 1 else {
            unsafe EVP_CIPHER_CTX_free(context)
            throw .refusedByOpenSSL
        }
        unsafe self.context = context
        unsafe tag = .allocate(capacity: 2)
        unsafe tag.initialize(repeating: OSSL_PARAM(), count: 2)
        unsafe tag[0].key = Transform.tagName
        unsafe tag[0].data_type = UInt32(OSSL_PARAM_OCTET_STRING)
        unsafe tag[0].data_size = profile.tagLength
        isAEAD = profile.isAEAD
        tagLength = profile.tagLength
        authentication = SHA1Authentication(key: keys.authentication)
        saltHigh = Transform.number(keys.salt[..<8])
        saltLow = Transform.number(keys.salt[8...]) << (profile.isAEAD ? 0 : 16)
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(context)
        unsafe tag.deallocate()
    }

    /// OSSL_CIPHER_PARAM_AEAD_TAG, as C has it. Proof: a literal, never freed.
    nonisolated(unsafe) private static let tagName: UnsafePointer<CChar> = {
        let name: StaticString = "tag"
        return unsafe UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    }()

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    /// Begins a packet: sets the vector of SSRC and index (48 bits, or 31 of RTCP).
    func begin(ssrc: UInt32, index: Int64) throws(SRTPError) {
        let index = UInt64(bitPattern: index)
        let ssrc = UInt64(ssrc)
        var vector: (UInt64, UInt64)
        if isAEAD {
            // RFC 7714 §8.1 and §9.1: two zero bytes, SSRC, index in six bytes; twelve bytes in all.
            vector.0 = (saltHigh ^ (ssrc << 16 | index >> 32)).bigEndian
            vector.1 = ((saltLow ^ (index & 0xffff_ffff)) << 32).bigEndian
        } else {
            // RFC 3711 §4.1.1: SSRC from byte 4 on, the index from byte 8 on, then two bytes that count blocks.
            vector.0 = (saltHigh ^ ssrc).bigEndian
            vector.1 = (saltLow ^ index << 16).bigEndian
        }
        let done = unsafe withUnsafeBytes(of: &vector) {
            unsafe EVP_CipherInit_ex(context, nil, nil, nil, $0.assumingMemoryBound(to: UInt8.self).baseAddress, -1)
        }
        guard done == 1 else { throw .refusedByOpenSSL }
    }

    /// GCM: takes bytes that are authenticated and not encrypted.
    func authenticate(_ bytes: UnsafeRawPointer, _ count: Int) throws(SRTPError) {
        var written: Int32 = 0
        let done = unsafe EVP_CipherUpdate(
            context, nil, &written, bytes.assumingMemoryBound(to: UInt8.self), Int32(count))
        guard done == 1 else { throw .refusedByOpenSSL }
    }

    /// Encrypts or decrypts; both places may be the same.
    func crypt(_ source: UnsafeRawPointer, to destination: UnsafeMutableRawPointer, _ count: Int) throws(SRTPError) {
        guard count > 0 else { return }
        var written: Int32 = 0
        let done = unsafe EVP_CipherUpdate(
            context, destination.assumingMemoryBound(to: UInt8.self), &written,
            source.assumingMemoryBound(to: UInt8.self), Int32(count))
        guard done == 1, written == count else { throw .refusedByOpenSSL }
    }

    /// GCM: ends a packet that is sealed, and puts its tag.
    func putTag(_ destination: UnsafeMutableRawPointer) throws(SRTPError) {
        var nothing: (UInt64, UInt64) = (0, 0)
        var written: Int32 = 0
        let ended = unsafe withUnsafeMutableBytes(of: &nothing) {
            unsafe EVP_CipherFinal_ex(context, $0.assumingMemoryBound(to: UInt8.self).baseAddress, &written)
        }
        unsafe tag[0].data = destination
        guard ended == 1, unsafe EVP_CIPHER_CTX_get_params(context, tag) == 1
        else { throw .refusedByOpenSSL }
    }

    /// GCM: ends a packet that is opened; whether the tag at `source` is right.
    func hasTag(_ source: UnsafeRawPointer) -> Bool {
        var nothing: (UInt64, UInt64) = (0, 0)
        var written: Int32 = 0
        unsafe tag[0].data = UnsafeMutableRawPointer(mutating: source)
        guard unsafe EVP_CIPHER_CTX_set_params(context, tag) == 1 else { return false }
        return unsafe withUnsafeMutableBytes(of: &nothing) {
            unsafe EVP_CipherFinal_ex(context, $0.assumingMemoryBound(to: UInt8.self).baseAddress, &written)
        } == 1
    }

    /// AES-CM: puts the HMAC of the bytes, and of the rollover counter behind them for RTP (RFC 3711 §4.2).
    func putHMAC(_ bytes: UnsafeRawPointer, _ count: Int, rollover: UInt32?, to destination: UnsafeMutableRawPointer) {
        let (high, low) = unsafe authentication.tag(bytes, count, suffix: rollover)
        unsafe destination.storeBytes(of: high, as: UInt64.self)
        unsafe destination.storeBytes(of: low.littleEndian, toByteOffset: 8, as: UInt16.self)
    }

    /// AES-CM: whether the HMAC at `source` is right. In constant time.
    func hasHMAC(_ bytes: UnsafeRawPointer, _ count: Int, rollover: UInt32?, at source: UnsafeRawPointer) -> Bool {
        let (high, low) = unsafe authentication.tag(bytes, count, suffix: rollover)
        let wrong = unsafe high ^ source.loadUnaligned(as: UInt64.self)
        let wrongToo = unsafe low.littleEndian ^ source.loadUnaligned(fromByteOffset: 8, as: UInt16.self)
        return wrong | UInt64(wrongToo) == 0
    }
}
