import Addresses
import Logging
import PacketIO
import STUN
import ServiceKit
import Synchronization
import TURN
import TURNServer
import Time

/// What the machines are configured with: from keys and files, both of which SIGHUP reads anew.
final class TurnSettings: Sendable {
    private struct State {
        var configuration: TURNServerConfiguration
        /// As they were read last.
        var keys: ServiceConfiguration
    }

    /// As they were at the start: what sockets, the registry and clients were told by then stays.
    private let started: ServiceConfiguration
    private let relayAddresses: [IPAddress]
    /// Where relays may be, as peers may name them: where they are bound, and outside a NAT.
    let relayRanges: [PeerRange]
    private let services: [PeerRange]
    private let randomKey: NonceKey
    private let logger: Logger
    private let state: Mutex<State>

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
        started = keys
        self.relayAddresses = relayAddresses
        self.services = services
        self.logger = logger
        let externals = try TurnSettings.externals(keys[TurnKeys.externalAddress], relayAddresses)
        let ports = keys[TurnKeys.relayPorts]
        relayRanges = Set(relayAddresses + externals.map(\.advertised)).filter { !$0.isUnspecified }.map {
            PeerRange(address: $0, ports: ports)
        }
        let configuration = try TurnSettings.read(
            keys, started: keys, relays: (relayAddresses, relayRanges), services: services, randomKey: randomKey, logger
        )
        state = Mutex(State(configuration: configuration, keys: keys))
    }

    /// The settings now.
    var current: TURNServerConfiguration { state.withLock { $0.configuration } }

    /// Whether anyone can prove themselves to this server. Without credentials it answers STUN alone.
    var hasCredentials: Bool { started[TurnKeys.secretFile] != nil || started[TurnKeys.usersFile] != nil }

    /// The keys that need no restart. With a registry, the quota of users is what that was told at the start.
    private var live: Set<String> {
        var names = Set(
            [TurnKeys.allowPeer, TurnKeys.denyPeer].map(\.name)
                + [
                    TurnKeys.totalQuota, TurnKeys.userBandwidth, TurnKeys.totalBandwidth, TurnKeys.rate,
                    TurnKeys.drainFloor,
                ].map(\.name) + [TurnKeys.maxLifetime, TurnKeys.nonceAge].map(\.name))
        if started[TurnKeys.registry].isEmpty { names.insert(TurnKeys.userQuota.name) }
        return names
    }

    /// How many allocations a drain leaves.
    var drainFloor: Int { state.withLock { $0.keys[TurnKeys.drainFloor] } }

    /// Takes keys that were read anew, and reads the files; on failure the old settings stay. Says which changes wait for a
    /// restart.
    func reload(_ keys: ServiceConfiguration) throws(ServiceFailure) {
        var fresh = try TurnSettings.read(
            keys, started: started, relays: (relayAddresses, relayRanges), services: services, randomKey: randomKey,
            logger)
        let before = state.withLock { state in
            fresh.acceptsAllocations = state.configuration.acceptsAllocations
            defer { state = State(configuration: fresh, keys: keys) }
            return state.keys
        }
        let live = live
        let changed = keys.changes(from: before).filter { live.contains($0) }
        if !changed.isEmpty {
            logger.info("settings changed", metadata: ["keys": "\(changed.joined(separator: ","))"])
        }
        let waiting = keys.changes(from: started).filter { !live.contains($0) }
        if !waiting.isEmpty {
            logger.warning(
                "some settings changed that need a restart", metadata: ["keys": "\(waiting.joined(separator: ","))"])
        }
    }

    /// Refuses new allocations from now on.
    func refuseAllocations() { state.withLock { $0.configuration.acceptsAllocations = false } }

    private static func read(
        _ keys: ServiceConfiguration, started: ServiceConfiguration,
        relays: (addresses: [IPAddress], ranges: [PeerRange]), services: [PeerRange], randomKey: NonceKey,
        _ logger: Logger
    ) throws(ServiceFailure) -> TURNServerConfiguration {
        var secrets: [SharedSecret] = []
        if let path = started[TurnKeys.secretFile] {
            let file = try CredentialFiles.secrets(at: path)
            secrets = file.secrets
            for warning in file.warnings {
                logger.warning("the secret file should be mended", metadata: ["reason": "\(warning)"])
            }
        }
        // Of the secret, so that a nonce of one server is good at all others of the fleet.
        var configuration = TURNServerConfiguration(nonceKey: secrets.first.flatMap(nonceKey) ?? randomKey)
        configuration.realm = started[TurnKeys.realm]
        configuration.secrets = secrets
        if let path = started[TurnKeys.usersFile] {
            configuration.users = try CredentialFiles.users(at: path, realm: configuration.realm)
        }
        configuration.nonceAge = interval(keys[TurnKeys.nonceAge])
        configuration.maximumLifetime = interval(keys[TurnKeys.maxLifetime])
        configuration.defaultLifetime = min(configuration.defaultLifetime, configuration.maximumLifetime)
        let isAlone = started[TurnKeys.registry].isEmpty
        configuration.userQuota = (isAlone ? keys : started)[TurnKeys.userQuota]
        configuration.totalQuota = keys[TurnKeys.totalQuota]
        configuration.asksForQuota = configuration.userQuota > 0 && !isAlone
        // Bytes inside, as they are counted; bits outside, as operators think of links. Rounded up, as 0 is no bound.
        configuration.userBandwidth = (keys[TurnKeys.userBandwidth] + 7) / 8
        configuration.totalBandwidth = (keys[TurnKeys.totalBandwidth] + 7) / 8
        configuration.answersPerSecond = keys[TurnKeys.rate]
        let externals = try externals(started[TurnKeys.externalAddress], relays.addresses)
        configuration.policy = PeerPolicy(
            allowed: keys[TurnKeys.allowPeer].compactMap { AddressRange($0) },
            denied: keys[TurnKeys.denyPeer].compactMap { AddressRange($0) }, services: services,
            own: hostAddresses() + relays.addresses + externals.map(\.advertised), ownRelays: relays.ranges)
        configuration.externalAddresses = externals
        let families = Set(relays.addresses.map(\.family))
        configuration.families = families == [.v4] ? .v4 : families == [.v6] ? .v6 : .both
        return configuration
    }

    /// The password of a name that no client can bring, since it does not begin with a time.
    private static func nonceKey(_ secret: SharedSecret) -> NonceKey? {
        NonceKey(
            STUNKey.userhash(username: TimeLimitedCredential.password(of: "nonce", secret: secret), realm: "roost"))
    }

    /// `PUBLIC/PRIVATE`, or `PUBLIC` for the relay address of its family.
    private static func externals(
        _ items: [String], _ relays: [IPAddress]
    ) throws(ServiceFailure) -> [ExternalAddress] {
        var externals: [ExternalAddress] = []
        for item in items {
            let parts = item.split(separator: "/").compactMap { IPAddress(String($0)) }
            guard let advertised = parts.first else { continue }
            let local = parts.count > 1 ? parts[1] : relays.first { $0.family == advertised.family }
            guard let local, relays.contains(local) else {
                let known = relays.map(\.description).joined(separator: ", ")
                throw ServiceFailure(
                    "turn: --external-ip \(item) is for an address that nothing is relayed from (that is \(known)). "
                        + "Write PUBLIC/PRIVATE with one of those, or set --relay-address.")
            }
            externals.append(ExternalAddress(local: local, advertised: advertised))
        }
        return externals
    }

    private static func interval(_ duration: Duration) -> Interval {
        .milliseconds(duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000)
    }
}
