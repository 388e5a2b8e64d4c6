public import Addresses
internal import Bytes
internal import STUN
internal import TURN
public import Time

// A packet's way, from a client to a peer and back. No allocation, no reference, at most three probes of flat tables.

extension TURNServer {
    /// Takes what a client sent: one datagram, or one message that `StreamFraming` cut out of a stream.
    public mutating func receive(
        _ bytes: RawSpan, from flow: Flow, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        guard ChannelData.looksLikeChannelData(bytes) else {
            return receive(message: bytes, from: flow, now: now, output: &output)
        }
        let length = Int(bytes.uint16(at: 2))
        guard length <= bytes.byteCount &- ChannelData.headerByteCount else { return drop(.malformed) }
        guard let allocation = live(flow) else { return drop(.noAllocation) }
        guard let channel = table.channel(bytes.uint16(at: 0), of: allocation),
            table.channels.rows[channel].expires > now
        else { return drop(.noChannel) }
        let start = ChannelData.headerByteCount
        return relay(
            start..<(start &+ length), of: allocation, to: table.channels.rows[channel].peer,
            isOwn: table.channels.rows[channel].isOwn, dontFragment: false, now: now, output: &output)
    }

    /// Takes what a peer sent to a relay.
    public mutating func receive(
        _ bytes: RawSpan, relay: RelayID, peer: Endpoint, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        guard let allocation = allocation(of: relay) else { return drop(.unknownRelay) }
        return deliver(
            0..<bytes.byteCount, to: allocation, from: isMapped ? advertised(peer) : peer, now: now, output: &output)
    }

    /// Counts a datagram whose end did not fit the worker's buffer: it goes nowhere.
    public mutating func dropTruncated() { _ = drop(.truncated) }

    /// Takes an ICMP error for a datagram that a relay sent to a peer. The client hears of it if it is one of those that
    /// RFC 8656 §11.5 names, and the peer has a permission.
    public mutating func receive(
        icmp error: ICMPError, relay: RelayID, peer: Endpoint, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        guard let allocation = allocation(of: relay) else { return drop(.unknownRelay) }
        let peer = isMapped ? advertised(peer) : peer
        let isTold =
            switch peer.address.family {
            // Destination unreachable (with "fragmentation needed"), time exceeded.
            case .v4: error.type == 3 || error.type == 11
            // Destination unreachable, packet too big, time exceeded.
            case .v6: (1...3).contains(error.type)
            }
        guard isTold else { return drop(.otherICMP) }
        guard let permission = table.permission(for: peer.address, of: allocation),
            table.permissions.rows[permission].expires > now
        else { return drop(.noPermission) }
        // RFC 8656 §18.13: the MTU where there is one, else zeros, whatever a router put into those bytes.
        let hasMTU = peer.address.family == .v4 ? error.type == 3 && error.code == 4 : error.type == 2
        let transaction = TransactionID(high: transactions.next(), low: transactions.next())
        do throws(STUNError) {
            let writer = try STUNWriter(STUNHeader(.indication, .data, transaction), to: &output)
            try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
            try writer.addICMP(type: error.type, code: error.code, data: hasMTU ? error.data : 0, to: &output)
        } catch {
            preconditionFailure("an indication of 56 bytes does not fit its output: \(error)")
        }
        let flow = table.allocations.rows[allocation].flow
        return .toClient(TURNAction.ToClient(flow: flow, header: .written, start: 0, end: 0, padding: 0))
    }

    /// The allocation of a flow, if it relays.
    @inline(__always)
    mutating func live(_ flow: Flow) -> Int? {
        if recent < table.allocations.rows.count, Flow.same(table.allocations.rows[recent].flow, flow),
            table.allocations.rows[recent].state == .live
        {
            return recent
        }
        guard let allocation = table.allocation(of: flow), table.allocations.rows[allocation].state == .live else {
            return nil
        }
        recent = allocation
        return allocation
    }

    @inline(__always)
    private func allocation(of relay: RelayID) -> Int? {
        guard relay.index < table.relays.count else { return nil }
        let allocation = table.relays[relay.index].allocation
        return allocation < 0 ? nil : Int(allocation)
    }

