package import Time

/// The rooms of a node: which there are, which epochs were, and whose deadline is next. A machine without I/O.
package struct RoomTable: Sendable {
    /// What a room said, and whether that was its last word.
    package struct Output: Hashable, Sendable {
        package var room: RoomID
        package var epoch: UInt64
        package var output: Room.Output
    }

    /// Asks for a member in a room.
    package struct Join: Sendable {
        package var room: RoomID
        package var epoch: UInt64
        package var member: RoomMember
        /// Nil: as it was, or silent.
        package var media: MediaState?
        /// Of a room made now.
        package var kind: RoomKind
        /// Of a room made now.
        package var topology: Topology
        /// What the signal knows of the room's life before.
        package var reassert: RoomState?
        /// Do not make a room out of nothing.
        package var mustExist: Bool

        package init(
            room: RoomID, epoch: UInt64, member: RoomMember, media: MediaState? = nil, kind: RoomKind,
            topology: Topology = .auto, reassert: RoomState? = nil, mustExist: Bool = false
        ) {
            self.room = room
            self.epoch = epoch
            self.member = member
            self.media = media
            self.kind = kind
            self.topology = topology
            self.reassert = reassert
            self.mustExist = mustExist
        }
    }

    /// A room that this node holds.
    package struct Held: Hashable, Sendable {
        package var room: RoomID
        package var epoch: UInt64
        package var members: Int

        package init(room: RoomID, epoch: UInt64, members: Int) {
            self.room = room
            self.epoch = epoch
            self.members = members
        }
    }

    private struct Grave {
        var epoch: UInt64
        var until: Instant
    }

    private let limits: RoomLimits
    private var rooms: [RoomID: Room] = [:]
    /// Members as they stand in `memberCount`.
    private var counted: [RoomID: Int] = [:]
    /// The due time under which a room stands in `deadlines`; another entry of it there is a stale one.
    private var scheduled: [RoomID: Instant] = [:]
    private var deadlines = DeadlineQueue<RoomID>()
    private var graves: [RoomID: Grave] = [:]
    private var graveDeadlines = DeadlineQueue<RoomID>()
    private var outputs: [Output] = []
    /// Members over all rooms.
    package private(set) var memberCount = 0
    /// While set, no room is made; those that are go on.
    package var isDraining = false

    /// An empty node.
    package init(limits: RoomLimits) { self.limits = limits }

    /// How many rooms there are.
    package var roomCount: Int { rooms.count }

    /// All rooms, for the registry. O(rooms).
    package var held: [Held] { rooms.values.map { Held(room: $0.id, epoch: $0.epoch, members: $0.memberCount) } }

    /// What the rooms said since the last call, in order.
    package mutating func takeOutputs() -> [Output] {
        defer { outputs.removeAll(keepingCapacity: true) }
        return outputs
    }

    /// When `timeout` is due.
    package var nextDeadline: Instant? {
        switch (deadlines.first?.due, graveDeadlines.first?.due) {
        case (let room?, let grave?): min(room, grave)
        case (let room, let grave): room ?? grave
        }
    }

    /// Call when `nextDeadline` has come; an early call does nothing.
    package mutating func timeout(now: Moment) {
        while let (due, id) = deadlines.popDue(now: now.instant) {
            guard scheduled[id] == due else { continue }
            scheduled[id] = nil
            rooms[id]?.timeout(now: now)
            changed(id, now: now)
        }
        while let (_, id) = graveDeadlines.popDue(now: now.instant) {
            if let grave = graves[id], grave.until <= now.instant { graves[id] = nil }
        }
    }

    /// Puts a member into a room, making or rebuilding the room where that is asked.
    ///
    /// An older epoch than known is refused; a newer one replaces the room, whose readers hear that it moved.
    package mutating func join(_ join: Join, now: Moment) throws(RoomRefusal) -> RoomState {
        if let room = rooms[join.room], join.epoch > room.epoch {
            rooms[join.room]?.close(now: now)
            changed(join.room, now: now)
        }
        guard var room = rooms[join.room] else { return try make(join, now: now) }
        try require(join.epoch, of: room)
        guard let last = join.reassert else {
            // In place: a copy would cost O(room).
            defer { changed(join.room, now: now) }
            guard let state = try rooms[join.room]?.join(join.member, media: join.media, now: now) else {
                throw .noSuchRoom
            }
            return state
        }
        try room.reassert(last, now: now)
        let state = try room.join(join.member, media: join.media, now: now)
        replace(room, now: now)
        return state
    }

    /// Takes a member out. Where the room is gone, so is the member.
    package mutating func leave(_ id: RoomID, member: MemberID, reason: LeaveReason, now: Moment) {
        try? rooms[id]?.leave(member, reason: reason, now: now)
        changed(id, now: now)
    }

    /// See `Room.update`.
    package mutating func update(
        _ id: RoomID, member: MemberID, media: MediaState?, away: Bool, now: Moment
    ) throws(RoomRefusal) {
        guard try rooms[id]?.update(member, media: media, away: away, now: now) != nil else { throw .noSuchRoom }
        changed(id, now: now)
    }

    /// See `Room.send`.
    package mutating func send(_ id: RoomID, _ message: RoomMessage, now: Moment) throws(RoomRefusal) -> UInt64 {
        guard let seq = try rooms[id]?.send(message, now: now) else { throw .noSuchRoom }
        changed(id, now: now)
        return seq
    }

    /// See `Room.invite`.
    package mutating func invite(
        _ id: RoomID, person: PersonID, name: String, by member: MemberID, video: Bool, now: Moment
    ) throws(RoomRefusal) -> Invitation {
        guard let invitation = try rooms[id]?.invite(person, name: name, by: member, video: video, now: now) else {
            throw .noSuchRoom
        }
        changed(id, now: now)
        return invitation
    }

    /// See `Room.moderate`.
    @discardableResult
    package mutating func moderate(
        _ id: RoomID, _ moderation: Moderation, by host: MemberID, now: Moment
    ) throws(RoomRefusal) -> Moderated {
        guard let done = try rooms[id]?.moderate(moderation, by: host, now: now) else { throw .noSuchRoom }
        changed(id, now: now)
        return done
    }

    /// See `Room.seat`.
    package mutating func seat(_ id: RoomID, member: MemberID, now: Moment) throws(RoomRefusal) -> Seat {
        guard let seat = try rooms[id]?.seat(of: member, now: now) else { throw .noSuchRoom }
        return seat
    }

    /// The signal through whom a member is reached; nil where it left.
    package func signal(_ id: RoomID, member: MemberID) -> SignalID? { rooms[id]?.stays[member]?.member.signal }

    /// All members that are the same person as this one, itself too.
    package func sessions(_ id: RoomID, of member: MemberID) -> [MemberID] {
        guard let room = rooms[id], let person = room.stays[member]?.member.person else { return [] }
        return room.inOrder.filter { room.stays[$0]?.member.person == person }
    }

    /// See `Room.answer`.
    package mutating func answer(
        _ id: RoomID, person: PersonID, with state: InvitationState, now: Moment
    ) throws(RoomRefusal) {
        guard try rooms[id]?.answer(person, with: state, now: now) != nil else { throw .noSuchRoom }
        changed(id, now: now)
    }

    /// A reader comes: what it lacks of the room. `signal` nil: it only watches. Epoch 0: whichever there is.
    package mutating func readerOpened(
        _ id: RoomID, signal: SignalID?, after seq: UInt64, epoch: UInt64, now: Moment
    ) throws(RoomRefusal) -> Reading {
        guard let room = rooms[id] else { throw .noSuchRoom }
        guard epoch == 0 || epoch == room.epoch else { throw .staleEpoch(known: room.epoch) }
        let reading = Reading(
            epoch: room.epoch, missed: room.replay(after: seq).map { .events(Array($0)) } ?? .snapshot(room.state))
        if let signal {
            rooms[id]?.readerOpened(signal, now: now)
            changed(id, now: now)
        }
        return reading
    }

    /// What a reader starts with.
    package struct Reading: Hashable, Sendable {
        /// What it missed.
        package enum Missed: Hashable, Sendable {
            case events([RoomEvent])
            case snapshot(RoomState)
        }
        package var epoch: UInt64
        package var missed: Missed
    }

    /// A reader that did not only watch is gone. Of a room in another epoch than now, it counts no more.
    package mutating func readerClosed(_ id: RoomID, signal: SignalID, epoch: UInt64, now: Moment) {
        guard rooms[id]?.epoch == epoch else { return }
        rooms[id]?.readerClosed(signal, now: now)
        changed(id, now: now)
    }

    /// The registry says that the room lives elsewhere, in `epoch`. A newer one here is kept.
    package mutating func close(_ id: RoomID, epoch: UInt64, now: Moment) {
        if let room = rooms[id], room.epoch <= epoch {
            rooms[id]?.close(now: now)
            changed(id, now: now)
        }
        if rooms[id] == nil { bury(id, epoch: epoch, now: now) }
    }

    /// All of a room, if it is here.
    package func state(_ id: RoomID) -> RoomState? { rooms[id]?.state }

    private func require(_ epoch: UInt64, of room: Room) throws(RoomRefusal) {
        guard epoch >= room.epoch else { throw .staleEpoch(known: room.epoch) }
    }

    private mutating func make(_ join: Join, now: Moment) throws(RoomRefusal) -> RoomState {
        guard !join.mustExist || join.reassert != nil else { throw .noSuchRoom }
        guard join.epoch > 0 else { throw .invalid(field: "epoch", why: "must be the placement's") }
        // The end of this life was told to the registry: the next one is placed anew.
        if let grave = graves[join.room], join.epoch <= grave.epoch { throw .staleEpoch(known: grave.epoch) }
        guard !isDraining else { throw .draining }
        guard rooms.count < limits.rooms else { throw .roomsFull(limit: limits.rooms) }
        var room = Room(
            id: join.room, epoch: join.epoch, kind: join.reassert?.kind ?? join.kind,
            topology: join.reassert?.topology ?? join.topology, limits: limits, now: now)
        if let last = join.reassert { try room.reassert(last, now: now) }
        let state = try room.join(join.member, media: join.media, now: now)
        graves[join.room] = nil
        replace(room, now: now)
        return state
    }

    private mutating func replace(_ room: Room, now: Moment) {
        rooms[room.id] = room
        changed(room.id, now: now)
    }

    /// Collects what a room said, files its next deadline, and buries it when it ended.
    private mutating func changed(_ id: RoomID, now: Moment) {
        guard let epoch = rooms[id]?.epoch else { return }
        for output in rooms[id]?.takeOutputs() ?? [] {
            outputs.append(Output(room: id, epoch: epoch, output: output))
        }
        let ended = rooms[id]?.ended
        let members = ended == nil ? rooms[id]?.memberCount ?? 0 : 0
        memberCount += members - (counted[id] ?? 0)
        counted[id] = members
        if ended != nil {
            rooms[id] = nil
            counted[id] = nil
            scheduled[id] = nil
            bury(id, epoch: epoch, now: now)
        } else if let due = rooms[id]?.nextDeadline, scheduled[id].map({ due < $0 }) ?? true {
            scheduled[id] = due
            deadlines.insert(id, due: due)
        }
    }

    private mutating func bury(_ id: RoomID, epoch: UInt64, now: Moment) {
        guard graves[id] != nil || graves.count < limits.rememberedRooms else { return }
        let until = now.instant + limits.rememberRoomFor
        graves[id] = Grave(epoch: max(epoch, graves[id]?.epoch ?? 0), until: until)
        graveDeadlines.insert(id, due: until)
    }
}
