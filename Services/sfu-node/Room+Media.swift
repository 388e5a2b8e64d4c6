import Time

/// A member as those see it who carry the media.
package struct Seat: Hashable, Sendable {
    package var epoch: UInt64
    /// Distinguishes the stays of one member id in one life of the room.
    package var stay: UInt64
    package var signal: SignalID
    /// Whether it may send media, and not only receive it.
    package var maySend: Bool
}

extension Room {
    /// The seat of a member that asks something of its media. Refused: who is no member, is shown as away, or asks too often.
    mutating func seat(of id: MemberID, now: Moment) throws(RoomRefusal) -> Seat {
        try requireGoing()
        guard let stay = stays[id] else { throw .noSuchMember }
        guard !stay.member.away else { throw .away }
        guard stays[id]?.rate.take(now: now.instant) == true else { throw .tooFast }
        return Seat(
            epoch: epoch, stay: UInt64(stay.ordinal), signal: stay.member.signal,
            maySend: stay.member.role != .listener)
    }
}
