package import Time

/// An identifier from outside: 1 to 64 printable ASCII bytes, so it is safe in logs, metadata and keys. `Kind` keeps a
/// member's from being passed where a person's is meant.
package struct Identifier<Kind>: Hashable, Sendable, CustomStringConvertible {
    /// The identifier as it was given.
    package let text: String

    /// Longest accepted: twice what this cluster makes itself (22 to 24 characters), rounded up.
    package static var longest: Int { 64 }

    /// Nil for text that is empty, longer than 64 bytes, or has anything but printable ASCII.
    package init?(_ text: String) {
        let bytes = text.utf8
        guard (1...Self.longest).contains(bytes.count), bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            return nil
        }
        self.text = text
    }

    package var description: String { text }
}

/// Tags of `Identifier`; they have no values.
package enum IdentifierKinds {
    /// A room.
    package enum Room {}
    /// One session's stay in one room.
    package enum Member {}
    /// Who a display name stands for, cluster-wide.
    package enum Person {}
    /// One signal process.
    package enum Signal {}
    /// A message, chosen by its sender.
    package enum Message {}
}

/// A room's id.
package typealias RoomID = Identifier<IdentifierKinds.Room>
/// A member's id: one session's stay in one room.
package typealias MemberID = Identifier<IdentifierKinds.Member>
/// A person's id.
package typealias PersonID = Identifier<IdentifierKinds.Person>
/// A signal's id.
package typealias SignalID = Identifier<IdentifierKinds.Signal>
/// A message's id, which makes sending it idempotent.
package typealias MessageID = Identifier<IdentifierKinds.Message>

/// One point in time on both clocks: deadlines go by the monotonic one, events carry the wall's.
package struct Moment: Hashable, Sendable {
    /// Monotonic time.
    package var instant: Instant
    /// Unix time.
    package var wall: WallTime

    /// The same point on both clocks.
    package init(instant: Instant, wall: WallTime) {
        self.instant = instant
        self.wall = wall
    }

    /// What the wall clock will show at `later` if nobody sets it meanwhile.
    func wall(at later: Instant) -> WallTime {
        WallTime(milliseconds: wall.milliseconds + (later.nanoseconds - instant.nanoseconds) / 1_000_000)
    }
}

/// How media travels in a room.
package enum Topology: Hashable, Sendable { case auto, mesh, sfu }

/// What ends a room: a call ends with its company, a room when it stays empty.
package enum RoomKind: Hashable, Sendable { case call, room }

/// What a member may do.
package enum Role: Hashable, Sendable { case host, speaker, listener }

/// What a member sends.
package struct MediaState: Hashable, Sendable {
    /// Microphone on.
    package var audio: Bool
    /// Camera on.
    package var video: Bool
    /// Screen shared.
    package var screen: Bool

    /// Everything off unless told.
    package init(audio: Bool = false, video: Bool = false, screen: Bool = false) {
        self.audio = audio
        self.video = video
        self.screen = screen
    }

    /// Nothing is sent.
    package var isSilent: Bool { self == MediaState() }
}

/// A member as others see it.
package struct RoomMember: Hashable, Sendable {
    package var id: MemberID
    package var person: PersonID
    package var name: String
    package var role: Role
    package var media: MediaState
    package var signal: SignalID
    /// Its signal or socket is gone, and others are told so. It may come back.
    package var away: Bool
    package var joined: WallTime

    package init(
        id: MemberID, person: PersonID, name: String, role: Role, media: MediaState, signal: SignalID,
        away: Bool = false,
        joined: WallTime
    ) {
        self.id = id
        self.person = person
        self.name = name
        self.role = role
        self.media = media
        self.signal = signal
        self.away = away
        self.joined = joined
    }
}

/// How an invitation stands.
package enum InvitationState: Hashable, Sendable, CaseIterable {
    case ringing, accepted, declined, busy, noAnswer, cancelled, callerGone, unreachable
}

/// A person asked into a room.
package struct Invitation: Hashable, Sendable {
    package var person: PersonID
    package var name: String
    package var by: MemberID
    package var state: InvitationState
    package var expires: WallTime
    package var video: Bool

    package init(
        person: PersonID, name: String, by: MemberID, state: InvitationState, expires: WallTime, video: Bool
    ) {
        self.person = person
        self.name = name
        self.by = by
        self.state = state
        self.expires = expires
        self.video = video
    }
}

/// Why a member is no longer there.
package enum LeaveReason: Hashable, Sendable { case hungUp, gone, removed }

/// Why a room is no longer there.
package enum EndReason: Hashable, Sendable { case empty, hungUp, notAnswered, moved }

/// What one member says to another, or to all.
package struct RoomMessage: Hashable, Sendable {
    package var from: MemberID
    /// Nil: to all.
    package var to: MemberID?
    package var id: MessageID
    package var type: String
    package var body: [UInt8]

    package init(from: MemberID, to: MemberID?, id: MessageID, type: String, body: [UInt8]) {
        self.from = from
        self.to = to
        self.id = id
        self.type = type
        self.body = body
    }
}

/// One numbered change of a room.
package struct RoomEvent: Hashable, Sendable {
    /// What changed.
    package enum Kind: Hashable, Sendable {
        case joined(RoomMember)
        case updated(RoomMember)
        case left(MemberID, name: String, reason: LeaveReason)
        case invitation(Invitation)
        case message(RoomMessage)
        case ended(EndReason, by: String)
        case locked(Bool, by: String)
        case topology(Topology, by: String)
    }

    /// 1, 2, 3 … in a room's life, also over its moves between nodes.
    package var seq: UInt64
    package var at: WallTime
    package var kind: Kind

    package init(seq: UInt64, at: WallTime, kind: Kind) {
        self.seq = seq
        self.at = at
        self.kind = kind
    }

    /// About what keeping it costs, for the bounds of rings and queues.
    package var cost: Int {
        // 256: the value itself with its short strings, rounded up.
        if case .message(let message) = kind { 256 + message.body.count } else { 256 }
    }
}

/// All of a room that a newcomer must know.
package struct RoomState: Hashable, Sendable {
    package var room: RoomID
    package var epoch: UInt64
    /// Of the last event in it.
    package var seq: UInt64
    package var kind: RoomKind
    package var topology: Topology
    /// In order of joining.
    package var members: [RoomMember]
    package var invitations: [Invitation]
    /// Nobody joins who was not there before.
    package var isLocked: Bool
    /// The last ones said to all.
    package var chat: [ChatLine]
    /// They do not come back.
    package var removed: [PersonID]

    package init(
        room: RoomID, epoch: UInt64, seq: UInt64, kind: RoomKind, topology: Topology, members: [RoomMember],
        invitations: [Invitation], isLocked: Bool = false, chat: [ChatLine] = [], removed: [PersonID] = []
    ) {
        self.room = room
        self.epoch = epoch
        self.seq = seq
        self.kind = kind
        self.topology = topology
        self.members = members
        self.invitations = invitations
        self.isLocked = isLocked
        self.chat = chat
        self.removed = removed
    }

    /// About what keeping it costs.
    package var cost: Int {
        // 256: a member or an invitation with its short strings, rounded up.
        256 * (1 + members.count + invitations.count) + 64 * removed.count + chat.reduce(0) { $0 + $1.cost }
    }
}
