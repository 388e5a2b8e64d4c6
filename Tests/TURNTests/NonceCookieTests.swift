import TURN
import Testing

struct NonceCookieTests {
    /// RFC 8489 appendix B.1, whose client hides its name: bit 1, counted from the right (erratum 6290).
    @Test func `the RFC's nonce is read`() {
        let nonce = Array("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA".utf8)

        #expect(NonceCookie(nonce: nonce) == .usernameAnonymity)
        #expect(String(decoding: NonceCookie.usernameAnonymity.bytes, as: UTF8.self) == "obMatJos2AAAC")
    }

    @Test func `what is written is read again`() {
        for bits in [0, 1, 2, 3, 0x80_0000, 0xff_ffff, 0x12_3456] as [UInt32] {
            #expect(NonceCookie(nonce: NonceCookie(rawValue: bits).bytes + [0x21]) == NonceCookie(rawValue: bits))
        }
    }

    @Test(arguments: [
        "", "obMatJos2", "obMatJos2AAA", "obMatJos2AA=A", "obMatJos2 AAA", "obMatJos1AAAA", "nonce-without-any",
    ])
    func `other nonces have none`(nonce: String) {
        #expect(NonceCookie(nonce: Array(nonce.utf8)) == nil)
    }
}
