public import Addresses

/// Which peers a client may reach: pure, and asked when a permission or a channel is made, not for each packet.
///
/// In order: a denied range refuses. An allowed range allows. A service of the cluster is refused. An exact peer is allowed.
/// A range of `RefusedRanges`, and any address of this host, is refused: from inside, its every port would be reached past the
/// host's firewall. All else is allowed. An IPv6 address that holds IPv4 addresses (IPv4-mapped, IPv4-compatible, 6to4, NAT64:
/// one, Teredo: two) is refused for any of them, and allowed by itself or by all of them.
public struct PeerPolicy: Sendable {
    /// Why a peer is refused.
    public enum Refusal: Sendable {
        /// The configuration denies it.
        case denied
        /// It is a service of the cluster.
        case service
        /// It is in a range that is refused unless allowed, or an address of this host.
        case range
        /// Port 0 is nobody's.
        case port
    }

    /// What holds for all ports of an address.
    public enum AddressVerdict: Sendable, Equatable {
        /// Each is allowed.
        case allowed
        /// It depends on the port: ask for the endpoint.
        case byPort
        /// None is allowed.
        case refused(Refusal)
    }

    private let allowed: [AddressRange]
    private let denied: [AddressRange]
    private let services: ExactPeers
    private let own: ExactPeers
    private let ownRelays: Set<PeerRange>
    private var allowedPeers: ExactPeers

    /// - Parameters:
    ///   - allowed: beats all but `denied`.
    ///   - denied: beats all.
    ///   - services: the cluster's own addresses (Redis, bus, admin), wherever they are.
    ///   - own: the host's addresses, and those that a NAT gives it: refused as `RefusedRanges` are.
    ///   - ownRelays: the ranges of this server's own relay ports, as it states them to the registry.
    ///   - allowedPeers: the registry's exact list; beats the refused ranges and nothing else.
    public init(
        allowed: [AddressRange] = [], denied: [AddressRange] = [], services: [PeerRange] = [], own: [IPAddress] = [],
        ownRelays: [PeerRange] = [], allowedPeers: [PeerRange] = []
    ) {
        self.allowed = allowed
        self.denied = denied
        self.services = ExactPeers(services)
        self.own = ExactPeers(own.map { PeerRange(address: $0) })
        self.ownRelays = Set(ownRelays)
        self.allowedPeers = ExactPeers([])
        set(allowedPeers: allowedPeers)
    }

    /// Replaces the exact list, `ownRelays` left out: the registry tells each server of all, itself among them, but which of its
    /// own ports are relays it knows itself (`SharedRelays`), and on the others of its range any program may listen.
    public mutating func set(allowedPeers: [PeerRange]) {
        self.allowedPeers = ExactPeers(allowedPeers.filter { !ownRelays.contains($0) })
    }

    /// Takes over the exact list of another policy.
    mutating func setAllowedPeers(of other: PeerPolicy) { allowedPeers = other.allowedPeers }

    /// Why a peer is refused; nil if it is allowed. `isOwn` says that its address is this host's, beside those named before.
    public func refusal(of peer: Endpoint, isOwn: Bool = false) -> Refusal? {
        guard peer.port != 0 else { return .port }
        let (address, forms) = (peer.address, PeerPolicy.forms(of: peer.address))
        if isDenied(address, forms) { return .denied }
        if isAllowed(address, forms) { return nil }
        if services.contain(address, peer.port) { return .service }
        for form in forms where services.contain(form, peer.port) { return .service }
        if allowedPeers.contain(address, peer.port) { return nil }
        return isOwn || isRefused(address, forms) ? .range : nil
    }

    /// What holds for an address, whatever the port: for permissions (RFC 8656 §9 has them for addresses alone).
    public func verdict(on address: IPAddress, isOwn: Bool = false) -> AddressVerdict {
        let forms = PeerPolicy.forms(of: address)
        if isDenied(address, forms) { return .refused(.denied) }
        if isAllowed(address, forms) { return .allowed }
        var dependsOnPort = false
        for form in [address] + forms {
            switch services.coverage(of: form) {
            case .whole: return .refused(.service)
            case .some: dependsOnPort = true
            case .none: break
            }
        }
        let isRefused = isOwn || isRefused(address, forms)
        switch allowedPeers.coverage(of: address) {
        case .whole: return dependsOnPort ? .byPort : .allowed
        case .some where isRefused: return .byPort
        case .some, .none: break
        }
        if isRefused { return .refused(.range) }
        return dependsOnPort ? .byPort : .allowed
    }

    /// Whether an address is refused unless allowed.
    private func isRefused(_ address: IPAddress, _ forms: [IPAddress]) -> Bool {
        if RefusedRanges.contains(address) || own.coverage(of: address) == .whole { return true }
        for form in forms where own.coverage(of: form) == .whole { return true }
        return false
    }

    private func isDenied(_ address: IPAddress, _ forms: [IPAddress]) -> Bool {
        if PeerPolicy.hold(denied, address) { return true }
        for form in forms where PeerPolicy.hold(denied, form) { return true }
        return false
    }

    /// A Teredo address whose server alone is allowed leads to its client, who is not.
    private func isAllowed(_ address: IPAddress, _ forms: [IPAddress]) -> Bool {
        if PeerPolicy.hold(allowed, address) { return true }
        for form in forms where !PeerPolicy.hold(allowed, form) { return false }
        return !forms.isEmpty
    }

    private static func hold(_ ranges: [AddressRange], _ address: IPAddress) -> Bool {
        for range in ranges where range.contains(address) { return true }
        return false
    }

    /// The IPv4 addresses inside of an address. Allocates, unless there are none.
    private static func forms(of address: IPAddress) -> [IPAddress] {
        guard address.family == .v6, let first = EmbeddedV4.first(in: address) else { return [] }
        guard let second = EmbeddedV4.second(in: address) else { return [IPAddress(v4: first)] }
        return [IPAddress(v4: first), IPAddress(v4: second)]
    }
}

/// Exact peers, found in a time that grows with the logarithm of their number.
struct ExactPeers: Sendable {
    enum Coverage {
        case none
        case some
        case whole
    }

    /// Sorted by address.
    private let peers: [PeerRange]

    init(_ peers: [PeerRange]) {
        self.peers = peers.sorted { ExactPeers.isBefore($0.address, $1.address) }
    }

    func contain(_ address: IPAddress, _ port: UInt16) -> Bool {
        var index = firstIndex(of: address)
        while index < peers.count, ExactPeers.isSame(peers[index].address, address) {
            if peers[index].ports.contains(port) { return true }
            index += 1
        }
        return false
    }

    func coverage(of address: IPAddress) -> Coverage {
        var index = firstIndex(of: address)
        var coverage = Coverage.none
        while index < peers.count, ExactPeers.isSame(peers[index].address, address) {
            // Port 0 is refused anyhow.
            if peers[index].ports.lowerBound <= 1, peers[index].ports.upperBound == 65_535 { return .whole }
            coverage = .some
            index += 1
        }
        return coverage
    }

    private func firstIndex(of address: IPAddress) -> Int {
        var (low, high) = (0, peers.count)
        while low < high {
            let middle = (low + high) / 2
            if ExactPeers.isBefore(peers[middle].address, address) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func isBefore(_ left: IPAddress, _ right: IPAddress) -> Bool {
        (left.family.rawValue, left.high, left.low) < (right.family.rawValue, right.high, right.low)
    }

    private static func isSame(_ left: IPAddress, _ right: IPAddress) -> Bool {
        (left.family.rawValue, left.high, left.low) == (right.family.rawValue, right.high, right.low)
    }
}
