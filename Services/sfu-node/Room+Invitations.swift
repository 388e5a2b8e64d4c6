import Time

extension Room {
    /// Rings a person. A repeat while it rings changes nothing; after an answer it rings anew.
    ///
    /// Refused: an inviter who is no member or a listener, a person who is there, oneself, too many rings.
    package mutating func invite(
        _ person: PersonID, name: String, by inviter: MemberID, video: Bool, now: Moment
    ) throws(RoomRefusal) -> Invitation {
        try requireGoing()
        guard let stay = stays[inviter] else { throw .noSuchMember }
        guard stay.member.role != .listener else { throw .forbidden(why: "a listener invites nobody") }
        guard stay.member.person != person else { throw .invalid(field: "person_id", why: "is the inviter's own") }
        guard name.utf8.count <= limits.nameBytes else {
            throw .invalid(field: "name", why: "must have at most \(limits.nameBytes) bytes")
        }
        let known = rings.firstIndex { $0.invitation.person == person }
        if let known, rings[known].isRinging { return rings[known].invitation }
        if stays.values.contains(where: { $0.member.person == person }) {
            // A repeat after the answer gets the answer.
            if let known, rings[known].invitation.state == .accepted { return rings[known].invitation }
            throw .alreadyHere
        }
        guard rings.count(where: \.isRinging) < limits.ringing else { throw .invitationsFull(limit: limits.ringing) }
        guard stays[inviter]?.rate.take(now: now.instant) == true else { throw .tooFast }
        if let known { rings.remove(at: known) }
        makePlaceForRing()
        let expiresAt = now.instant + limits.ringFor
        let invitation = Invitation(
            person: person, name: name, by: inviter, state: .ringing, expires: now.wall(at: expiresAt), video: video)
        rings.append(Ring(invitation: invitation, expiresAt: expiresAt))
        emit(.invitation(invitation), now: now)
        settle(now: now)
        return invitation
    }

    /// Ends a ring with anything but a join. One that does not ring any more stays as it is.
    package mutating func answer(_ person: PersonID, with state: InvitationState, now: Moment) throws(RoomRefusal) {
        try requireGoing()
        switch state {
        case .declined, .busy, .cancelled, .unreachable: break
        case .ringing, .accepted, .noAnswer, .callerGone:
            throw .invalid(field: "state", why: "must be declined, busy, cancelled or unreachable")
        }
        guard let index = rings.firstIndex(where: { $0.invitation.person == person }) else { throw .noSuchInvitation }
        guard rings[index].isRinging else { return }
        finish(index, as: state, now: now)
        settle(now: now)
    }

    /// A person is in: whatever rang for it is accepted.
    mutating func accept(by person: PersonID, now: Moment) {
        guard let index = rings.firstIndex(where: { $0.invitation.person == person && $0.isRinging }) else { return }
        finish(index, as: .accepted, now: now)
    }

    /// Ends the rings whose time is over, or whose caller is gone.
    mutating func giveUpRings(now: Moment) {
        for index in rings.indices where rings[index].isRinging {
            let goneAt = stays[rings[index].invitation.by]?.callerGoneAt(limits)
            if let goneAt, goneAt <= now.instant, goneAt < rings[index].expiresAt {
                finish(index, as: .callerGone, now: now)
            } else if rings[index].expiresAt <= now.instant {
                finish(index, as: .noAnswer, now: now)
            }
        }
    }

    mutating func finish(_ index: Int, as state: InvitationState, now: Moment) {
        rings[index].invitation.state = state
        emit(.invitation(rings[index].invitation), now: now)
    }

    /// Forgets the oldest answered invitation where the table is full. The cap on ringing ones is smaller than the table.
    mutating func makePlaceForRing() {
        guard rings.count >= limits.invitations, let oldest = rings.firstIndex(where: { !$0.isRinging }) else { return }
        rings.remove(at: oldest)
    }
}
