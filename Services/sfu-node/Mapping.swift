import Foundation
import Messages
import Time

// The edge between the wire's messages and the machine's values. Reading refuses; writing cannot fail.

/// Reads an id, naming the field where it is none.
func parse<Kind>(_ text: String, _ field: String) throws(RoomRefusal) -> Identifier<Kind> {
    guard let id = Identifier<Kind>(text) else {
        throw .invalid(field: field, why: "must have 1 to \(Identifier<Kind>.longest) printable ASCII characters")
    }
    return id
}

extension RoomTable.Join {
    init(parsing request: Roost_Rooms_V1_JoinRequest) throws(RoomRefusal) {
        self.init(
            room: try parse(request.room, "room"), epoch: request.epoch,
            member: try RoomMember(parsing: request.member, "member"),
            media: request.member.hasMedia ? MediaState(request.member.media) : nil, kind: RoomKind(request.kind),
            topology: Topology(request.topology),
            reassert: request.hasReassert ? try RoomState(parsing: request.reassert) : nil,
            mustExist: request.mustExist)
    }
}

extension RoomMember {
    init(parsing member: Roost_Rooms_V1_Member, _ field: String) throws(RoomRefusal) {
        self.init(
            id: try parse(member.memberID, field + ".member_id"),
            person: try parse(member.personID, field + ".person_id"),
            name: member.name, role: Role(member.role), media: MediaState(member.media),
            signal: try parse(member.signalID, field + ".signal_id"), away: member.away,
            joined: WallTime(milliseconds: Int64(clamping: member.joinedMs)))
    }
}

extension RoomState {
    init(parsing state: Roost_Rooms_V1_RoomState) throws(RoomRefusal) {
        var members: [RoomMember] = []
        for member in state.members { members.append(try RoomMember(parsing: member, "reassert.members")) }
        var invitations: [Invitation] = []
        for invitation in state.invitations { invitations.append(try Invitation(parsing: invitation)) }
        var chat: [ChatLine] = []
        for line in state.chat { chat.append(try ChatLine(parsing: line)) }
        var removed: [PersonID] = []
        for person in state.removedPersonIds { removed.append(try parse(person, "reassert.removed_person_ids")) }
        self.init(
            room: try parse(state.room, "reassert.room"), epoch: state.epoch, seq: state.seq,
            kind: RoomKind(state.kind),
            topology: Topology(state.topology), members: members, invitations: invitations, isLocked: state.locked,
            chat: chat, removed: removed)
    }
}

extension ChatLine {
    init(parsing line: Roost_Rooms_V1_ChatLine) throws(RoomRefusal) {
        self.init(
            seq: line.seq, at: WallTime(milliseconds: Int64(clamping: line.atMs)),
            from: try parse(line.fromMemberID, "reassert.chat.from_member_id"), name: line.name,
            body: [UInt8](line.body))
    }
}

extension Invitation {
    init(parsing invitation: Roost_Rooms_V1_Invitation) throws(RoomRefusal) {
        self.init(
            person: try parse(invitation.personID, "invitation.person_id"), name: invitation.name,
            by: try parse(invitation.byMemberID, "invitation.by_member_id"),
            state: try InvitationState(parsing: invitation.state),
            expires: WallTime(milliseconds: Int64(clamping: invitation.expiresMs)), video: invitation.video)
    }
}

extension RoomMessage {
    init(parsing message: Roost_Rooms_V1_RoomMessage) throws(RoomRefusal) {
        self.init(
            from: try parse(message.fromMemberID, "message.from_member_id"),
            to: message.toMemberID.isEmpty ? nil : try parse(message.toMemberID, "message.to_member_id"),
            id: try parse(message.messageID, "message.message_id"), type: message.type, body: [UInt8](message.body))
    }
}

extension InvitationState {
    init(parsing state: Roost_Rooms_V1_InviteState) throws(RoomRefusal) {
        switch state {
        case .ringing: self = .ringing
        case .accepted: self = .accepted
        case .declined: self = .declined
        case .busy: self = .busy
        case .noAnswer: self = .noAnswer
        case .cancelled: self = .cancelled
        case .callerGone: self = .callerGone
        case .unreachable: self = .unreachable
        case .unspecified, .UNRECOGNIZED: throw .invalid(field: "state", why: "is no state of an invitation")
        }
    }

    var wire: Roost_Rooms_V1_InviteState {
        switch self {
        case .ringing: .ringing
        case .accepted: .accepted
        case .declined: .declined
        case .busy: .busy
        case .noAnswer: .noAnswer
        case .cancelled: .cancelled
        case .callerGone: .callerGone
        case .unreachable: .unreachable
        }
    }
}

extension MediaState {
    init(_ media: Roost_Rooms_V1_MediaState) { self.init(audio: media.audio, video: media.video, screen: media.screen) }

