import Addresses
import Logging
import PacketIO
import STUN
import ServiceKit
import Synchronization
import TURN
import TURNServer
import Time

/// What the machines are configured with: from keys, which stay, and files, which SIGHUP reads anew.
final class TurnSettings: Sendable {
    private let keys: ServiceConfiguration
    private let relayAddresses: [IPAddress]
    private let services: [PeerRange]
    private let randomKey: NonceKey
    private let logger: Logger
    private let state: Mutex<TURNServerConfiguration>

    /// Reads the files. Throws what is wrong with them.
    ///
    /// - Parameters:
    ///   - relayAddresses: from where it relays, for `external-ip`.
    ///   - services: the cluster's own addresses, which no client may be relayed to.
    init(
        _ keys: ServiceConfiguration, relayAddresses: [IPAddress], services: [PeerRange], logger: Logger
    ) throws(ServiceFailure) {
        var random = SystemRandomNumberGenerator()
        randomKey = NonceKey(using: &random)
        self.keys = keys
        self.relayAddresses = relayAddresses
        self.services = services
        self.logger = logger
        state = Mutex(
            try TurnSettings.read(
                keys, relayAddresses: relayAddresses, services: services, randomKey: randomKey, logger))
    }

    /// The settings now.
    var current: TURNServerConfiguration { state.withLock { $0 } }

    /// Whether anyone can prove themselves to this server. Without credentials it answers STUN alone.
    var hasCredentials: Bool { keys[TurnKeys.secretFile] != nil || keys[TurnKeys.usersFile] != nil }

    /// Reads the files anew; on failure the old settings stay.
    func reload() throws(ServiceFailure) -> TURNServerConfiguration {
        var fresh = try TurnSettings.read(
            keys, relayAddresses: relayAddresses, services: services, randomKey: randomKey, logger)
        state.withLock { state in
            fresh.acceptsAllocations = state.acceptsAllocations
            state = fresh
        }
        return fresh
    }

    /// Refuses new allocations from now on, or takes them again.
    func accept(_ accepts: Bool) -> TURNServerConfiguration {
        state.withLock { state in
            state.acceptsAllocations = accepts
            return state
        }
    }

    private static func read(
        _ keys: ServiceConfiguration, relayAddresses: [IPAddress], services: [PeerRange], randomKey: NonceKey,
        _ logger: Logger
    ) throws(ServiceFailure) -> TURNServerConfiguration {
        var secrets: [SharedSecret] = []
        if let path = keys[TurnKeys.secretFile] {
            let file = try CredentialFiles.secrets(at: path)
            secrets = file.secrets
            for warning in file.warnings {
                logger.warning("the secret file should be mended", metadata: ["reason": "\(warning)"])
            }
        }
        // Of the secret, so that a nonce of one server is good at all others of the fleet.
        var configuration = TURNServerConfiguration(nonceKey: secrets.first.flatMap(nonceKey) ?? randomKey)
        configuration.realm = keys[TurnKeys.realm]
        configuration.secrets = secrets
        if let path = keys[TurnKeys.usersFile] {
            configuration.users = try CredentialFiles.users(at: path, realm: configuration.realm)
        }
        configuration.nonceAge = interval(keys[TurnKeys.nonceAge])
        configuration.maximumLifetime = interval(keys[TurnKeys.maxLifetime])
        configuration.defaultLifetime = min(configuration.defaultLifetime, configuration.maximumLifetime)
        configuration.userQuota = keys[TurnKeys.userQuota]
        configuration.totalQuota = keys[TurnKeys.totalQuota]
        configuration.asksForQuota = configuration.userQuota > 0 && !keys[TurnKeys.registry].isEmpty
        // Bytes inside, as they are counted; bits outside, as operators think of links.
        configuration.userBandwidth = keys[TurnKeys.userBandwidth] / 8
        configuration.totalBandwidth = keys[TurnKeys.totalBandwidth] / 8
        configuration.answersPerSecond = keys[TurnKeys.rate]
        let externals = externals(keys[TurnKeys.externalAddress], relayAddresses)
        configuration.policy = PeerPolicy(
            allowed: keys[TurnKeys.allowPeer].compactMap { AddressRange($0) },
            denied: keys[TurnKeys.denyPeer].compactMap { AddressRange($0) }, services: services,
            own: hostAddresses() + relayAddresses + externals.map(\.advertised))
        configuration.externalAddresses = externals
        let families = Set(relayAddresses.map(\.family))
        configuration.families = families == [.v4] ? .v4 : families == [.v6] ? .v6 : .both
        return configuration
    }

    /// The password of a name that no client can bring, since it does not begin with a time.
    private static func nonceKey(_ secret: SharedSecret) -> NonceKey? {
        NonceKey(
            STUNKey.userhash(username: TimeLimitedCredential.password(of: "nonce", secret: secret), realm: "roost"))
    }

    /// `PUBLIC/PRIVATE`, or `PUBLIC` for the relay address of its family.
    private static func externals(_ items: [String], _ relays: [IPAddress]) -> [ExternalAddress] {
        items.compactMap { item in
            let parts = item.split(separator: "/").compactMap { IPAddress(String($0)) }
            guard let advertised = parts.first else { return nil }
            let local = parts.count > 1 ? parts[1] : relays.first { $0.family == advertised.family }
            return local.map { ExternalAddress(local: $0, advertised: advertised) }
        }
    }

    private static func interval(_ duration: Duration) -> Interval {
        .milliseconds(duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000)
    }
}
