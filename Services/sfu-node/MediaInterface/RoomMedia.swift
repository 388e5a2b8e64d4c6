/// What carries the media of a node's rooms. Whoever asks has checked that the member is in the room.
package protocol RoomMedia: Sendable {
    /// Answers a member's offer. A repeat of the newest number with the same description gets the same answer.
    ///
    /// `maySend` false: none of the member's own media is taken, whatever the offer says.
    func offer(
        _ number: UInt64, sdp: String, from member: MediaMember, maySend: Bool
    ) async throws(MediaRefusal) -> String

    /// The member applied the answer of that number.
    func answered(_ number: UInt64, by member: MediaMember) async throws(MediaRefusal)

    /// All of a member's tracks. May come before its offer, and repeated.
    func publish(_ tracks: [MediaTrack], by member: MediaMember) async throws(MediaRefusal)

    /// All that a member shows, the most important first. Members in it may send nothing yet.
    func view(_ tiles: [MediaTile], by member: MediaMember) async throws(MediaRefusal)

    /// A host muted the member: its microphone is not forwarded until it publishes again.
    func mute(_ member: MediaMember) async

    /// A host made the member a listener, or lets it speak again: what it published counts from now on, or no more.
    func setMaySend(_ maySend: Bool, of member: MediaMember) async

    /// A stay is over. It may be told twice, and after the offer of the same person's next stay.
    func memberLeft(_ member: MediaMember) async

    /// A life of a room is over, and with it all its stays.
    func roomEnded(_ room: MediaRoom) async
}

/// Why media is not forwarded as asked.
package enum MediaRefusal: Error, Hashable, Sendable {
    /// The request, or the description in it, is not acceptable; the text says what is wrong with it.
    case invalid(String)
    /// A newer offer is known.
    case stale(newest: UInt64)
    /// A limit is reached; the text says which.
    case tooMany(String)
    /// The member may not do that.
    case notAllowed(String)
    /// Not now; a repeat may work.
    case unavailable(String)
    /// This node forwards no media at all.
    case noMedia
}

/// A node that only sequences rooms.
package struct NoMedia: RoomMedia {
    package init() {}

    package func offer(
        _ number: UInt64, sdp: String, from member: MediaMember, maySend: Bool
    ) async throws(MediaRefusal) -> String {
        throw .noMedia
    }

    package func answered(_ number: UInt64, by member: MediaMember) async throws(MediaRefusal) { throw .noMedia }

    package func publish(_ tracks: [MediaTrack], by member: MediaMember) async throws(MediaRefusal) { throw .noMedia }

    package func view(_ tiles: [MediaTile], by member: MediaMember) async throws(MediaRefusal) { throw .noMedia }

    package func mute(_ member: MediaMember) async {}

    package func setMaySend(_ maySend: Bool, of member: MediaMember) async {}

    package func memberLeft(_ member: MediaMember) async {}

    package func roomEnded(_ room: MediaRoom) async {}
}
