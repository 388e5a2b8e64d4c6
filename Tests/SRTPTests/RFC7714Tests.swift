import SRTP
import Testing

/// RFC 7714 §16 and §17. Their keys are session keys.
struct RFC7714Tests {
    private static let salt = hex("517569642070726f2071756f")
    private static let plain = hex(
        """
        8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472
        6573
        """)
    private static let plainControl = hex(
        """
        81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef
        deadbeef
        """)

    private static func keys(_ profile: SRTPProfile) -> SRTPSessionKeys {
        SRTPSessionKeys(profile, encryption: (0..<profile.keyLength).map { UInt8($0) }, salt: salt)
    }

    @Test(arguments: [
        (
            SRTPProfile.aeadAES128GCM,
            """
            8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf
            8833899d 7f27beb1 6a9152cf 765ee439 0cce
            """
        ),
        (
            .aeadAES256GCM,
            """
            8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799
            b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13
            """
        ),
    ])
    func `16, RTP sealed and opened`(_ profile: SRTPProfile, _ sealed: String) throws {
        let keys = RFC7714Tests.keys(profile)
        var sealer = try SRTPSealer(rtp: keys, rtcp: keys)
        var opener = try SRTPOpener(rtp: keys, rtcp: keys)
        #expect(try sealer.seal(RFC7714Tests.plain) == hex(sealed))
        #expect(try opener.open(hex(sealed)) == RFC7714Tests.plain)
    }

    @Test func `17.1, RTCP opened`() throws {
        let keys = RFC7714Tests.keys(.aeadAES128GCM)
        var opener = try SRTPOpener(rtp: keys, rtcp: keys)
        let sealed = hex(
            """
            81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded
            0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4
            """)
        #expect(try opener.openControl(sealed) == RFC7714Tests.plainControl)
    }
}
