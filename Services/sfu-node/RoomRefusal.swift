package import MediaInterface

/// Why a room does not do what it was asked. Each case is one reason of `roost_rooms_refused_total`.
package enum RoomRefusal: Error, Hashable, Sendable {
    /// A field has no acceptable value.
    case invalid(field: String, why: String)
    /// No such room here.
    case noSuchRoom
    /// No such member in the room.
    case noSuchMember
    /// Nobody invited that person.
    case noSuchInvitation
    /// The caller's epoch is older than the node's: the room moved, or ended.
    case staleEpoch(known: UInt64)
    /// The member's role, or whose it is, forbids it.
    case forbidden(why: String)
    /// The room is locked, and the person was not there before.
    case locked
    /// A host removed the person.
    case removed
    /// The member is shown as away: its signal has to say first that it is back.
    case away
    /// Who is invited is there already.
    case alreadyHere
    /// The node holds as many rooms as it may.
    case roomsFull(limit: Int)
    /// The room has as many members as it may.
    case membersFull(limit: Int)
    /// Everybody sends to everybody here, and that holds for no more.
    case meshFull(limit: Int)
    /// Too many ring in this room.
    case invitationsFull(limit: Int)
    /// A message's body is too long.
    case tooLarge(bytes: Int, limit: Int)
    /// The member does too much a second.
    case tooFast
    /// Who carries the media refuses.
    case media(MediaRefusal)
    /// The node is going down and makes no more rooms.
    case draining

    /// The label under which it is counted.
    package var reason: String {
        switch self {
        case .invalid: "invalid"
        case .noSuchRoom: "no-such-room"
        case .noSuchMember: "no-such-member"
        case .noSuchInvitation: "no-such-invitation"
        case .staleEpoch: "stale-epoch"
        case .forbidden: "forbidden"
        case .locked: "locked"
        case .removed: "removed"
        case .away: "away"
        case .alreadyHere: "already-here"
        case .roomsFull: "rooms-full"
        case .membersFull: "members-full"
        case .meshFull: "mesh-full"
        case .invitationsFull: "invitations-full"
        case .tooLarge: "too-large"
        case .tooFast: "too-fast"
        case .media(let refusal): refusal.reason
        case .draining: "draining"
        }
    }

    /// What happened and what to do, for the caller's log.
    package var text: String {
        switch self {
        case .invalid(let field, let why): "\(field) \(why)"
        case .noSuchRoom: "no such room on this node"
        case .noSuchMember: "no such member in this room: join it first"
        case .noSuchInvitation: "nobody invited that person here"
        case .staleEpoch(let known): "this node knows epoch \(known) of the room: ask the registry for its place"
        case .forbidden(let why): why
        // The first word is for programs: signal tells it on as a code.
        case .locked: "locked: nobody new joins this room"
        case .removed: "removed: a host took this person out of the room"
        case .away: "this member is away: say first that it is back"
        case .alreadyHere: "that person is in the room already"
        case .roomsFull(let limit): "this node holds \(limit) rooms, its limit"
        case .membersFull(let limit): "the room has \(limit) members, its limit"
        case .meshFull(let limit):
            "mesh-full: a room of topology mesh holds \(limit) members; make one of topology sfu for more"
        case .invitationsFull(let limit): "\(limit) people are being rung from this room, its limit"
        case .tooLarge(let bytes, let limit): "the message's body has \(bytes) bytes; \(limit) is the limit"
        case .tooFast: "this member does too much a second: wait a moment"
        case .media(let refusal): refusal.text
        case .draining: "this node is draining: ask the registry for another place"
        }
    }
}

extension MediaRefusal {
    var reason: String {
        switch self {
        case .invalid: "media-invalid"
        case .stale: "media-stale"
        case .tooMany: "media-too-many"
        case .notAllowed: "media-forbidden"
        case .unavailable: "media-unavailable"
        case .noMedia: "no-media"
        }
    }

    var text: String {
        switch self {
        case .invalid(let what), .tooMany(let what), .notAllowed(let what), .unavailable(let what): what
        case .stale(let newest): "offer \(newest) is known already"
        case .noMedia: "this node forwards no media"
        }
    }
}
