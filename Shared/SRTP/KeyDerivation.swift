internal import COpenSSL

/// The keys of one direction, and of one of RTP and RTCP.
package struct SRTPSessionKeys: Sendable {
    let profile: SRTPProfile
    let encryption: [UInt8]
    let authentication: [UInt8]
    let salt: [UInt8]

    /// Keys as test vectors state them. Lengths must be those of the profile; GCM takes no authentication key.
    package init(_ profile: SRTPProfile, encryption: [UInt8], authentication: [UInt8] = [], salt: [UInt8]) {
        precondition(encryption.count == profile.keyLength && salt.count == profile.saltLength, "wrong lengths of keys")
        self.profile = profile
        self.encryption = encryption
        self.authentication = authentication
        self.salt = salt
    }

    /// What is derived from a master key for RTP or RTCP.
    init(_ master: SRTPMasterKey, isControl: Bool) throws(SRTPError) {
        profile = master.profile
        let (keyLength, saltLength) = (master.profile.keyLength, master.profile.saltLength)
        encryption = try KeyDerivation.derive(
            master, isControl ? .rtcpEncryption : .rtpEncryption, count: keyLength)
        authentication =
            master.profile.isAEAD
            ? [] : try KeyDerivation.derive(master, isControl ? .rtcpAuthentication : .rtpAuthentication, count: 20)
        salt = try KeyDerivation.derive(master, isControl ? .rtcpSalt : .rtpSalt, count: saltLength)
    }
}

/// Session keys of a master key (RFC 3711 §4.3, RFC 7714 §11, RFC 6188 for 256 bits), with a key derivation rate of zero.
package enum KeyDerivation {
    /// RFC 3711 §4.3.2.
    package enum Label: UInt8 {
        case rtpEncryption, rtpAuthentication, rtpSalt
        case rtcpEncryption, rtcpAuthentication, rtcpSalt
    }

    /// The first `count` bytes of the key stream of AES in counter mode for that label.
    package static func derive(_ master: SRTPMasterKey, _ label: Label, count: Int) throws(SRTPError) -> [UInt8] {
        // A GCM salt is two bytes shorter than AES-CM's, and is taken to end in zeros (RFC 7714 §11).
        var vector = master.salt + [UInt8](repeating: 0, count: 16 - master.salt.count)
        vector[7] ^= label.rawValue
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw .refusedByOpenSSL }
        defer { unsafe EVP_CIPHER_CTX_free(context) }
        let cipher = unsafe master.key.count == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr()
        let zeros = [UInt8](repeating: 0, count: count)
        var derived = zeros
        var written: Int32 = 0
        guard unsafe EVP_EncryptInit_ex(context, cipher, nil, master.key, vector) == 1,
            unsafe EVP_EncryptUpdate(context, &derived, &written, zeros, Int32(count)) == 1, written == count
        else { throw .refusedByOpenSSL }
        return derived
    }
}
