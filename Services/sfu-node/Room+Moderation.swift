import Time

/// What a host may do.
package enum Moderation: Hashable, Sendable {
    case mute(MemberID)
    case remove(MemberID)
    case lock
    case unlock
    /// Lets a member listen only, or speak again.
    case role(MemberID, listener: Bool)
    /// In a call, which has no host, any member may.
    case topology(Topology)
}

extension Moderation {
    fileprivate var isOfCalls: Bool { if case .topology = self { true } else { false } }
}

/// What was done in a host's name.
package struct Moderated: Hashable, Sendable {
    /// The host's display name.
    package var by: String
}

extension Room {
    /// Does what a host asks. A mute changes nothing here: whoever carries the media and the member itself are told.
    ///
    /// Refused: anybody but a host, a member that is not there, removing oneself, another role for a host, a mesh of more members than it
    /// holds.
    @discardableResult
    package mutating func moderate(
        _ moderation: Moderation, by host: MemberID, now: Moment
    ) throws(RoomRefusal) -> Moderated {
        try requireGoing()
        guard let stay = stays[host] else { throw .noSuchMember }
        guard stay.member.role == .host || (kind == .call && moderation.isOfCalls) else {
            throw .forbidden(why: "only a host may do that")
        }
        switch moderation {
        case .mute(let id): guard stays[id] != nil else { throw .noSuchMember }
        case .role(let id, _):
            guard let role = stays[id]?.member.role else { throw .noSuchMember }
            guard role != .host else { throw .invalid(field: "member_id", why: "is a host, who speaks") }
        case .remove(let id):
            guard let person = stays[id]?.member.person else {
                // A repeat.
                guard leavers.contains(where: { $0.id == id }) else { throw .noSuchMember }
                return Moderated(by: stay.member.name)
            }
            guard person != stay.member.person else {
                throw .invalid(field: "member_id", why: "is the host's own person: leave instead")
            }
        case .topology(let wanted):
            guard wanted != .mesh || stays.count <= limits.meshMembers else {
                throw .meshFull(limit: limits.meshMembers)
            }
        case .lock, .unlock: break
        }
        guard stays[host]?.rate.take(now: now.instant) == true else { throw .tooFast }
        switch moderation {
        case .mute: break
        case .remove(let id): removeForGood(id, now: now)
        case .lock: setLocked(true, by: stay.member.name, now: now)
        case .unlock: setLocked(false, by: stay.member.name, now: now)
        case .role(let id, let listener): setRole(id, listener ? .listener : .speaker, now: now)
        case .topology(let wanted): setTopology(wanted, by: stay.member.name, now: now)
        }
        return Moderated(by: stay.member.name)
    }

    /// Who was there before, or is there as another session.
    func knows(_ person: PersonID) -> Bool {
        leavers.contains { $0.person == person } || stays.values.contains { $0.member.person == person }
    }

    /// A room has a host from its first member on: who made it, then whoever is there the longest.
    mutating func settleHost(now: Moment) {
        guard kind == .room, !stays.values.contains(where: { $0.member.role == .host }) else { return }
        let candidates = inOrder.filter { stays[$0]?.member.role == .speaker }
        guard let next = candidates.first(where: { stays[$0]?.absence == nil }) ?? candidates.first else { return }
        stays[next]?.member.role = .host
        emitUpdated(next, now: now)
    }

    /// Takes a person out with all its sessions; none of them comes back.
    private mutating func removeForGood(_ id: MemberID, now: Moment) {
        guard let person = stays[id]?.member.person else { return }
        ban(person)
        for each in inOrder where stays[each]?.member.person == person { remove(each, reason: .removed, now: now) }
        settle(now: now)
    }

    mutating func ban(_ person: PersonID) {
        guard !removed.contains(person) else { return }
        removed.append(person)
        if removed.count > limits.rememberedRemoved { removed.removeFirst() }
    }

    /// Of a person with all its sessions.
    private mutating func setRole(_ id: MemberID, _ role: Role, now: Moment) {
        guard let person = stays[id]?.member.person else { return }
        hushed.removeAll { $0 == person }
        if role == .listener { hushed.append(person) }
        if hushed.count > limits.rememberedRemoved { hushed.removeFirst() }
        for each in inOrder {
            guard let member = stays[each]?.member, member.person == person, member.role != role,
                member.role != .host
            else { continue }
            stays[each]?.member.role = role
            if role == .listener { stays[each]?.member.media = MediaState() }
            emitUpdated(each, now: now)
        }
    }

    private mutating func setTopology(_ wanted: Topology, by name: String, now: Moment) {
        guard topology != wanted else { return }
        topology = wanted
        emit(.topology(wanted, by: name), now: now)
    }

    private mutating func setLocked(_ locked: Bool, by name: String, now: Moment) {
        guard isLocked != locked else { return }
        isLocked = locked
        emit(.locked(locked, by: name), now: now)
    }
}
