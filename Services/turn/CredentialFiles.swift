internal import Foundation
internal import Glibc
public import ServiceKit
public import TURN
public import TURNServer

/// The files that an operator keeps users and secrets in.
public enum CredentialFiles {
    /// Far more than any such file; a wrong path (a device) must not fill the memory.
    private static let sizeLimit = 64 << 20

    /// Reads one secret, or two for a rotation, and says what an operator should mend soon.
    public static func secrets(at path: String) throws(ServiceFailure) -> (secrets: [SharedSecret], warnings: [String])
    {
        let file = try SecretFile(path: path, most: 2, key: TurnKeys.secretFile.name)
        return (file.secrets.compactMap { SharedSecret($0) }, file.warnings)
    }

    /// A text as RFC 8265 has it in its profile OpaqueString, which RFC 8489 §9.2.2 wants realm, name and password to be in: other
    /// spaces become ASCII's, and accents are one with their letters (NFC). So a password is the same whichever way an editor
    /// wrote it. What the profile forbids, control characters say, is not looked for.
    public static func prepared(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            scalars.append(scalar.properties.generalCategory == .spaceSeparator ? " " : scalar)
        }
        return String(scalars).precomposedStringWithCanonicalMapping
    }

    /// Reads static users: `name:password` or `name:0xKEY`, perhaps after `user=` as in a turnserver.conf. `realm` is prepared.
    public static func users(at path: String, realm: String) throws(ServiceFailure) -> StaticUsers {
        let text = prepared(try text(of: path, key: TurnKeys.usersFile.name))
        let users: StaticUsers
        do throws(StaticUserError) {
            users = try StaticUsers(file: text, realm: realm)
        } catch {
            throw ServiceFailure("turn: \(path): \(error). A line is NAME:PASSWORD or NAME:0xKEY.")
        }
        // Emptied by mistake, say, while it serves: nobody could log in any more.
        guard users.count > 0 else {
            throw ServiceFailure("turn: \(path) has no user. Add one, or leave out --\(TurnKeys.usersFile.name).")
        }
        return users
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
