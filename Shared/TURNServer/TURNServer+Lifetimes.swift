internal import Addresses
public import Time

// What ends, and who hears of it.

extension TURNServer {
    /// Call when `nextDeadline` has come, until it gives nil; an early call does nothing.
    ///
    /// It gives `.bind` where the registry did not say in time whether a user may have an allocation: then it may.
    public mutating func timeout(now: Instant) -> TURNAction? {
        // Bounded, so that ten thousand allocations that end at once do not hold packets up; the rest comes in the next turn.
        for _ in 0..<TURNServer.endsAtOnce {
            guard let (due, allocation) = heap.first, due <= now else { return nil }
            switch table.allocations.rows[allocation].state {
            case .asking: return bind(allocation, now: now)
            case .binding: end(allocation, nil, now: now)
            case .live: expire(allocation, now: now)
            case .free: heap.remove(allocation)
            }
        }
        return nil
    }

    /// Each takes about a microsecond.
    static let endsAtOnce = 256

    /// A TCP or TLS connection closed: its allocation ends (RFC 8656 §3.1: it cannot be reached any more).
    public mutating func streamClosed(_ flow: Flow, now: Instant) {
        guard let allocation = table.allocation(of: flow) else { return }
        end(allocation, .streamClosed, now: now)
    }

    /// Ends allocations, as the server goes down: at most `endsAtOnce`, so that the queue of events holds a line for each. Returns
    /// whether there are more: call it again once the events are taken.
    public mutating func endSome(now: Instant) -> Bool {
        var left = TURNServer.endsAtOnce
        for allocation in table.allocations.rows.indices where table.allocations.rows[allocation].state != .free {
            guard left > 0 else { return true }
            left -= 1
            end(allocation, .serverEnds, now: now)
        }
        return false
    }

    /// Ends what of a living allocation is over, perhaps all.
    private mutating func expire(_ allocation: Int, now: Instant) {
        let row = table.allocations.rows[allocation]
        let (isV4, isV6) = (row.relayV4 >= 0, row.relayV6 >= 0)
        let (endsV4, endsV6) = (isV4 && row.expiresV4 <= now, isV6 && row.expiresV6 <= now)
        if endsV4 == isV4, endsV6 == isV6 {
            end(allocation, .expired, now: now)
            return
        }
        table.removeChannels(of: allocation) { $0.expires + Channel.reservation <= now }
        table.removePermissions(of: allocation) { $0.expires <= now }
        if endsV4 { closeRelay(.v4, of: allocation) }
        if endsV6 { closeRelay(.v6, of: allocation) }
        heap.set(allocation, table.nextDeadline(of: allocation))
    }

    /// Ends one of two relays, and what hangs on it.
    mutating func closeRelay(_ family: IPAddress.Family, of allocation: Int) {
        let number = table.allocations.rows[allocation].relay(family)
        guard number >= 0 else { return }
        table.removeChannels(of: allocation) { $0.peer.address.family == family }
        table.removePermissions(of: allocation) { $0.address.family == family }
        limits.relays.remove(table.relays[Int(number)].advertised)
        table.removeRelay(Int(number))
        release(.closeRelay(RelayID(Int(number))))
        if family == .v4 {
            table.allocations.rows[allocation].relayV4 = -1
        } else {
            table.allocations.rows[allocation].relayV6 = -1
        }
    }

    /// Ends an allocation in whatever state; `reason` is nil for one that never lived.
    mutating func end(_ allocation: Int, _ reason: AllocationEnd?, now: Instant) {
        if let reason, table.allocations.rows[allocation].state == .live {
            report(.ended(reason), allocation, lifetime: .zero, now: now)
        }
        table.removeChannels(of: allocation) { _ in true }
        table.removePermissions(of: allocation) { _ in true }
        closeRelay(.v4, of: allocation)
        closeRelay(.v6, of: allocation)

        let user = Int(table.allocations.rows[allocation].user)
        let name = users.rows[user].name
        limits.release(name, now: now)
        if details[allocation]?.isGranted ?? false { release(.quotaReleased(user: name)) }
        users.rows[user].allocations -= 1
        if users.rows[user].allocations == 0 {
            userRows[name] = nil
            users.remove(user, leaving: UserRow(name: ""))
        }
        details[allocation] = nil
        heap.remove(allocation)
        table.remove(allocation)
    }

    /// Their number is bounded by that of relays and of questions, both of which the worker has in hand.
    mutating func release(_ release: TURNRelease) {
        let isQueued = releases.append(release)
        precondition(isQueued, "a million releases wait: nobody calls nextRelease")
    }

    mutating func report(_ kind: TURNEvent.Kind, _ allocation: Int, lifetime: Interval, now: Instant) {
        guard let own = details[allocation] else { return }
        let row = table.allocations.rows[allocation]
        let event = TURNEvent(
            kind: kind, allocation: own.id, user: users.rows[Int(row.user)].name, flow: row.flow,
            relayedV4: relayed(row.relayV4), relayedV6: relayed(row.relayV6), lifetime: lifetime, age: now - own.made,
            toPeers: row.toPeers, toClient: row.toClient)
        if !events.append(event) { counters.eventsLost &+= 1 }
    }
}
