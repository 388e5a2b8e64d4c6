package import Messages

/// What this signal knows of one room: a snapshot and the events since, in order. It is what a new node starts from when the
/// room's node dies.
package struct RoomReplica: Sendable {
    /// What became of something from the node.
    package enum Outcome: Hashable, Sendable {
        case applied
        /// Known already: a stream that began anew overlaps.
        case repeated
        /// A message known already that has another number now: its sender's signal had no answer when the room's node died, and
        /// said it again to the new one, which cannot know. Nobody is to hear it twice.
        case saidBefore
        /// Events between are missing: the stream must begin anew.
        case gap
    }

    /// Events kept for sessions that arrive with an older position: a call's whole set-up is under 100.
    package static let historyLimit = 512
    /// Messages remembered, over all lives of the room: as many as a node remembers for two members.
    package static let messageLimit = 512

    /// Lines of chat kept, and their bytes: as many as a node keeps.
    package static let chatLimit = 200
    package static let chatByteLimit = 128 << 10

    private struct MessageKey: Hashable {
        var from: String
        var id: String
    }

    package private(set) var state: Roost_Rooms_V1_RoomState
    package private(set) var isEnded = false
    private var history: [Roost_Rooms_V1_RoomEvent] = []
    /// The last messages; and the same in a ring, the oldest at `oldestMessage`.
    private var messages: Set<MessageKey> = []
    private var messageOrder: [MessageKey] = []
    private var oldestMessage = 0

    package init(state: Roost_Rooms_V1_RoomState) { self.state = state }

    /// Takes a snapshot. False: it is older than what is known.
    package mutating func replace(with snapshot: Roost_Rooms_V1_RoomState) -> Bool {
        guard snapshot.epoch > state.epoch || (snapshot.epoch == state.epoch && snapshot.seq >= state.seq) else {
            return false
        }
        if snapshot.epoch != state.epoch || snapshot.seq != state.seq { history = [] }
        state = snapshot
        return true
    }

    /// Takes the next event.
    package mutating func apply(_ event: Roost_Rooms_V1_RoomEvent) -> Outcome {
        guard event.seq > state.seq else { return .repeated }
        guard event.seq == state.seq + 1 else { return .gap }
        state.seq = event.seq
        var event = event
        var isNews = true
        switch event.kind {
        case .joined(let member), .updated(let member): set(member)
        case .left(let left): remove(left)
        case .invitation(let invitation): set(invitation)
        case .ended(let ended): isEnded = ended.reason != .moved
        case .message(let message):
            isNews = remember(MessageKey(from: message.fromMemberID, id: message.messageID))
            // The number stays, so that the history has no gap; there is nothing under it to be told.
            if !isNews { event.kind = nil }
            if isNews { keep(message, of: event) }
        case .lock(let lock): state.locked = lock.locked
        case .topology(let change): state.topology = change.topology
        case nil: break
        }
        history.append(event)
        if history.count > Self.historyLimit { history.removeFirst(history.count - Self.historyLimit) }
        return isNews ? .applied : .saidBefore
    }

    /// The events after a position; nil when some of them are not kept.
    package func events(after seq: UInt64) -> [Roost_Rooms_V1_RoomEvent]? {
        guard seq <= state.seq else { return nil }
        guard seq < state.seq else { return [] }
        guard let first = history.first, first.seq <= seq + 1 else { return nil }
        return Array(history.suffix(Int(state.seq - seq)))
    }

    /// The invitation of a person that expires then, or one after it; nil while only one before it is known: who was in a call and is
    /// rung again has the answer of the first time until the event of the second comes.
    package func invitation(of person: String, expiring expiresMs: UInt64) -> Roost_Rooms_V1_Invitation? {
        invitation(of: person).flatMap { $0.expiresMs < expiresMs ? nil : $0 }
    }

    /// The last invitation of a person.
    package func invitation(of person: String) -> Roost_Rooms_V1_Invitation? {
        state.invitations.last { $0.personID == person }
    }

    /// False: this message is known, under an earlier number.
    private mutating func remember(_ key: MessageKey) -> Bool {
        guard messages.insert(key).inserted else { return false }
        if messageOrder.count < Self.messageLimit {
            messageOrder.append(key)
        } else {
            messages.remove(messageOrder[oldestMessage])
            messageOrder[oldestMessage] = key
            oldestMessage = (oldestMessage + 1) % Self.messageLimit
        }
        return true
    }

    private mutating func remove(_ left: Roost_Rooms_V1_MemberLeft) {
        if left.reason == .removed, let person = state.members.first(where: { $0.memberID == left.memberID })?.personID,
            !state.removedPersonIds.contains(person)
        {
            state.removedPersonIds.append(person)
        }
        state.members.removeAll { $0.memberID == left.memberID }
    }

    /// Keeps what was said to all, as the node does.
    private mutating func keep(_ message: Roost_Rooms_V1_RoomMessage, of event: Roost_Rooms_V1_RoomEvent) {
        guard state.kind == .room, message.type == "chat", message.toMemberID.isEmpty else { return }
        var line = Roost_Rooms_V1_ChatLine()
        line.seq = event.seq
        line.atMs = event.atMs
        line.fromMemberID = message.fromMemberID
        line.name = state.members.first { $0.memberID == message.fromMemberID }?.name ?? ""
        line.body = message.body
        state.chat.append(line)
        var bytes = state.chat.reduce(0) { $0 + $1.body.count }
        while state.chat.count > Self.chatLimit || (bytes > Self.chatByteLimit && state.chat.count > 1) {
            bytes -= state.chat.removeFirst().body.count
        }
    }

    private mutating func set(_ member: Roost_Rooms_V1_Member) {
        if let index = state.members.firstIndex(where: { $0.memberID == member.memberID }) {
            state.members[index] = member
        } else {
            state.members.append(member)
        }
    }

    private mutating func set(_ invitation: Roost_Rooms_V1_Invitation) {
        if let index = state.invitations.firstIndex(where: { $0.personID == invitation.personID }) {
            state.invitations[index] = invitation
        } else {
            state.invitations.append(invitation)
        }
    }
}
