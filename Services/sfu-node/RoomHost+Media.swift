package import MediaInterface

/// What those who carry the media are told.
enum MediaNews: Sendable {
    case left(MediaMember)
    case ended(MediaRoom)
    case muted(MediaMember)
    case maySend(MediaMember, Bool)
}

/// The members of one life of a room who asked for media, and what they were told last.
struct RoomSeats {
    let room: MediaRoom
    var members: [MemberID: MediaMember] = [:]
    /// For signals that begin to read, and members who are reached through another signal: all news tell states.
    var said = NoticeBoard<MemberID>()
}

/// What a member wants of its media.
package enum MediaWish: Hashable, Sendable { case offer, answered, publish, view }

/// A member that may ask for media.
package struct SeatedMember: Hashable, Sendable {
    package var member: MediaMember
    /// Whether it may send, and not only receive.
    package var maySend: Bool
}

extension RoomHost {
    /// Lets a member of a room ask for media. Refused as by `Room.seat`.
    package func seat(_ room: RoomID, member: MemberID, for wish: MediaWish) throws(RoomRefusal) -> SeatedMember {
        let seat = try perform { table, now throws(RoomRefusal) in try table.seat(room, member: member, now: now) }
        let place = MediaRoom(room: room.text, epoch: seat.epoch)
        let seated = MediaMember(room: place, member: member.text, stay: seat.stay)
        var seats = seats[room] ?? RoomSeats(room: place)
        if seats.room != place { seats = RoomSeats(room: place) }
        seats.members[member] = seated
        switch wish {
        case .offer: seats.said.removeLost(member)
        case .publish: seats.said.removeMutedBy(member)
        case .answered, .view: break
        }
        self.seats[room] = seats
        return SeatedMember(member: seated, maySend: seat.maySend)
    }

    /// Whether that stay goes on.
    package func isSeated(_ member: MediaMember) -> Bool { place(of: member) != nil }

    /// Tells a member something of its media. One that is gone is told nothing.
    package func notify(_ member: MediaMember, _ notice: MediaNotice) {
        guard let (room, id) = place(of: member) else { return }
        tell(room, id, notice)
    }

    /// See `Room.moderate`.
    package func moderate(_ room: RoomID, _ moderation: Moderation, by host: MemberID) throws(RoomRefusal) {
        let done = try perform { table, now throws(RoomRefusal) in
            try table.moderate(room, moderation, by: host, now: now)
        }
        switch moderation {
        case .mute(let member):
            if let seated = seats[room]?.members[member] { mediaTeller.yield(.muted(seated)) }
            tell(room, member, .mutedBy(name: done.by))
        case .role(let member, let listener):
            for id in table.sessions(room, of: member) {
                if let seated = seats[room]?.members[id] { mediaTeller.yield(.maySend(seated, !listener)) }
            }
        case .remove, .lock, .unlock, .topology: break
        }
    }

    /// Passes on what rooms and media say to each other, until cancelled.
    package nonisolated func serve(_ media: any RoomMedia) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                for await news in self.mediaNews {
                    switch news {
                    case .left(let member): await media.memberLeft(member)
                    case .ended(let room): await media.roomEnded(room)
                    case .muted(let member): await media.mute(member)
                    case .maySend(let member, let maySend): await media.setMaySend(maySend, of: member)
                    }
                }
            }
            group.addTask {
                for await _ in self.notices.news {
                    for (member, notice) in self.notices.take() { await self.notify(member, notice) }
                }
            }
        }
    }

    /// A member left, or with `member` nil all of them.
    func vacate(_ room: RoomID, epoch: UInt64, member: MemberID? = nil) {
        guard let known = seats[room], known.room.epoch == epoch else { return }
        guard let member else {
            seats[room] = nil
            mediaTeller.yield(.ended(known.room))
            return
        }
        guard let seated = seats[room]?.members.removeValue(forKey: member) else { return }
        seats[room]?.said.remove(member)
        mediaTeller.yield(.left(seated))
    }

    /// Says again what holds for a member's media.
    func retell(_ room: RoomID, member: MemberID) {
        guard let said = seats[room]?.said.notices(of: member), !said.isEmpty,
            let signal = table.signal(room, member: member)
        else { return }
        for reader in readers[room] ?? [] where queues[reader]?.signal == signal {
            for notice in said { queues[reader]?.post(notice, for: member) }
        }
    }

    /// Says to a signal that begins to read what holds for the media of its members.
    func retell(_ room: RoomID, signal: SignalID, into queue: inout ReaderQueue) {
        guard let seats = seats[room], seats.room.epoch == queue.epoch else { return }
        for member in seats.members.keys where table.signal(room, member: member) == signal {
            for notice in seats.said.notices(of: member) { queue.post(notice, for: member) }
        }
    }

    private func tell(_ room: RoomID, _ member: MemberID, _ notice: MediaNotice) {
        if seats[room]?.members[member] != nil { seats[room]?.said.post(notice, for: member) }
        guard let signal = table.signal(room, member: member) else { return }
        for reader in readers[room] ?? [] where queues[reader]?.signal == signal {
            queues[reader]?.post(notice, for: member)
        }
    }

    private func place(of member: MediaMember) -> (RoomID, MemberID)? {
        guard let room = RoomID(member.room.room), let id = MemberID(member.member),
            seats[room]?.members[id] == member
        else { return nil }
        return (room, id)
    }
}
