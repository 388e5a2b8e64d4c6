import DTLS
import Testing

struct DTLSFingerprintTests {
    @Test func `a fingerprint is written as SDP has it, and read back`() throws {
        let fingerprint = try DTLSContext().fingerprint
        let text = fingerprint.description
        #expect(text.hasPrefix("sha-256 "))
        #expect(text.utf8.count == 8 + 95)
        #expect(DTLSFingerprint(text) == fingerprint)
        #expect(DTLSFingerprint(text.lowercased()) == fingerprint)
        #expect(
            DTLSFingerprint(.sha512, [UInt8](repeating: 0xab, count: 64)).map { DTLSFingerprint($0.description) == $0 }
                == true)
    }

    @Test func `each context has its own certificate`() throws {
        #expect(try DTLSContext().fingerprint != DTLSContext().fingerprint)
    }

    @Test(arguments: [
        "", "sha-256", "sha-256 ", "sha-256 AB", "sha-1 AB:CD", "md5 AB",
        "sha-256 +1:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00",
        "sha-256 001:0:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00",
    ])
    func `rubbish is none`(_ text: String) { #expect(DTLSFingerprint(text) == nil) }
}
