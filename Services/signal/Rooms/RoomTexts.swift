package import Messages

/// Rooms as the page reads them.
package enum RoomTexts {
    package typealias State = Roost_Rooms_V1_RoomState

    /// The fields of ROOM.
    package static func room(_ state: State, node: String, into writer: inout JSONWriter) {
        writer.field("room", state.room)
        writer.field("epoch", state.epoch)
        writer.field("seq", state.seq)
        writer.field("node", node)
        writer.field("kind", state.kind == .room ? "room" : "call")
        writer.field("topology", text(state.topology))
        writer.array("members", state.members) { writer, each in writer.object { member(each, into: &$0) } }
        writer.array("invitations", state.invitations) { writer, each in writer.object { invitation(each, into: &$0) } }
        writer.field("locked", state.locked)
        guard state.kind == .room else { return }
        writer.array("chat", state.chat) { writer, line in
            writer.object { writer in
                writer.field("n", line.seq)
                writer.field("at", line.atMs)
                writer.field("from", line.fromMemberID)
                writer.field("name", line.name)
                writer.field("body", json: checked(line.body))
            }
        }
    }

    /// A body was checked to be JSON by the signal it came from; one that is not would break the frame.
    private static func checked(_ body: some Sequence<UInt8>) -> [UInt8] {
        let body = Array(body)
        return (try? JSONParser.parse(body)) == nil ? Array("null".utf8) : body
    }

    /// `room`: the whole room anew.
    static func roomMessage(_ state: State, node: String, recovering: Bool) -> [UInt8] {
        JSONWriter.object { writer in
            writer.field("type", "room")
            writer.field("state") { room(state, node: node, into: &$0) }
            if recovering { writer.field("recovering", true) }
        }
    }

    /// `event`: nil for what clients are not shown.
    package static func eventMessage(_ event: Roost_Rooms_V1_RoomEvent, room: String) -> [UInt8]? {
        guard let kind = event.kind else { return nil }
        if case .ended(let ended) = kind, ended.reason == .moved { return nil }
        return JSONWriter.object { writer in
            writer.field("type", "event")
            writer.field("room", room)
            writer.field("n", event.seq)
            writer.field("at", event.atMs)
            switch kind {
            case .joined(let joined):
                writer.field("kind", "joined")
                writer.field("member") { member(joined, into: &$0) }
            case .updated(let updated):
                writer.field("kind", "updated")
                writer.field("member") { member(updated, into: &$0) }
            case .left(let left):
                writer.field("kind", "left")
                writer.field("member", left.memberID)
                writer.field("name", left.name)
                writer.field("reason", text(left.reason))
            case .invitation(let changed):
                writer.field("kind", "invitation")
                writer.field("invitation") { invitation(changed, into: &$0) }
            case .message(let message):
                writer.field("kind", "message")
                writer.field("from", message.fromMemberID)
                writer.field("to", message.toMemberID.isEmpty ? .null : .string(message.toMemberID))
                writer.field("message") { inner in
                    inner.field("type", message.type)
                    inner.field("body", json: checked(message.body))
                }
            case .ended(let ended):
                writer.field("kind", "ended")
                writer.field("reason", text(ended.reason))
                writer.field("by", ended.byName)
            case .lock(let lock):
                writer.field("kind", "locked")
                writer.field("locked", lock.locked)
                writer.field("by", lock.byName)
            case .topology(let change):
                writer.field("kind", "topology")
                writer.field("topology", text(change.topology))
                writer.field("by", change.byName)
            }
        }
    }

    /// The last event of each room that messages as written here tell of.
    static func positions(in messages: [[UInt8]]) -> [String: UInt64] {
        var positions: [String: UInt64] = [:]
        for message in messages {
            guard let json = try? JSONParser.parse(message), let type = json["type"]?.string else { continue }
            let (room, seq) =
                switch type {
                case "event": (json["room"]?.string, json["n"]?.count)
                case "room": (json["state"]?["room"]?.string, json["state"]?["seq"]?.count)
                default: (nil, nil)
                }
            if let room, let seq { positions[room] = max(positions[room] ?? 0, seq) }
        }
        return positions
    }

    static func member(_ member: Roost_Rooms_V1_Member, into writer: inout JSONWriter) {
        writer.field("member", member.memberID)
        writer.field("person", member.personID)
        writer.field("name", member.name)
        writer.field("role", text(member.role))
        writer.field("media") { media in
            media.field("audio", member.media.audio)
            media.field("video", member.media.video)
            media.field("screen", member.media.screen)
        }
        writer.field("away", member.away)
        writer.field("joined", member.joinedMs)
    }

    static func invitation(_ invitation: Roost_Rooms_V1_Invitation, into writer: inout JSONWriter) {
        writer.field("person", invitation.personID)
        writer.field("name", invitation.name)
        writer.field("by", invitation.byMemberID)
        writer.field("state", text(invitation.state))
        writer.field("expires", invitation.expiresMs)
        writer.field("video", invitation.video)
    }

    static func text(_ state: Roost_Rooms_V1_InviteState) -> String {
        switch state {
        case .ringing, .unspecified, .UNRECOGNIZED: "ringing"
        case .accepted: "accepted"
        case .declined: "declined"
        case .busy: "busy"
        case .noAnswer: "no-answer"
        case .cancelled: "cancelled"
        case .callerGone: "caller-gone"
        case .unreachable: "unreachable"
        }
    }

    static func text(_ reason: Roost_Rooms_V1_LeaveReason) -> String {
        switch reason {
        case .hungUp, .unspecified, .UNRECOGNIZED: "hung-up"
        case .gone: "gone"
        case .removed: "removed"
        }
    }

    static func text(_ reason: Roost_Rooms_V1_EndReason) -> String {
        switch reason {
        case .hungUp, .unspecified, .UNRECOGNIZED: "hung-up"
        case .empty: "empty"
        case .notAnswered: "not-answered"
        case .moved: "moved"
        }
    }

    static func text(_ topology: Roost_Rooms_V1_Topology) -> String {
        switch topology {
        case .mesh: "mesh"
        case .sfu: "sfu"
        case .auto, .unspecified, .UNRECOGNIZED: "auto"
        }
    }

    static func topology(_ text: String) -> Roost_Rooms_V1_Topology {
        switch text {
        case "mesh": .mesh
        case "sfu": .sfu
        default: .auto
        }
    }

    static func text(_ role: Roost_Rooms_V1_Role) -> String {
        switch role {
        case .host: "host"
        case .listener: "listener"
        case .speaker, .unspecified, .UNRECOGNIZED: "speaker"
        }
    }
}
