/// How packets are protected: a number of the use_srtp extension (RFC 5764 §4.1.2, RFC 7714 §14.2).
public enum SRTPProfile: UInt16, Sendable, CaseIterable {
    /// AES-CM with 128 bits, HMAC-SHA1 cut to 80 bits: what every WebRTC endpoint has.
    case aes128CMHMACSHA180 = 0x0001
    /// AES-GCM with 128 bits.
    case aeadAES128GCM = 0x0007
    /// AES-GCM with 256 bits.
    case aeadAES256GCM = 0x0008

    /// Bytes of the master key, and of the keys that encrypt.
    public var keyLength: Int { self == .aeadAES256GCM ? 32 : 16 }
    /// Bytes of the master salt.
    public var saltLength: Int { isAEAD ? 12 : 14 }
    /// Bytes of the tag on each packet.
    public var tagLength: Int { isAEAD ? 16 : 10 }
    /// Bytes that the DTLS exporter gives for it: two keys, two salts.
    public var keyingMaterialLength: Int { 2 * (keyLength + saltLength) }

    var isAEAD: Bool { self != .aes128CMHMACSHA180 }
}

/// Master key and salt of one direction.
public struct SRTPMasterKey: Sendable {
    /// What they are for.
    public let profile: SRTPProfile
    let key: [UInt8]
    let salt: [UInt8]

    /// Nil if the lengths are not those of the profile.
    public init?(_ profile: SRTPProfile, key: [UInt8], salt: [UInt8]) {
        guard key.count == profile.keyLength, salt.count == profile.saltLength else { return nil }
        self.profile = profile
        self.key = key
        self.salt = salt
    }
}

/// The keys of both directions of a connection.
public struct SRTPKeys: Sendable {
    /// The protection that was negotiated.
    public let profile: SRTPProfile
    /// Seals what leaves.
    public let local: SRTPMasterKey
    /// Opens what comes.
    public let remote: SRTPMasterKey

    /// Takes apart what the DTLS exporter gave: client's key, server's key, client's salt, server's salt (RFC 5764 §4.2).
    /// Nil for a profile that is not known here, or a wrong length.
    public init?(profile number: UInt16, exported: [UInt8], isClient: Bool) {
        guard let profile = SRTPProfile(rawValue: number), exported.count == profile.keyingMaterialLength else {
            return nil
        }
        let (key, salt) = (profile.keyLength, profile.saltLength)
        let clientKey = Array(exported[..<key])
        let serverKey = Array(exported[key..<(2 * key)])
        let clientSalt = Array(exported[(2 * key)..<(2 * key + salt)])
        let serverSalt = Array(exported[(2 * key + salt)...])
        guard let client = SRTPMasterKey(profile, key: clientKey, salt: clientSalt),
            let server = SRTPMasterKey(profile, key: serverKey, salt: serverSalt)
        else { return nil }
        self.profile = profile
        local = isClient ? client : server
        remote = isClient ? server : client
    }
}
