internal import Glibc
public import ServiceKit
public import TURN
public import TURNServer

/// The files that an operator keeps users and secrets in.
public enum CredentialFiles {
    /// Far more than any such file; a wrong path (a device) must not fill the memory.
    private static let sizeLimit = 64 << 20

    /// Reads one secret, or two for a rotation: a line each, `#` begins a comment.
    public static func secrets(at path: String) throws(ServiceFailure) -> [SharedSecret] {
        let lines = try text(of: path, key: TurnKeys.secretFile.name)
            .split(whereSeparator: \.isNewline).map(trimmed).filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard (1...2).contains(lines.count) else {
            throw ServiceFailure(
                "turn: \(path) holds \(lines.count) secrets. It must hold one, or two while one replaces the other.")
        }
        guard lines.allSatisfy({ $0.utf8.count >= 16 }) else {
            throw ServiceFailure(
                "turn: a secret in \(path) is shorter than 16 bytes: it can be guessed. `openssl rand -hex 32` makes one."
            )
        }
        return lines.compactMap { SharedSecret($0) }
    }

    /// Reads static users: `name:password` or `name:0xKEY`, perhaps after `user=` as in a turnserver.conf.
    public static func users(at path: String, realm: String) throws(ServiceFailure) -> StaticUsers {
        let text = try text(of: path, key: TurnKeys.usersFile.name)
        do throws(StaticUserError) {
            return try StaticUsers(file: text, realm: realm)
        } catch {
            throw ServiceFailure("turn: \(path): \(error). A line is NAME:PASSWORD or NAME:0xKEY.")
        }
    }

    private static func trimmed(_ line: Substring) -> String {
        var line = line.drop { $0 == " " || $0 == "\t" }
        while let last = line.last, last == " " || last == "\t" { line = line.dropLast() }
        return String(line)
    }

    private static func text(of path: String, key: String) throws(ServiceFailure) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ServiceFailure("turn: cannot read \(path): \(errorText(errno)). Check --\(key).")
        }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while text.count < sizeLimit {
            let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }
}