    var wire: Roost_Rooms_V1_MediaState {
        var wire = Roost_Rooms_V1_MediaState()
        wire.audio = audio
        wire.video = video
        wire.screen = screen
        return wire
    }
}

extension Role {
    /// One that is not told, or not known yet, is a speaker.
    init(_ role: Roost_Rooms_V1_Role) {
        switch role {
        case .host: self = .host
        case .listener: self = .listener
        case .speaker, .unspecified, .UNRECOGNIZED: self = .speaker
        }
    }

    var wire: Roost_Rooms_V1_Role {
        switch self {
        case .host: .host
        case .speaker: .speaker
        case .listener: .listener
        }
    }
}

extension RoomKind {
    init(_ kind: Roost_Rooms_V1_RoomKind) { self = kind == .call ? .call : .room }

    var wire: Roost_Rooms_V1_RoomKind { self == .call ? .call : .room }
}

extension Topology {
    init(_ topology: Roost_Rooms_V1_Topology) {
        switch topology {
        case .mesh: self = .mesh
        case .sfu: self = .sfu
        case .auto, .unspecified, .UNRECOGNIZED: self = .auto
        }
    }

    var wire: Roost_Rooms_V1_Topology {
        switch self {
        case .auto: .auto
        case .mesh: .mesh
        case .sfu: .sfu
        }
    }
}

extension LeaveReason {
    init(_ reason: Roost_Rooms_V1_LeaveReason) {
        switch reason {
        case .gone: self = .gone
        case .removed: self = .removed
        case .hungUp, .unspecified, .UNRECOGNIZED: self = .hungUp
        }
    }

    var wire: Roost_Rooms_V1_LeaveReason {
        switch self {
        case .hungUp: .hungUp
        case .gone: .gone
        case .removed: .removed
        }
    }
}

extension EndReason {
    var wire: Roost_Rooms_V1_EndReason {
        switch self {
        case .empty: .empty
        case .hungUp: .hungUp
        case .notAnswered: .notAnswered
        case .moved: .moved
        }
    }
}

extension Roost_Rooms_V1_Member {
    init(_ member: RoomMember) {
        self.init()
        memberID = member.id.text
        personID = member.person.text
        name = member.name
        role = member.role.wire
        media = member.media.wire
        signalID = member.signal.text
        away = member.away
        joinedMs = UInt64(clamping: member.joined.milliseconds)
    }
}

extension Roost_Rooms_V1_Invitation {
    init(_ invitation: Invitation) {
        self.init()
        personID = invitation.person.text
        name = invitation.name
        byMemberID = invitation.by.text
        state = invitation.state.wire
        expiresMs = UInt64(clamping: invitation.expires.milliseconds)
        video = invitation.video
    }
}

extension Roost_Rooms_V1_RoomState {
    init(_ state: RoomState) {
        self.init()
        room = state.room.text
        epoch = state.epoch
        seq = state.seq
        kind = state.kind.wire
        topology = state.topology.wire
        members = state.members.map { Roost_Rooms_V1_Member($0) }
        invitations = state.invitations.map { Roost_Rooms_V1_Invitation($0) }
        locked = state.isLocked
        chat = state.chat.map { Roost_Rooms_V1_ChatLine($0) }
        removedPersonIds = state.removed.map(\.text)
    }
}

extension Roost_Rooms_V1_ChatLine {
    init(_ line: ChatLine) {
        self.init()
        seq = line.seq
        atMs = UInt64(clamping: line.at.milliseconds)
        fromMemberID = line.from.text
        name = line.name
        body = Data(line.body)
    }
}

extension Roost_Rooms_V1_RoomMessage {
    init(_ message: RoomMessage) {
        self.init()
        fromMemberID = message.from.text
        toMemberID = message.to?.text ?? ""
        messageID = message.id.text
        type = message.type
        body = Data(message.body)
    }
}

extension Roost_Rooms_V1_EventsResponse {
    init(_ state: RoomState) {
        self.init()
        snapshot = Roost_Rooms_V1_RoomState(state)
    }

    init(_ source: RoomEvent) {
        self.init()
        event.seq = source.seq
        event.atMs = UInt64(clamping: source.at.milliseconds)
        switch source.kind {
        case .joined(let member): event.joined = Roost_Rooms_V1_Member(member)
        case .updated(let member): event.updated = Roost_Rooms_V1_Member(member)
        case .left(let id, let name, let reason):
            event.left.memberID = id.text
            event.left.name = name
            event.left.reason = reason.wire
        case .invitation(let invitation): event.invitation = Roost_Rooms_V1_Invitation(invitation)
        case .message(let message): event.message = Roost_Rooms_V1_RoomMessage(message)
        case .ended(let reason, let name):
            event.ended.reason = reason.wire
            event.ended.byName = name
        case .locked(let locked, let name):
            event.lock.locked = locked
            event.lock.byName = name
        case .topology(let topology, let name):
            event.topology.topology = topology.wire
            event.topology.byName = name
        }
    }
}
