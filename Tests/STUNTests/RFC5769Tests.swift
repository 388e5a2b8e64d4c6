import Addresses
import Bytes
import STUN
import Testing

/// RFC 5769 §2: the four samples, and RFC 8489 appendix B.1 (with erratum 6268).
enum Sample {
    static let password = "VOkJxbRl1RmTxUk/WvJxBt"
    static let transaction = TransactionID(high: 0xb7e7_a701, low: 0xbc34_d686_fa87_dfae)
    static let longTermTransaction = TransactionID(high: 0x78ad_3433, low: 0xc6ad_72c0_29da_412e)
    static let username = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}"
    /// "The<U+00AD>M<U+00AA>tr<U+2168>" after preparation.
    static let longTermPassword = "TheMatrIX"

    /// §2.1.
    static let request = hex(
        """
        00010058 2112a442 b7e7a701bc34d686fa87dfae
        80220010 5354554e207465737420636c69656e74
        00240004 6e0001ff
        80290008 932ff9b151263b36
        00060009 6576746a3a68367659 202020
        00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
        80280004 e57a3bcf
        """)
    /// §2.2.
    static let responseV4 = hex(
        """
        0101003c 2112a442 b7e7a701bc34d686fa87dfae
        8022000b 7465737420766563746f72 20
        00200008 0001a147e112a643
        00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
        80280004 c07d4c96
        """)
    /// §2.3.
    static let responseV6 = hex(
        """
        01010048 2112a442 b7e7a701bc34d686fa87dfae
        8022000b 7465737420766563746f72 20
        00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
        00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
        80280004 c8fb0b4c
        """)
    /// §2.4.
    static let longTermRequest = hex(
        """
        00010060 2112a442 78ad3433c6ad72c029da412e
        00060012 e3839ee38388e383aae38383e382afe382b9 0000
        0015001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341
        0014000b 6578616d706c652e6f7267 00
        00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666
        """)
    /// RFC 8489 appendix B.1.
    static let sha256Request = hex(
        """
        00010090 2112a442 78ad3433c6ad72c029da412e
        001e0020 4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704
        00150029 6f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c39465354767936347341 000000
        0014000b 6578616d706c652e6f7267 00
        001d0004 00020000
        001c0020 b5c7bf005b6c52a21c51c5e892f81924136296cb927c4314930927 8cc6518e65
        """)
    static func longTermKey(_ algorithm: STUNPasswordAlgorithm) -> STUNKey? {
        STUNKey(username: username, realm: "example.org", password: longTermPassword, algorithm: algorithm)
    }

    static let all = [request, responseV4, responseV6, longTermRequest, sha256Request]
}

struct RFC5769Tests {
    @Test func `the sample request is read and its integrity holds`() throws {
        var expected = Reading(
            header: STUNHeader(.request, .binding, Sample.transaction),
            types: [.software, .priority, .iceControlled, .username])
        expected.software = "STUN test client"
        expected.username = "evtj:h6vY"
        expected.priority = 0x6e00_01ff
        expected.iceControlled = 0x932f_f9b1_5126_3b36
        expected.hasFingerprint = true

        #expect(try Reading(Sample.request) == expected)
        #expect(isTrusted(Sample.request, .sha1, STUNKey(password: Sample.password)))
        #expect(!isTrusted(Sample.request, .sha1, STUNKey(password: "another")))
        #expect(!isTrusted(Sample.request, .sha256, STUNKey(password: Sample.password)))
    }

