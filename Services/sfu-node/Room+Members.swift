import Time

extension Room {
    /// Puts a member in, or brings one back. A repeat that changes nothing says nothing.
    ///
    /// A member that is new accepts its person's ringing invitation. Refused:
    /// another person's member id, somebody whom nobody invited to a call, a full room, media of a listener.
    package mutating func join(_ member: RoomMember, media: MediaState?, now: Moment) throws(RoomRefusal) -> RoomState {
        try requireGoing()
        guard !member.name.isEmpty, member.name.utf8.count <= limits.nameBytes else {
            throw .invalid(field: "member.name", why: "must have 1 to \(limits.nameBytes) bytes")
        }
        if let stay = stays[member.id] {
            try rejoin(stay, as: member, media: media, now: now)
        } else {
            try admit(member, media: media ?? MediaState(), now: now)
        }
        return state
    }

    /// Takes a member out. Unknown members left already.
    package mutating func leave(_ id: MemberID, reason: LeaveReason, now: Moment) throws(RoomRefusal) {
        try requireGoing()
        guard stays[id] != nil else { return }
        remove(id, reason: reason, now: now)
        settle(now: now)
    }

    /// What a member says of itself, and its signal of it. `media` nil: as it was.
    package mutating func update(_ id: MemberID, media: MediaState?, away: Bool, now: Moment) throws(RoomRefusal) {
        try requireGoing()
        guard var stay = stays[id] else { throw .noSuchMember }
        let before = stay.member
        if let media {
            try requireMayPublish(stay.member.role, media)
            stay.member.media = media
        }
        if away {
            // An absence that was known goes on from where it began, but for a re-asserted one: now a signal answers for it.
            var absence = newAbsence(.told, now: now)
            if let known = stay.absence, known.cause != .reasserted {
                absence.since = known.since
                absence.leaveAt = known.leaveAt
            }
            stay.presence = .absent(absence)
            stay.member.away = true
        } else {
            arrive(&stay, now: now)
        }
        // Only what a member says is limited: that it is away, or back, must come through.
        if stay.member.media != before.media {
            guard stay.rate.take(now: now.instant) else { throw .tooFast }
        }
        stays[id] = stay
        if stay.member != before { emitUpdated(id, now: now) }
    }

    /// A signal reads this room's events from now on: its members whom only the lack of a stream kept away are back.
    package mutating func readerOpened(_ signal: SignalID, now: Moment) {
        guard ended == nil else { return }
        readers[signal, default: 0] += 1
        for id in inOrder {
            guard var stay = stays[id], stay.member.signal == signal, let absence = stay.absence,
                absence.cause == .streamEnded || absence.cause == .streamMissing
            else { continue }
            let wasAway = stay.member.away
            stay.presence = .here
            stay.member.away = false
            stays[id] = stay
            if wasAway { emitUpdated(id, now: now) }
        }
    }

    /// One of a signal's streams of events ended. With the last one, its members are absent.
    package mutating func readerClosed(_ signal: SignalID, now: Moment) {
        guard ended == nil, let count = readers[signal] else { return }
        guard count == 1 else {
            readers[signal] = count - 1
            return
        }
        readers[signal] = nil
        let absence = newAbsence(.streamEnded, now: now)
        for (id, stay) in stays where stay.member.signal == signal && stay.presence == .here {
            stays[id]?.presence = .absent(absence)
        }
    }

    mutating func remove(_ id: MemberID, reason: LeaveReason, now: Moment) {
        guard let stay = stays.removeValue(forKey: id) else { return }
        lastLeaver = stay.member.name
        leavers.append((id: id, person: stay.member.person))
        if leavers.count > limits.rememberedLeavers { leavers.removeFirst() }
        for index in rings.indices where rings[index].isRinging && rings[index].invitation.by == id {
            finish(index, as: reason == .gone ? .callerGone : .cancelled, now: now)
        }
        emit(.left(id, name: stay.member.name, reason: reason), now: now)
        settleHost(now: now)
    }

