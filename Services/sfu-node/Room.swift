package import Time

/// One room as its sequencer sees it: members, invitations and messages, in numbered events.
///
/// A machine without I/O: commands and the time come in; events, and the next time it wants to be called, go out. A refused
/// command changes nothing. Commands may be repeated, early and late ones are harmless.
package struct Room: Sendable {
    /// What the room's readers are to be told.
    package enum Output: Hashable, Sendable {
        case event(RoomEvent)
        /// The numbers do not go on: whoever reads needs the whole state anew.
        case resync
    }

    enum Phase: Hashable, Sendable {
        /// A call without company or ring yet.
        case opening(until: Instant)
        case going
        /// Nobody is there.
        case empty(until: Instant)
        case ended(EndReason)
    }

    struct Ring: Sendable {
        var invitation: Invitation
        /// When it is given up; meaningless once it does not ring any more.
        var expiresAt: Instant
        var isRinging: Bool { invitation.state == .ringing }
    }

    /// Which room this is.
    package let id: RoomID
    /// Which of its lives; a room that moved has a higher one.
    package let epoch: UInt64
    package let kind: RoomKind
    package internal(set) var topology: Topology

    let limits: RoomLimits
    var phase: Phase
    /// Of the last event.
    var seq: UInt64
    /// Where the history on this node starts: 0, or the number re-asserted.
    var base: UInt64
    var stays: [MemberID: Stay] = [:]
    var nextOrdinal = 0
    var rings: [Ring] = []
    /// Streams of events, not counting the watching ones, by the signal that reads.
    var readers: [SignalID: Int] = [:]
    /// Who left, as member and as person.
    var leavers: [(id: MemberID, person: PersonID)] = []
    /// Persons that a host removed.
    var removed: [PersonID] = []
    /// Persons whom a host made listeners: they do not rise by leaving and coming back while there is a host.
    var hushed: [PersonID] = []
    var isLocked = false
    var chat: ChatLog
    var hadCompany = false
    var lastLeaver = ""
    var history: EventRing
    var outputs: [Output] = []

    /// An empty room. A call then waits shortly for company, a room for its first member.
    package init(id: RoomID, epoch: UInt64, kind: RoomKind, topology: Topology, limits: RoomLimits, now: Moment) {
        self.id = id
        self.epoch = epoch
        self.kind = kind
        self.topology = topology
        self.limits = limits
        phase =
            switch kind {
            case .call: .opening(until: now.instant + limits.openFor)
            case .room: .empty(until: now.instant + limits.emptyFor)
            }
        seq = 0
        base = 0
        history = EventRing(count: limits.replayEvents, bytes: limits.replayBytes)
        chat = ChatLog(count: limits.chatLines, bytes: limits.chatBytes)
    }

    /// Why the room ended; nil while it goes on. An ended room refuses everything as `noSuchRoom`.
    package var ended: EndReason? {
        if case .ended(let reason) = phase { reason } else { nil }
    }

    /// How many members it has, away ones too.
    package var memberCount: Int { stays.count }

    /// All of it, for a newcomer. O(members).
    package var state: RoomState {
        RoomState(
            room: id, epoch: epoch, seq: seq, kind: kind, topology: topology,
            members: stays.values.sorted { $0.ordinal < $1.ordinal }.map(\.member),
            invitations: rings.map(\.invitation),
            isLocked: isLocked, chat: chat.lines, removed: removed)
    }

    /// What a reader that has seen `seq` lacks: the events after it, or nil where it needs the state.
    /// Who has seen nothing needs the state too: events alone do not tell a room's kind.
    package func replay(after seq: UInt64) -> ArraySlice<RoomEvent>? {
        seq == 0 ? nil : history.events(after: seq, last: self.seq)
    }

    /// What was said since the last call, in order.
    package mutating func takeOutputs() -> [Output] {
        defer { outputs.removeAll(keepingCapacity: true) }
        return outputs
    }

    /// When `timeout` is due; nil once the room ended. O(members).
    package var nextDeadline: Instant? {
        var due: Instant?
        func sooner(_ instant: Instant?) {
            guard let instant else { return }
            due = due.map { min($0, instant) } ?? instant
        }
        switch phase {
        case .ended: return nil
        case .opening(let until), .empty(let until): sooner(until)
        case .going: break
        }
        for stay in stays.values { sooner(stay.deadline) }
        for ring in rings where ring.isRinging {
            sooner(ring.expiresAt)
            sooner(stays[ring.invitation.by]?.callerGoneAt(limits))
        }
        return due
    }

    /// Call when `nextDeadline` has come; an early call does nothing.
    package mutating func timeout(now: Moment) {
        guard let due = nextDeadline, due <= now.instant else { return }
        giveUpRings(now: now)
        for id in inOrder where ended == nil {
            guard let stay = stays[id], let absence = stay.absence else { continue }
            if absence.leaveAt <= now.instant {
                remove(id, reason: .gone, now: now)
                settle(now: now)
            } else if !stay.member.away, absence.showAt <= now.instant {
                stays[id]?.member.away = true
                emitUpdated(id, now: now)
            }
        }
        settle(now: now)
        switch phase {
        case .opening(let until) where until <= now.instant: end(.notAnswered, by: "", now: now)
        case .empty(let until) where until <= now.instant: end(.empty, by: "", now: now)
        default: break
        }
    }

    /// Ends the room because a newer life of it is elsewhere.
    package mutating func close(now: Moment) {
        guard ended == nil else { return }
        end(.moved, by: "", now: now)
    }

    /// Member ids in order of joining.
    var inOrder: [MemberID] { stays.values.sorted { $0.ordinal < $1.ordinal }.map(\.member.id) }

    /// Refuses whatever comes to a room that ended.
    func requireGoing() throws(RoomRefusal) {
        guard ended == nil else { throw .noSuchRoom }
    }

    mutating func emit(_ kind: RoomEvent.Kind, now: Moment) {
        seq += 1
        let event = RoomEvent(seq: seq, at: now.wall, kind: kind)
        history.append(event)
        outputs.append(.event(event))
    }

    mutating func emitUpdated(_ id: MemberID, now: Moment) {
        guard let member = stays[id]?.member else { return }
        emit(.updated(member), now: now)
    }

    /// Ends the room if what happened leaves it without a reason to go on.
    mutating func settle(now: Moment) {
        if stays.count > 1 { hadCompany = true }
        let isRinging = rings.contains(where: \.isRinging)
        switch (kind, phase) {
        case (_, .ended): return
        case (.call, .opening):
            if stays.isEmpty {
                end(.empty, by: lastLeaver, now: now)
            } else if hadCompany || !rings.isEmpty {
                phase = .going
                settle(now: now)
            }
        case (.call, _):
            guard stays.count <= 1 else { return }
            if stays.isEmpty {
                end(.empty, by: lastLeaver, now: now)
            } else if !isRinging {
                end(
                    hadCompany ? .hungUp : .notAnswered,
                    by: hadCompany ? lastLeaver : rings.last?.invitation.name ?? "",
                    now: now)
            }
        case (.room, .going):
            if stays.isEmpty { phase = .empty(until: now.instant + limits.emptyFor) }
        case (.room, _):
            if !stays.isEmpty { phase = .going }
        }
    }

    private mutating func end(_ reason: EndReason, by name: String, now: Moment) {
        emit(.ended(reason, by: name), now: now)
        phase = .ended(reason)
    }
}
