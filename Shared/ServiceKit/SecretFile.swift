import Glibc

/// A file of secrets, one a line, `#` begins a comment: so that no secret stands in a command line or an environment, where others can read it.
///
/// Its text and its errors never say what a secret is.
public struct SecretFile: Sendable, CustomStringConvertible, CustomReflectable {
    /// A secret shorter than this is found by trying, from one password that it made: 16 characters are 96 bits of base64.
    public static let shortest = 16
    /// A longer file is not a file of secrets.
    private static let limit = 4_096

    /// The secrets, in the order of the file, without spaces at either end.
    public let secrets: [String]
    /// What an operator should mend soon, a sentence each.
    public let warnings: [String]

    /// Reads a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - most: How many secrets it may hold.
    ///   - key: The configuration key that names it, for errors.
    /// - Throws: `ServiceFailure` where it cannot be read, or holds no secret, too many, or one that can be guessed.
    public init(path: String, most: Int, key: String) throws(ServiceFailure) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ServiceFailure("cannot read \(path): \(errorText(errno)). Check --\(key) and the file's owner.")
        }
        defer { close(descriptor) }
        var information = stat()
        guard unsafe fstat(descriptor, &information) == 0 else {
            throw ServiceFailure("cannot look at \(path): \(errorText(errno)). Check --\(key).")
        }
        var bytes = [UInt8](repeating: 0, count: Self.limit + 1)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw ServiceFailure("cannot read \(path): \(errorText(errno)). Check --\(key).") }
        guard count <= Self.limit, let text = String(validating: bytes.prefix(count), as: UTF8.self),
            !text.unicodeScalars.contains("\0")
        else {
            throw ServiceFailure("\(path) is no file of secrets: expected text, one secret a line. Check --\(key).")
        }
        let lines = text.split(whereSeparator: \.isNewline).map { line in
            String(line.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        }
        secrets = lines.filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard (1...most).contains(secrets.count) else {
            throw ServiceFailure(
                "\(path) holds \(secrets.count) secrets: expected \(most == 1 ? "one" : "1 to \(most), one a line"). "
                    + "Write one, such as openssl rand -base64 32 makes, or check --\(key).")
        }
        guard secrets.allSatisfy({ $0.utf8.count >= Self.shortest }) else {
            throw ServiceFailure(
                "a secret in \(path) has less than \(Self.shortest) bytes and can be guessed: "
                    + "openssl rand -base64 32 makes a good one.")
        }
        var warnings: [String] = []
        // Reading is enough to make credentials; writing is enough to choose the secret.
        if information.st_mode & 0o006 != 0 || information.st_mode & 0o020 != 0 {
            warnings.append("other users can read or change \(path): chmod 600 (or 640, for a group of its readers)")
        }
        self.warnings = warnings
    }

    /// How many there are.
    public var description: String { "(\(secrets.count) secrets)" }

    /// Says nothing of the secrets.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
