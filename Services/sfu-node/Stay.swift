import Time

/// A member's stay in a room, and whether it is there.
struct Stay: Sendable {
    /// Why a member is not there.
    enum AbsenceCause: Hashable, Sendable {
        /// Its signal said so: the socket is gone, the session may be resumed.
        case told
        /// Its signal has no stream of events any more. A new stream brings it back.
        case streamEnded
        /// It joined, and its signal has no stream yet.
        case streamMissing
        /// A re-assertion named it; it has not joined here yet.
        case reasserted
    }

    struct Absence: Hashable, Sendable {
        var cause: AbsenceCause
        var since: Instant
        /// When others are told; passed for one who is shown as away.
        var showAt: Instant
        var leaveAt: Instant
    }

    enum Presence: Hashable, Sendable {
        case here
        case absent(Absence)
    }

    var member: RoomMember
    /// Members are listed in this order.
    let ordinal: Int
    var presence: Presence
    var rate: RateLimit
    var sent: SentMessages

    var absence: Absence? {
        if case .absent(let absence) = presence { absence } else { nil }
    }

    /// When time alone changes this stay.
    var deadline: Instant? {
        guard let absence else { return nil }
        return member.away ? absence.leaveAt : min(absence.showAt, absence.leaveAt)
    }

    /// When a ring of this member's ends because it is absent.
    func callerGoneAt(_ limits: RoomLimits) -> Instant? {
        absence.map { $0.since + limits.callerGoneAfter }
    }
}
