package import Logging
import ServiceKit
import Synchronization
package import TURN
package import Time

/// The secret that the cluster shares with its turn servers, and the credentials made with it.
///
/// The file's first line signs. A second one is for turn servers alone, which take both while one replaces the other.
package final class TurnSecrets: Sendable {
    /// How long a credential lasts. A browser refreshes an allocation with the credential that it began with, so one must
    /// outlive the longest call: a day, as draft-uberti-behave-turn-rest-00 §2.2 advises, too.
    package static let defaultLifetime = Duration.seconds(86_400)
    /// Shorter ones end calls that are just set up; longer ones make a leaked credential last.
    package static let lifetimes = Duration.seconds(1)...Duration.seconds(30 * 86_400)

    private let path: String
    private let key: String
    private let logger: Logger
    private let signing: Mutex<SharedSecret>
    /// How long a credential lasts for who wants none that is shorter.
    package let lifetime: Interval

    /// Reads the file; throws where it cannot be used. `key` is the configuration key that names it.
    package init(path: String, key: String, lifetime: Interval, logger: Logger) throws {
        self.path = path
        self.key = key
        self.lifetime = lifetime
        self.logger = logger
        signing = Mutex(try Self.read(path, key, logger))
    }

    /// Reads the file again; on failure the old secret goes on signing.
    package func reload() throws {
        let fresh = try Self.read(path, key, logger)
        signing.withLock { $0 = fresh }
    }

    /// A fresh credential of this user, which lasts as long as each unless said otherwise.
    package func credential(for user: String, lasting: Interval? = nil, now: WallTime) -> TimeLimitedCredential {
        TimeLimitedCredential(
            user: user.isEmpty ? nil : user, expires: now + (lasting ?? lifetime), secret: signing.withLock { $0 })
    }

    private static func read(_ path: String, _ key: String, _ logger: Logger) throws -> SharedSecret {
        let file = try SecretFile(path: path, most: 2, key: key)
        for warning in file.warnings {
            logger.warning("the turn secret file should be mended", metadata: ["reason": "\(warning)"])
        }
        guard let first = file.secrets.first, let secret = SharedSecret(first) else {
            throw ServiceFailure("\(path) holds no secret. Check --\(key).")
        }
        return secret
    }
}
