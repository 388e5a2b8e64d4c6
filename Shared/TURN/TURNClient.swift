public import Addresses
internal import STUN
public import Time

/// The client's side of one allocation: gets it, keeps it, its permissions and its channels alive, and gives it back.
///
/// A machine without I/O. After each call that can cause requests (all but `write` and `nextDeadline`), let
/// `nextRequest` write until there is none, and call `timeout` when `nextDeadline` has come. The driver frames: over UDP
/// each call of `receive` gets a datagram, over TCP or TLS what `StreamFraming` cut out.
public struct TURNClient: Sendable {
    /// What there is.
    enum State: Sendable {
        case idle
        case allocating
        case allocated(Lease)
        case releasing(Lease)
    }

    struct Lease: Sendable {
        let allocation: TURNAllocation
        var expires: Instant
        var refreshAt: Instant
    }

    struct Permission: Sendable {
        var isGranted = false
        var refreshAt = Instant.distantFuture
    }

    struct Binding: Sendable {
        let peer: Endpoint
        var isBound = false
        /// Over for good: its number is not given to another, whom the server would refuse it (RFC 8656 §12).
        var isOver = false
        var refreshAt = Instant.distantFuture
    }

    let settings: TURNClientSettings
    var state = State.idle
    var authentication: LongTermAuthentication?
    var requests: [ClientRequest] = []
    var permissions: [IPAddress: Permission] = [:]
    /// By the channel's position.
    var bindings: [Binding] = []
    var channels: [Endpoint: ChannelNumber] = [:]

    /// A client that has asked for nothing yet.
    public init(_ settings: TURNClientSettings) { self.settings = settings }

    /// What the server gave; nil before and after.
    public var allocation: TURNAllocation? {
        switch state {
        case .allocated(let lease): lease.allocation
        default: nil
        }
    }

    /// When `timeout` is due; nil while nothing can happen by itself. O(requests + peers).
    public var nextDeadline: Instant? {
        var next = Instant.distantFuture
        for request in requests {
            if case .sent(let sent) = request.phase, !sent.isDue { next = min(next, sent.schedule.due) }
        }
        if case .allocated(let lease) = state {
            next = min(next, lease.refreshAt, lease.expires)
            for permission in permissions.values { next = min(next, permission.refreshAt) }
            for binding in bindings { next = min(next, binding.refreshAt) }
        }
        return next == .distantFuture ? nil : next
    }

    /// Asks for a relay address.
    public mutating func allocate() throws(TURNClientError) {
        guard case .idle = state else { throw .alreadyAllocated }
        state = .allocating
        permissions = [:]
        bindings = []
        channels = [:]
        requests = [ClientRequest(purpose: .allocate)]
    }

    /// Lets a peer's address in, whatever its port (RFC 8656 §10), and keeps it let in. Asking twice does nothing.
    public mutating func permit(_ address: IPAddress) throws(TURNClientError) {
        try check(address)
        guard permissions[address] == nil else { return }
        guard permissions.count < settings.maximumPeers else { throw .tooManyPeers(limit: settings.maximumPeers) }
        permissions[address] = Permission()
        requests.append(ClientRequest(purpose: .permit(address)))
    }

    /// Lets a channel stand for a peer, and keeps it so; the peer is permitted thereby. Gives the channel's number, which
    /// is of use once `.bound` says so. Asking twice gives the same.
    public mutating func bind(_ peer: Endpoint) throws(TURNClientError) -> ChannelNumber {
        try check(peer.address)
        if let channel = channels[peer] { return channel }
        let limit = min(settings.maximumPeers, ChannelNumber.count)
        guard bindings.count < limit else { throw .tooManyPeers(limit: limit) }
        let channel = ChannelNumber(position: bindings.count)
        bindings.append(Binding(peer: peer))
        channels[peer] = channel
        requests.append(ClientRequest(purpose: .bind(channel, peer)))
        return channel
    }

    /// Gives the allocation back. `.released` tells when the server has heard it, or `.lost` that it has not.
    public mutating func release() throws(TURNClientError) {
        guard case .allocated(let lease) = state else { throw .notAllocated }
        state = .releasing(lease)
        requests = [ClientRequest(purpose: .refresh(isRelease: true))]
    }

    /// The channel that stands for a peer; nil unless bound.
    public func channel(of peer: Endpoint) -> ChannelNumber? {
        guard let channel = channels[peer], bindings[channel.position].isBound else { return nil }
        return channel
    }

    /// Forgets the allocation and all that hangs on it.
    mutating func end() {
        state = .idle
        requests = []
        permissions = [:]
        bindings = []
        channels = [:]
    }

    private func check(_ address: IPAddress) throws(TURNClientError) {
        guard let allocation else { throw .notAllocated }
        guard allocation.relayed.contains(where: { $0.address.family == address.family }) else {
            throw .noRelayAddress(address.family)
        }
    }
}
