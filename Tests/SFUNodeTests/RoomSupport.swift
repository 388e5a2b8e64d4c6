import SFUNode
import Time

/// A room table in virtual time, and words to speak to it.
struct World {
    var table: RoomTable
    var now = Moment(instant: Instant(nanoseconds: 1_000_000_000), wall: WallTime(milliseconds: 1_700_000_000_000))
    /// What was said since `hear` was last called.
    private var heard: [Room.Output] = []

    init(_ change: (inout RoomLimits) -> Void = { _ in }) {
        var limits = RoomLimits()
        // Whoever is named walks in, so that a test on something else need not ring everybody first.
        limits.callsByInvitation = false
        change(&limits)
        table = RoomTable(limits: limits)
    }

    /// Lets time pass, meeting every deadline on the way at its own time.
    mutating func pass(_ interval: Interval) {
        let end = now.instant + interval
        while let due = table.nextDeadline, due <= end {
            move(to: max(due, now.instant))
            table.timeout(now: now)
            precondition(table.nextDeadline.map { $0 > now.instant } ?? true, "a met deadline moves on")
        }
        move(to: end)
    }

    private mutating func move(to instant: Instant) {
        let nanoseconds = instant.nanoseconds - now.instant.nanoseconds
        now.wall = WallTime(milliseconds: now.wall.milliseconds + nanoseconds / 1_000_000)
        now.instant = instant
    }

    @discardableResult
    mutating func join(
        _ name: String, room: String = "c-1", epoch: UInt64 = 7, kind: RoomKind = .call, signal: String = "signal-1",
        role: Role = .speaker, media: MediaState? = nil, reassert: RoomState? = nil, mustExist: Bool = false,
        reads: Bool = true
    ) throws(RoomRefusal) -> RoomState {
        let state = try table.join(
            RoomTable.Join(
                room: id(room), epoch: epoch, member: member(name, signal: signal, role: role), media: media,
                kind: kind,
                reassert: reassert, mustExist: mustExist), now: now)
        if reads { try read(room: room, signal: signal) }
        return state
    }

    @discardableResult
    mutating func read(
        room: String = "c-1", signal: String? = "signal-1", after seq: UInt64 = 0, epoch: UInt64 = 0
    ) throws(RoomRefusal) -> RoomTable.Reading {
        try table.readerOpened(id(room), signal: signal.map { id($0) }, after: seq, epoch: epoch, now: now)
    }

    mutating func unread(room: String = "c-1", signal: String = "signal-1", epoch: UInt64 = 7) {
        table.readerClosed(id(room), signal: id(signal), epoch: epoch, now: now)
    }

    mutating func leave(_ name: String, room: String = "c-1") {
        table.leave(id(room), member: id("m-" + name), reason: .hungUp, now: now)
    }

    mutating func update(
        _ name: String, room: String = "c-1", media: MediaState? = nil, away: Bool = false
    ) throws(RoomRefusal) {
        try table.update(id(room), member: id("m-" + name), media: media, away: away, now: now)
    }

    @discardableResult
    mutating func send(
        _ message: String, from name: String, to other: String? = nil, room: String = "c-1", type: String = "chat",
        body: [UInt8] = [0x7b, 0x7d]
    ) throws(RoomRefusal) -> UInt64 {
        try table.send(
            id(room),
            RoomMessage(
                from: id("m-" + name), to: other.map { id("m-" + $0) }, id: id(message), type: type, body: body),
            now: now)
    }

    @discardableResult
    mutating func invite(
        _ person: String, by name: String, room: String = "c-1"
    ) throws(RoomRefusal) -> Invitation {
        try table.invite(
            id(room), person: id("p-" + person), name: person, by: id("m-" + name), video: true, now: now)
    }

    mutating func answer(_ person: String, _ state: InvitationState, room: String = "c-1") throws(RoomRefusal) {
        try table.answer(id(room), person: id("p-" + person), with: state, now: now)
    }

    mutating func moderate(_ moderation: Moderation, by name: String, room: String = "c-1") throws(RoomRefusal) {
        try table.moderate(id(room), moderation, by: id("m-" + name), now: now)
    }

    func state(_ room: String = "c-1") -> RoomState? { table.state(id(room)) }

    /// What was said since the last call, a word for each event, in order.
    mutating func hear() -> [String] {
        table.takeOutputs().map { output in
            switch output.output {
            case .event(let event): word(event.kind)
            case .resync: "resync"
            }
        }
    }

    /// The numbered events said since the last call.
    mutating func hearEvents() -> [RoomEvent] {
        table.takeOutputs().compactMap { output in
            if case .event(let event) = output.output { event } else { nil }
        }
    }

    private func word(_ kind: RoomEvent.Kind) -> String {
        switch kind {
        case .joined(let member): "joined \(member.name)"
        case .updated(let member): "updated \(member.name)\(member.away ? " away" : "")"
        case .left(_, let name, let reason): "left \(name) \(reason)"
        case .invitation(let invitation): "\(invitation.state) \(invitation.name)"
        case .message(let message): "message \(message.id)"
        case .locked(let locked, let name): "\(locked ? "locked" : "unlocked") \(name)"
        case .topology(let topology, let name): "\(topology) \(name)"
        case .ended(let reason, let name): "ended \(reason)\(name.isEmpty ? "" : " " + name)"
        }
    }
}

/// An id that is known to be good.
func id<Kind>(_ text: String) -> Identifier<Kind> {
    guard let id = Identifier<Kind>(text) else { preconditionFailure("not an id: \(text)") }
    return id
}

/// A member called `name`, whose ids are made from it.
func member(_ name: String, signal: String = "signal-1", role: Role = .speaker) -> RoomMember {
    RoomMember(
        id: id("m-" + name), person: id("p-" + name), name: name, role: role, media: MediaState(), signal: id(signal),
        joined: WallTime(milliseconds: 0))
}

/// The refusal that `body` ends with.
func refusal<T>(_ body: () throws(RoomRefusal) -> T) -> RoomRefusal? {
    do {
        _ = try body()
        return nil
    } catch {
        return error
    }
}