    /// Another worker's relay, behind the same NAT, is known to clients by its address outside.
    private func advertised(_ peer: Endpoint) -> Endpoint {
        Endpoint(address: configuration.advertised(peer.address), port: peer.port)
    }

    /// Data from a client to a peer that it may reach.
    mutating func relay(
        _ payload: Range<Int>, of allocation: Int, to peer: Endpoint, isOwn: Bool, dontFragment: Bool, now: Instant,
        output: inout OutputRawSpan
    ) -> TURNAction {
        let relay = table.allocations.rows[allocation].relay(peer.address.family)
        guard relay >= 0 else { return drop(.noPermission) }
        var destination = peer
        var other: Int?
        if isOwn {
            other = table.relay(at: peer)
            if other == nil {
                // The relay that the peer was let in for may be gone by now, and its port another program's.
                guard let place = outside(peer) else { return drop(.refusedPeer) }
                destination = place
            }
        }
        let user = Int(table.allocations.rows[allocation].user)
        if isCapped, let reason = spend(payload.count, .toPeers, of: user, now: now) { return drop(reason) }
        table.allocations.rows[allocation].toPeers.add(payload.count)
        counters.toPeers.add(payload.count)
        if let other { return turnAround(payload, from: Int(relay), to: other, now: now, output: &output) }
        return .toPeer(
            TURNAction.ToPeer(
                relay: RelayID(Int(relay)), peer: destination, start: Int32(truncatingIfNeeded: payload.lowerBound),
                end: Int32(truncatingIfNeeded: payload.upperBound), dontFragment: dontFragment))
    }

    /// Where a peer on an own address is that is no relay of this machine; nil if nobody may go there. Another worker's relay is
    /// where it is bound; what is allowed by itself is where it says, never at the host's address behind the NAT.
    private func outside(_ peer: Endpoint) -> Endpoint? {
        guard limits.relays.hasOne(at: peer) else { return refusal(of: peer) == nil ? peer : nil }
        return isMapped ? Endpoint(address: configuration.local(peer.address), port: peer.port) : peer
    }

    /// The peer is another client's relay: its packet need not see the kernel in between.
    private mutating func turnAround(
        _ payload: Range<Int>, from relay: Int, to other: Int, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        let action = deliver(
            payload, to: Int(table.relays[other].allocation), from: table.relays[relay].advertised, now: now,
            output: &output)
        if case .toClient = action { counters.turnedAround.add(payload.count) }
        return action
    }

    /// Data from a peer to a client that has let it in: on its channel, or in a Data indication (RFC 8656 §11.3, §12.7).
    private mutating func deliver(
        _ payload: Range<Int>, to allocation: Int, from peer: Endpoint, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        var header = ClientHeader.written
        var padding = -payload.count & 3
        if let channel = table.channel(to: peer, of: allocation), table.channels.rows[channel].permitted > now,
            table.channels.rows[channel].expires > now
        {
            header = .channelData(
                UInt32(table.channels.rows[channel].number) << 16 | UInt32(truncatingIfNeeded: payload.count))
            if !table.allocations.rows[allocation].flow.isStream { padding = 0 }
        } else if let reason = refusal(of: peer, payload.count, to: allocation, now: now) {
            return drop(reason)
        }
        let user = Int(table.allocations.rows[allocation].user)
        if isCapped, let reason = spend(payload.count, .toClient, of: user, now: now) { return drop(reason) }
        if header == .written {
            let transaction = TransactionID(high: transactions.next(), low: transactions.next())
            DataIndication.writeHeader(transaction, from: peer, byteCount: payload.count, to: &output)
        }
        table.allocations.rows[allocation].toClient.add(payload.count)
        counters.toClients.add(payload.count)
        return .toClient(
            TURNAction.ToClient(
                flow: table.allocations.rows[allocation].flow, header: header,
                start: Int32(truncatingIfNeeded: payload.lowerBound),
                end: Int32(truncatingIfNeeded: payload.upperBound), padding: Int8(truncatingIfNeeded: padding)))
    }

