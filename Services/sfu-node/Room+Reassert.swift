import Time

extension Room {
    /// Takes over what a signal last knew of the room, from its life on a node that died.
    ///
    /// In a new room: everybody is absent until joined again, rings go on, numbers go on, and readers that saw just as
    /// much miss nothing. In a room rebuilt already, what this signal knows beyond that is merged; since two signals may
    /// then count different events under one number, the numbers jump and every reader gets the state anew. The state of
    /// the room's own life says nothing new.
    package mutating func reassert(_ last: RoomState, now: Moment) throws(RoomRefusal) {
        try requireGoing()
        guard last.room == id else { throw .invalid(field: "reassert.room", why: "is another room's") }
        guard last.epoch < epoch else { return }
        guard last.members.count <= limits.members else { throw .membersFull(limit: limits.members) }
        // Half of the numbers are left for this life: no sum can overflow.
        guard last.seq < UInt64.max / 2 else { throw .invalid(field: "reassert.seq", why: "is beyond all events") }

        // Who knows no more than what the room was rebuilt from has nothing to add: a member only it knows had left.
        let isNew = seq == 0 && stays.isEmpty
        guard isNew || last.seq > base else { return }
        topology = last.topology
        for person in last.removed.suffix(limits.rememberedRemoved) { ban(person) }
        for id in inOrder where stays[id].map({ removed.contains($0.member.person) }) ?? false {
            remove(id, reason: .removed, now: now)
        }
        if kind == .room { chat.merge(last.chat) }
        // Where two signals differ, the stricter one: a host can open the room again.
        isLocked = isLocked || last.isLocked
        for member in last.members {
            if let stay = stays[member.id] {
                guard stay.absence?.cause == .reasserted, stay.member.person == member.person else { continue }
                stays[member.id]?.member = member
            } else if stays.count < limits.members, !leavers.contains(where: { $0.id == member.id }),
                !removed.contains(member.person)
            {
                stays[member.id] = newStay(member, presence: absentAgain(member, now: now), now: now)
            }
        }
        for invitation in last.invitations where goesOn(invitation) {
            let left = Interval.milliseconds(max(0, invitation.expires.milliseconds - now.wall.milliseconds))
            makePlaceForRing()
            guard rings.count < limits.invitations else { break }
            rings.append(Ring(invitation: invitation, expiresAt: now.instant + min(left, limits.ringFor)))
        }
        if isNew {
            seq = last.seq
            base = last.seq
        } else {
            seq = max(seq, last.seq) + 1
            base = seq
            history.removeAll()
            outputs.append(.resync)
        }
        settleAfterReassertion(now: now)
    }

    /// One who was shown as away still has as long as sessions live; the others are expected at once.
    private func absentAgain(_ member: RoomMember, now: Moment) -> Stay.Presence {
        var absence = newAbsence(.reasserted, now: now)
        if member.away { absence.leaveAt = now.instant + limits.awayFor }
        return .absent(absence)
    }

    private func goesOn(_ invitation: Invitation) -> Bool {
        guard !rings.contains(where: { $0.invitation.person == invitation.person }) else { return false }
        guard invitation.state == .ringing else { return true }
        return stays[invitation.by] != nil && rings.count(where: \.isRinging) < limits.ringing
    }

    private mutating func settleAfterReassertion(now: Moment) {
        // Nobody is let go by a re-assertion alone: its sender joins in the same call. Only the company is noted.
        if stays.count > 1 { hadCompany = true }
        if kind == .call, case .opening = phase, hadCompany || rings.contains(where: \.isRinging) { phase = .going }
        if kind == .room, !stays.isEmpty { phase = .going }
        // Its host may have left here before.
        settleHost(now: now)
    }
}