    func requireMayPublish(_ role: Role, _ media: MediaState) throws(RoomRefusal) {
        guard role != .listener || media.isSilent else { throw .forbidden(why: "a listener sends no media") }
    }

    func newAbsence(_ cause: Stay.AbsenceCause, now: Moment) -> Stay.Absence {
        let patience = cause == .reasserted ? limits.reassertFor : limits.awayFor
        return Stay.Absence(
            cause: cause, since: now.instant, showAt: now.instant + limits.hideAbsenceFor,
            leaveAt: now.instant + patience)
    }

    /// The member is there, as far as its signal has a stream to reach it by.
    private func arrive(_ stay: inout Stay, now: Moment) {
        stay.member.away = false
        if readers[stay.member.signal] != nil {
            stay.presence = .here
        } else if stay.absence?.cause != .streamMissing || (stay.absence?.showAt ?? now.instant) <= now.instant {
            stay.presence = .absent(newAbsence(.streamMissing, now: now))
        }
    }

    private mutating func rejoin(
        _ stay: Stay, as member: RoomMember, media: MediaState?, now: Moment
    ) throws(RoomRefusal) {
        guard stay.member.person == member.person else {
            throw .forbidden(why: "this member id is another person's")
        }
        var changed = stay
        // The role stays what it was: coming back must not be a way up.
        if let media {
            // A signal may not have heard yet that a host made it a listener.
            changed.member.media = stay.member.role == .listener ? MediaState() : media
        }
        changed.member.name = member.name
        changed.member.signal = member.signal
        arrive(&changed, now: now)
        if stay.presence == .here, changed.member != stay.member {
            guard changed.rate.take(now: now.instant) else { throw .tooFast }
        }
        stays[member.id] = changed
        if changed.member != stay.member { emitUpdated(member.id, now: now) }
        accept(by: member.person, now: now)
        settle(now: now)
    }

    /// Whether a newcomer may enter: anyone a room; a call, who makes it, who was invited, and who was in it, as another
    /// session of theirs or after an absence. The room's id alone opens no call: ids stand in logs.
    private func mayEnter(_ newcomer: RoomMember) -> Bool {
        guard limits.callsByInvitation, kind == .call, !stays.isEmpty else { return true }
        return leavers.contains { $0.id == newcomer.id }
            || stays.values.contains { $0.member.person == newcomer.person }
            || rings.contains {
                $0.invitation.person == newcomer.person && ($0.isRinging || $0.invitation.state == .accepted)
            }
    }

    private mutating func admit(_ newcomer: RoomMember, media: MediaState, now: Moment) throws(RoomRefusal) {
        guard !removed.contains(newcomer.person) else { throw .removed }
        guard !isLocked || knows(newcomer.person) else { throw .locked }
        guard mayEnter(newcomer) else { throw .forbidden(why: "nobody invited this person to the call") }
        guard stays.count < limits.members else { throw .membersFull(limit: limits.members) }
        guard topology != .mesh || stays.count < limits.meshMembers else { throw .meshFull(limit: limits.meshMembers) }
        try requireMayPublish(newcomer.role, media)
        var member = newcomer
        member.media = media
        let hasHost = stays.values.contains { $0.member.role == .host }
        if hasHost, member.role == .speaker, hushed.contains(member.person) {
            member.role = .listener
            member.media = MediaState()
        }
        member.away = false
        member.joined = now.wall
        leavers.removeAll { $0.id == member.id }
        if kind == .room, member.role == .speaker, !hasHost { member.role = .host }
        var stay = newStay(member, presence: .here, now: now)
        arrive(&stay, now: now)
        stays[member.id] = stay
        accept(by: member.person, now: now)
        emit(.joined(member), now: now)
        settle(now: now)
    }

    mutating func newStay(_ member: RoomMember, presence: Stay.Presence, now: Moment) -> Stay {
        nextOrdinal += 1
        return Stay(
            member: member, ordinal: nextOrdinal, presence: presence,
            rate: RateLimit(perSecond: limits.ratePerSecond, burst: limits.burst, now: now.instant),
            sent: SentMessages(limit: limits.rememberedMessages))
    }
}