    /// Why a peer's data may not go into a Data indication.
    private func refusal(of peer: Endpoint, _ byteCount: Int, to allocation: Int, now: Instant) -> TURNDrop? {
        guard let permission = table.permission(for: peer.address, of: allocation),
            table.permissions.rows[permission].expires > now
        else { return .noPermission }
        if table.permissions.rows[permission].isByPort, refusal(of: peer) != nil { return .refusedPeer }
        return byteCount > DataIndication.longest ? .tooLong : nil
    }

    /// Takes bandwidth of a direction; gives why there is none.
    private mutating func spend(_ byteCount: Int, _ direction: Direction, of user: Int, now: Instant) -> TURNDrop? {
        let (userRate, totalRate) = (configuration.userBandwidth, configuration.totalBandwidth)
        let way = direction.rawValue
        if userRate > 0, users.rows[user].budgets[way].credit < byteCount {
            guard users.rows[user].budgets[way].dryUntil <= now else { return .userBandwidth }
            let portion = max(byteCount, userRate / TURNServer.portions)
            guard limits.draw(portion, direction, of: users.rows[user].name, rate: userRate, now: now) else {
                users.rows[user].budgets[way].dryUntil = now + TURNServer.dryness
                return .userBandwidth
            }
            users.rows[user].budgets[way].credit += portion
        }
        if totalRate > 0, totalBudgets[way].credit < byteCount {
            guard totalBudgets[way].dryUntil <= now else { return .totalBandwidth }
            let portion = max(byteCount, totalRate / TURNServer.portions)
            guard limits.drawTotal(portion, direction, rate: totalRate, now: now) else {
                totalBudgets[way].dryUntil = now + TURNServer.dryness
                return .totalBandwidth
            }
            totalBudgets[way].credit += portion
        }
        if userRate > 0 { users.rows[user].budgets[way].credit -= byteCount }
        if totalRate > 0 { totalBudgets[way].credit -= byteCount }
        return nil
    }

    /// A portion is 20 ms worth: the lock is taken fifty times a second, and no more than that is left lying about.
    private static let portions = 50
    /// A flood above the limit asks the lock 500 times a second, not for each packet.
    private static let dryness = Interval.milliseconds(2)
}

/// The front of a Data indication, up to the data, which is not copied (RFC 8656 §11.3).
enum DataIndication {
    /// More does not fit a datagram to the client, with an IPv6 peer's address before it.
    static let longest = 65_507 - 48

    /// Writes header, XOR-PEER-ADDRESS and the start of DATA; data and padding to four bytes follow.
    static func writeHeader(
        _ transaction: TransactionID, from peer: Endpoint, byteCount: Int, to output: inout OutputRawSpan
    ) {
        let isV4 = peer.address.family == .v4
        let length = (isV4 ? 12 : 24) + 4 + (byteCount + 3) & ~3
        let cookie = STUNHeader.magicCookie
        do throws(BytesError) {
            try output.write(UInt16(0x0017))
            try output.write(UInt16(truncatingIfNeeded: length))
            try output.write(cookie)
            try output.write(transaction.high)
            try output.write(transaction.low)
            try output.write(STUNAttributeType.xorPeerAddress.rawValue)
            try output.write(UInt16(isV4 ? 8 : 20))
            try output.write(UInt16(isV4 ? 1 : 2))
            try output.write(peer.port ^ UInt16(cookie >> 16))
            if isV4 {
                try output.write(UInt32(truncatingIfNeeded: peer.address.low) ^ cookie)
            } else {
                try output.write(peer.address.high ^ (UInt64(cookie) << 32 | UInt64(transaction.high)))
                try output.write(peer.address.low ^ transaction.low)
            }
            try output.write(STUNAttributeType.data.rawValue)
            try output.write(UInt16(truncatingIfNeeded: byteCount))
        } catch {
            preconditionFailure("an output must have room for \(TURNServer.outputBytes) bytes: \(error)")
        }
    }
}
