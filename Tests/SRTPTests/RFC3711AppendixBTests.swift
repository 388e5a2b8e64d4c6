import SRTP
import Testing

struct RFC3711AppendixBTests {
    @Test func `B.2, the key stream of AES-CM`() throws {
        let keys = SRTPSessionKeys(
            .aes128CMHMACSHA180, encryption: hex("2B7E151628AED2A6ABF7158809CF4F3C"),
            authentication: [UInt8](repeating: 0, count: 20), salt: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"))
        var sealer = try SRTPSealer(rtp: keys, rtcp: keys)
        let zeros = [0x80, 0, 0, 0] + [UInt8](repeating: 0, count: 8 + 48)
        let sealed = try sealer.seal(zeros)
        #expect(
            Array(sealed[12..<60])
                == hex(
                    """
                    E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
                    41E95B3BB0A2E8DD477901E4FCA894C0
                    """))
    }

    @Test func `B.3, the derivation of keys`() throws {
        let master = try #require(
            SRTPMasterKey(
                .aes128CMHMACSHA180, key: hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
                salt: hex("0EC675AD498AFEEBB6960B3AABE6")))
        #expect(
            try KeyDerivation.derive(master, .rtpEncryption, count: 16) == hex("C61E7A93744F39EE10734AFE3FF7A087"))
        #expect(try KeyDerivation.derive(master, .rtpSalt, count: 14) == hex("30CBBC08863D8C85D49DB34A9AE1"))
        #expect(
            try KeyDerivation.derive(master, .rtpAuthentication, count: 94)
                == hex(
                    """
                    CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
                    E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
                    6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2
                    """))
    }
}
