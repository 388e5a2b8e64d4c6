internal import Addresses
internal import Bytes
internal import STUN
internal import TURN
internal import Time

// CreatePermission (RFC 8656 §10.2) and ChannelBind (§12.2): the only places where a peer is let in.

extension TURNServer {
    /// RFC 8656 §9: fixed, so that the client knows.
    static let permissionLifetime = Interval.seconds(300)
    /// RFC 8656 §12: fixed as well.
    static let channelLifetime = Interval.seconds(600)

    /// CreatePermission: each of its peers, or none.
    mutating func permit(
        _ message: STUNMessage, _ request: Request, _ credentials: Credentials, now: Instant,
        output: inout OutputRawSpan
    ) throws(Refusal) -> TURNAction {
        let allocation = try allocation(of: request, credentials)
        // Each address once, so that a message with thousands of peers costs no more than the limit's worth.
        var addresses: Set<IPAddress> = []
        do throws(STUNError) {
            try message.forEachPeerAddress { addresses.insert($0.address) }
        } catch {
            throw Refusal(error)
        }
        guard !addresses.isEmpty else { throw Refusal(.badRequest) }
        guard addresses.count <= configuration.permissionLimit else { throw Refusal(.insufficientCapacity) }
        var peers: [(address: IPAddress, isByPort: Bool)] = []
        var count = Int(table.allocations.rows[allocation].permissionCount)
        for address in addresses {
            peers.append((address, try judge(address, of: allocation)))
            if table.permission(for: address, of: allocation) == nil { count += 1 }
        }
        guard count <= configuration.permissionLimit else { throw Refusal(.insufficientCapacity) }
        let expires = now + TURNServer.permissionLifetime
        for peer in peers {
            table.permit(peer.address, of: allocation, isByPort: peer.isByPort, until: expires)
        }
        heap.lower(allocation, to: expires)
        return succeed(request, output: &output) { (_, _) throws(STUNError) in }
    }

    /// ChannelBind: ties a number and a peer to each other, and lets the peer's address in.
    mutating func bindChannel(
        _ message: STUNMessage, _ request: Request, _ credentials: Credentials, now: Instant,
        output: inout OutputRawSpan
    ) throws(Refusal) -> TURNAction {
        let allocation = try allocation(of: request, credentials)
        let number: ChannelNumber
        let peer: Endpoint
        do throws(STUNError) {
            guard let stated = try message.channelNumber(), let address = try message.xorPeerAddress(),
                let channel = ChannelNumber(rawValue: stated)
            else { throw .malformed(.channelNumber) }
            (number, peer) = (channel, address)
        } catch {
            throw Refusal(error)
        }
        // Either may be bound to the other only, also in the five minutes after a binding's end.
        let bound = table.channel(number.rawValue, of: allocation)
        guard bound == table.channel(to: peer, of: allocation) else { throw Refusal(.badRequest) }
        let isByPort = try judge(peer.address, of: allocation)
        guard refusal(of: peer) == nil else { throw Refusal(.forbidden) }
        let isNew = table.permission(for: peer.address, of: allocation) == nil
        let row = table.allocations.rows[allocation]
        guard bound != nil || Int(row.channelCount) < configuration.channelLimit,
            !isNew || Int(row.permissionCount) < configuration.permissionLimit
        else { throw Refusal(.insufficientCapacity) }
        let expires = now + TURNServer.channelLifetime
        if let bound {
            table.channels.rows[bound].expires = expires
        } else {
            table.insert(
                Channel(
                    allocation: Int32(allocation), number: number.rawValue, isOwn: table.isOwn(peer.address),
                    peer: peer, expires: expires, permitted: .zero, next: -1))
        }
        let permitted = now + TURNServer.permissionLifetime
        table.permit(peer.address, of: allocation, isByPort: isByPort, until: permitted)
        heap.lower(allocation, to: permitted)
        return succeed(request, output: &output) { (_, _) throws(STUNError) in }
    }

    /// Whether the ports of an address matter. 443 where the allocation has no relay of its family, 403 where the policy
    /// refuses all its ports.
    private func judge(_ address: IPAddress, of allocation: Int) throws(Refusal) -> Bool {
        guard table.allocations.rows[allocation].relay(address.family) >= 0 else {
            throw Refusal(.peerAddressFamilyMismatch)
        }
        switch verdict(on: address) {
        case .allowed: return false
        case .byPort: return true
        case .refused: throw Refusal(.forbidden)
        }
    }

    /// The policy's verdict; but this process's own relays are nobody's private services, wherever they are.
    func verdict(on address: IPAddress) -> PeerPolicy.AddressVerdict {
        let verdict = configuration.policy.verdict(on: address, isOwn: table.isOwn(address))
        return verdict == .refused(.range) && limits.relays.hasAny(on: address) ? .byPort : verdict
    }

    /// Why a peer is refused; nil if it is allowed. Asked for each packet only where `verdict` says `byPort`, and for a relay
    /// that another worker may have.
    func refusal(of peer: Endpoint) -> PeerPolicy.Refusal? {
        let isOwn = table.isOwn(peer.address)
        guard let refusal = configuration.policy.refusal(of: peer, isOwn: isOwn) else { return nil }
        return refusal == .range && limits.relays.hasOne(at: peer) ? nil : refusal
    }
}
