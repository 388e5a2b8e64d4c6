import Foundation
import ServiceKit
import Testing

/// Files of secrets.
@Suite struct SecretFileTests {
    private func read(_ text: String, mode: Int = 0o600, most: Int = 2) throws -> SecretFile {
        let path = NSTemporaryDirectory() + "/secret-\(UInt32.random(in: 0 ... .max))"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return try SecretFile(path: path, most: most, key: "secret-file")
    }

    @Test func `secrets are lines, without the spaces around them`() throws {
        let file = try read("# of turn\n\n  first secret of some length\t\r\n\nsecond-secret-of-some-length")
        #expect(file.secrets == ["first secret of some length", "second-secret-of-some-length"])
        #expect(file.warnings.isEmpty)
    }

    @Test(
        arguments: [
            "", " \n\n", "# none\n", "one-secret-of-length\ntwo-secret-of-length\nthree-secret-of-length", "short",
            String(repeating: "a", count: 5_000), "a-secret-with-\0-in-it",
        ])
    func `what is no file of secrets is refused`(text: String) {
        #expect(throws: ServiceFailure.self) { try read(text) }
    }

    @Test(arguments: [(0o600, 0), (0o640, 0), (0o400, 0), (0o644, 1), (0o620, 1), (0o602, 1)])
    func `who else can read or change it is warned of`(mode: Int, warnings: Int) throws {
        #expect(try read("a-secret-of-some-length", mode: mode).warnings.count == warnings)
    }

    @Test func `nothing that is said holds a secret`() throws {
        let file = try read("a-secret-of-some-length", mode: 0o644)
        #expect(!"\(file) \(file.warnings) \(String(reflecting: file))".contains("a-secret-of"))
        do {
            _ = try read("one-secret\ntwo")
            Issue.record("took a short secret")
        } catch {
            #expect(!"\(error)".contains("one-"))
        }
    }

    @Test func `a file that is not there is named`() {
        do {
            _ = try SecretFile(path: "/nowhere/secret", most: 2, key: "secret-file")
            Issue.record("read a file that is not there")
        } catch {
            #expect(error.message.contains("/nowhere/secret") && error.message.contains("--secret-file"))
        }
    }
}
