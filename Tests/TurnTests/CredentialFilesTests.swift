import Foundation
import ServiceKit
import Testing
import Turn

@Suite struct CredentialFilesTests {
    @Test func `users are plain, or hashed as turnadmin does, perhaps after user=`() throws {
        let path = try written(
            """
            # people
            alice:correct horse:battery
            user=bob:0x00112233445566778899aabbccddeeff
            """)
        defer { unsafe unlink(path) }
        _ = try CredentialFiles.users(at: path, realm: "roost.test")
    }

    /// RFC 8265 §4.2. Its examples, then accents apart from their letters, then what NFKC would change, as SASLprep did.
    @Test(arguments: [
        ("correct horse battery staple", "correct horse battery staple"), ("Correct Horse", "Correct Horse"),
        ("\u{3c0}\u{df}\u{e5}", "\u{3c0}\u{df}\u{e5}"), ("Jack of \u{2666}s", "Jack of \u{2666}s"),
        ("foo\u{1680}bar", "foo bar"), ("a\u{a0}b\u{3000}c\u{2009}d", "a b c d"), ("e\u{301}n\u{303}", "\u{e9}\u{f1}"),
        ("\u{fb01}x\u{2168}", "\u{fb01}x\u{2168}"), ("\u{212b}", "\u{c5}"),
    ])
    func `texts are prepared as the RFC says`(text: String, expected: String) {
        // Not as strings, which are equal however their accents are written.
        #expect(Array(CredentialFiles.prepared(text).utf8) == Array(expected.utf8))
    }

    @Test(arguments: ["alice", ":secret", "alice:0x12", "alice:0xzz112233445566778899aabbccddeeff"])
    func `a line that is no user is refused, and never repeated in the message`(line: String) throws {
        let path = try written("bob:fine\n\(line)\n")
        defer { unsafe unlink(path) }
        let failure = #expect(throws: ServiceFailure.self) { try CredentialFiles.users(at: path, realm: "roost.test") }
        #expect(failure?.message.contains(line) == false)
    }

    @Test func `one secret or two, long enough`() throws {
        let old = "0123456789abcdef", new = "fedcba9876543210"
        for (text, expected) in [(old, [old]), ("\(new)\n# before:\n\(old)\n", [new, old])] {
            let path = try written(text)
            defer { unsafe unlink(path) }
            #expect(try CredentialFiles.secrets(at: path).secrets.count == expected.count)
        }
        for text in ["", "short\n", "\(old)\n\(old)\n\(old)\n"] {
            let path = try written(text)
            defer { unsafe unlink(path) }
            #expect(throws: ServiceFailure.self) { try CredentialFiles.secrets(at: path) }
        }
        #expect(throws: ServiceFailure.self) { try CredentialFiles.secrets(at: "/nowhere/secrets") }
    }

    private func written(_ text: String) throws -> String {
        let path = "/tmp/roost-credentials-\(UInt64.random(in: .min ... .max))"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        return path
    }
}