    @Test(arguments: [
        (Sample.responseV4, "192.0.2.1:32853"),
        (Sample.responseV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ])
    func `the sample responses give their addresses, and writing them gives the same bytes`(
        bytes: [UInt8], address: String
    ) throws {
        let endpoint = try #require(Endpoint(address))
        let key = STUNKey(password: Sample.password)
        var expected = Reading(
            header: STUNHeader(.success, .binding, Sample.transaction), types: [.software, .xorMappedAddress])
        expected.software = "test vector"
        expected.xorMapped = endpoint
        expected.hasFingerprint = true

        #expect(try Reading(bytes) == expected)
        #expect(isTrusted(bytes, .sha1, key))

        var written = try [UInt8](capacity: 200) { (output) throws(STUNError) in
            let writer = try STUNWriter(expected.header, to: &output)
            try writer.add(.software, text: "test vector", to: &output)
            try writer.add(.xorMappedAddress, xorAddress: endpoint, to: &output)
            try writer.addIntegrity(.sha1, key, to: &output)
            try writer.addFingerprint(to: &output)
        }
        #expect(try Reading(written) == expected)
        #expect(isTrusted(written, .sha1, key))
        // The samples pad with a blank, we with a zero; integrity and fingerprint, the last 32 bytes, cover that.
        #expect(written.count == bytes.count)
        written[35] = 0x20
        #expect(written.dropLast(32) == bytes.dropLast(32))
    }

    @Test func `the long-term request verifies with the MD5 key, and writing it gives the same bytes`() throws {
        let key = try #require(Sample.longTermKey(.md5))
        #expect(isTrusted(Sample.longTermRequest, .sha1, key))

        let written = try [UInt8](capacity: 200) { (output) throws(STUNError) in
            let writer = try STUNWriter(STUNHeader(.request, .binding, Sample.longTermTransaction), to: &output)
            try writer.add(.username, text: Sample.username, to: &output)
            try writer.add(.nonce, text: "f//499k954d6OL34oL9FSTvy64sA", to: &output)
            try writer.add(.realm, text: "example.org", to: &output)
            try writer.addIntegrity(.sha1, key, to: &output)
        }
        #expect(written == Sample.longTermRequest)
    }

    /// Whatever place the first wrong bit is at: no part of it is compared less than the rest.
    @Test(arguments: [(STUNIntegrity.sha1, 20, Sample.longTermRequest), (.sha256, 32, Sample.sha256Request)])
    func `an integrity with any one bit changed is not trusted`(
        kind: STUNIntegrity, length: Int, bytes: [UInt8]
    ) throws {
        let key = try #require(Sample.longTermKey(kind == .sha1 ? .md5 : .sha256))
        #expect(isTrusted(bytes, kind, key))
        for bit in 0..<length * 8 {
            var changed = bytes
            // It is the last attribute of both samples.
            changed[bytes.count - length + bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!isTrusted(changed, kind, key), "bit \(bit)")
        }
    }

    @Test func `RFC 8489 B1 verifies with the SHA-256 key, and writing it gives the same bytes`() throws {
        let key = try #require(Sample.longTermKey(.sha256))
        let userhash = STUNKey.userhash(username: Sample.username, realm: "example.org")
        let reading = try Reading(Sample.sha256Request)

        #expect(reading.userhash == userhash)
        #expect(reading.passwordAlgorithm == .sha256)
        #expect(isTrusted(Sample.sha256Request, .sha256, key))

        let written = try [UInt8](capacity: 200) { (output) throws(STUNError) in
            let writer = try STUNWriter(STUNHeader(.request, .binding, Sample.longTermTransaction), to: &output)
            try writer.add(.userhash, bytes: userhash.span.raw, to: &output)
            try writer.add(.nonce, text: "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA", to: &output)
            try writer.add(.realm, text: "example.org", to: &output)
            try writer.add(.passwordAlgorithm, algorithms: [.sha256], to: &output)
            try writer.addIntegrity(.sha256, key, to: &output)
        }
        #expect(written == Sample.sha256Request)
    }

    @Test(arguments: Sample.all)
    func `a sample cut short anywhere, or with any bit changed, is refused or fails its integrity`(
        bytes: [UInt8]
    ) throws {
        let keys = [
            STUNKey(password: Sample.password), try #require(Sample.longTermKey(.md5)),
            try #require(Sample.longTermKey(.sha256)),
        ]
        func isTrustedByAny(_ bytes: [UInt8]) -> Bool {
            keys.contains { isTrusted(bytes, .sha1, $0) || isTrusted(bytes, .sha256, $0) }
        }
        #expect(isTrustedByAny(bytes))
        for count in 0..<bytes.count { #expect(!isTrustedByAny(Array(bytes[..<count]))) }
        // The type of FINGERPRINT, which follows the integrity: changed, it is a stranger behind it and rightly not seen.
        let fingerprintType = bytes.suffix(8).prefix(2).elementsEqual([0x80, 0x28]) ? bytes.count - 8 : bytes.count
        for bit in 0..<(bytes.count * 8) where !(fingerprintType..<(fingerprintType + 2)).contains(bit / 8) {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!isTrustedByAny(changed), "bit \(bit)")
        }
    }
}
