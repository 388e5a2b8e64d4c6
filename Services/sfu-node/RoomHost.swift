package import MediaInterface
package import Messages
import Synchronization
import Time

/// Holds a node's rooms: gives the machine its time, wakes it at its deadlines, and passes on what it says.
package actor RoomHost {
    /// What happened here since the start, and what is here now.
    package struct Figures: Hashable, Sendable {
        package var rooms = 0
        package var members = 0
        package var readers = 0
        package var events: UInt64 = 0
        package var snapshots: UInt64 = 0
        package var slowReaders: UInt64 = 0
        /// By reason.
        package var refused: [String: UInt64] = [:]
    }

    /// Where the registry hears of rooms that ended here.
    package nonisolated let ended: AsyncStream<RoomTable.Held>

    /// Where those who carry the media leave what is to be told to members.
    package nonisolated let notices: MediaNotices
    /// What those who carry the media are to be told.
    nonisolated let mediaNews: AsyncStream<MediaNews>

    var table: RoomTable
    var queues: [ReaderID: ReaderQueue] = [:]
    var readers: [RoomID: Set<ReaderID>] = [:]
    /// Members who asked for media, by room.
    var seats: [RoomID: RoomSeats] = [:]
    let mediaTeller: AsyncStream<MediaNews>.Continuation
    private var nextReader: UInt64 = 0
    private var isEnding = false
    private var isGoingDown = false
    private var counted = Figures()
    private let published = Mutex(Figures())
    private var sleeper: Task<Void, any Error>?
    private var wakesAt: Instant?
    private let readerLimits: ReaderLimits
    private let clock: @Sendable () -> Moment
    private let endings: AsyncStream<RoomTable.Held>.Continuation

    /// An empty host; its deadlines are met while `run()` runs.
    package init(
        limits: RoomLimits = RoomLimits(), readerLimits: ReaderLimits = ReaderLimits(),
        notices: MediaNotices = MediaNotices(),
        clock: @escaping @Sendable () -> Moment
    ) {
        table = RoomTable(limits: limits)
        self.readerLimits = readerLimits
        self.notices = notices
        self.clock = clock
        (mediaNews, mediaTeller) = AsyncStream.makeStream()
        // As many as there may be rooms: an end that is lost costs the registry one room it takes for living.
        (ended, endings) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(limits.rooms))
    }

    /// Meets the deadlines, until cancelled.
    package func run() async {
        while !Task.isCancelled {
            let now = clock()
            if let due = table.nextDeadline, due <= now.instant {
                table.timeout(now: now)
                flush()
            }
            wakesAt = table.nextDeadline
            // Without a deadline, an hour: the next change ends the sleep.
            let left = wakesAt.map { max(0, $0.nanoseconds - clock().instant.nanoseconds) } ?? 3_600_000_000_000
            let sleep = Task { try await Task.sleep(for: .nanoseconds(left)) }
            sleeper = sleep
            await withTaskCancellationHandler {
                _ = await sleep.result
            } onCancel: {
                sleep.cancel()
            }
        }
    }

    /// What is here and what happened, as of the last change.
    package nonisolated var figures: Figures { published.withLock { $0 } }

    /// All rooms, for the registry.
    package var held: [RoomTable.Held] { table.held }

    /// Whether it makes no more rooms.
    package var isDraining: Bool { table.isDraining }

    /// Stops making rooms, or makes them again. Once the process ends, nothing takes that back.
    package func setDraining(_ draining: Bool) { table.isDraining = draining || isEnding }

    /// The process ends: no rooms are made from here on.
    package func beginEnding() {
        isEnding = true
        table.isDraining = true
    }

    /// Sends all readers elsewhere, and whoever comes, for the process ends.
    package func dismissReaders() {
        beginEnding()
        isGoingDown = true
        for id in queues.keys { queues[id]?.finish(.goingDown) }
    }

    /// The registry says that a room lives elsewhere.
    package func close(_ room: RoomID, epoch: UInt64) {
        table.close(room, epoch: epoch, now: clock())
        flush()
    }

    /// See `RoomTable.join`.
    package func join(_ join: RoomTable.Join) throws(RoomRefusal) -> RoomState {
        let state = try perform { table, now throws(RoomRefusal) in try table.join(join, now: now) }
        // It may be reached through another signal now.
        retell(join.room, member: join.member.id)
        return state
    }

    /// See `RoomTable.leave`.
    package func leave(_ room: RoomID, member: MemberID, reason: LeaveReason) {
        table.leave(room, member: member, reason: reason, now: clock())
        flush()
    }

    /// See `RoomTable.update`.
    package func update(_ room: RoomID, member: MemberID, media: MediaState?, away: Bool) throws(RoomRefusal) {
        try perform { table, now throws(RoomRefusal) in
            try table.update(room, member: member, media: media, away: away, now: now)
        }
    }

    /// See `RoomTable.send`.
    package func send(_ room: RoomID, _ message: RoomMessage) throws(RoomRefusal) -> UInt64 {
        try perform { table, now throws(RoomRefusal) in try table.send(room, message, now: now) }
    }

    /// See `RoomTable.invite`.
    package func invite(
        _ room: RoomID, person: PersonID, name: String, by member: MemberID, video: Bool
    ) throws(RoomRefusal) -> Invitation {
        try perform { table, now throws(RoomRefusal) in
            try table.invite(room, person: person, name: name, by: member, video: video, now: now)
        }
    }

    /// See `RoomTable.answer`.
    package func answer(_ room: RoomID, person: PersonID, with state: InvitationState) throws(RoomRefusal) {
        try perform { table, now throws(RoomRefusal) in
            try table.answer(room, person: person, with: state, now: now)
        }
    }

    /// A request was refused, here or before it came here.
    package func count(_ refusal: RoomRefusal) {
        counted.refused[refusal.reason, default: 0] += 1
        publish()
    }

    /// Begins to read a room's events; `signal` nil: only to watch. What was missed is queued first.
    package func openReader(
        _ room: RoomID, signal: SignalID?, after seq: UInt64, epoch: UInt64
    ) throws(RoomRefusal) -> Reader {
        guard !isGoingDown else { throw .draining }
        defer { flush() }
        let reading = try table.readerOpened(room, signal: signal, after: seq, epoch: epoch, now: clock())
        nextReader += 1
        let id = ReaderID(number: nextReader)
        var queue = ReaderQueue(room: room, epoch: reading.epoch, signal: signal, limits: readerLimits)
        switch reading.missed {
        case .events(let events):
            queue.seq = seq
            for event in events { queue.append(event, as: Roost_Rooms_V1_EventsResponse(event)) }
        case .snapshot(let state):
            counted.snapshots += 1
            queue.append(state, as: Roost_Rooms_V1_EventsResponse(state))
        }
        if let signal { retell(room, signal: signal, into: &queue) }
        queues[id] = queue
        readers[room, default: []].insert(id)
        return Reader(id: id, news: queue.news, cut: queue.cut)
    }

    /// What is queued for a reader, taken out.
    package func take(_ id: ReaderID) -> [Roost_Rooms_V1_EventsResponse] { queues[id]?.take() ?? [] }

    /// A reader is gone. Returns why its queue was finished, if it was.
    @discardableResult
    package func closeReader(_ id: ReaderID) -> ReaderEnd? {
        guard let queue = queues.removeValue(forKey: id) else { return nil }
        if queue.end == .tooSlow { counted.slowReaders += 1 }
        readers[queue.room]?.remove(id)
        if readers[queue.room]?.isEmpty == true { readers[queue.room] = nil }
        if let signal = queue.signal {
            table.readerClosed(queue.room, signal: signal, epoch: queue.epoch, now: clock())
        }
        flush()
        return queue.end
    }

    func perform<T: Sendable>(
        _ body: (inout RoomTable, Moment) throws(RoomRefusal) -> T
    ) throws(RoomRefusal) -> T {
        // What is done after the readers were sent elsewhere would be answered and heard by nobody.
        guard !isGoingDown else { throw .draining }
        defer { flush() }
        return try body(&table, clock())
    }

    /// Passes on what the rooms said, and sets the alarm anew.
    private func flush() {
        for output in table.takeOutputs() {
            switch output.output {
            case .event(let event):
                counted.events += 1
                let message = Roost_Rooms_V1_EventsResponse(event)
                for id in readers[output.room] ?? [] where queues[id]?.epoch == output.epoch {
                    queues[id]?.append(event, as: message)
                }
                switch event.kind {
                case .left(let member, _, _): vacate(output.room, epoch: output.epoch, member: member)
                case .ended(let reason, _): finish(output, reason)
                case .joined, .updated, .invitation, .message, .locked, .topology: break
                }
            case .resync:
                guard let state = table.state(output.room) else { continue }
                let message = Roost_Rooms_V1_EventsResponse(state)
                for id in readers[output.room] ?? [] where queues[id]?.epoch == output.epoch {
                    counted.snapshots += 1
                    queues[id]?.append(state, as: message)
                }
            }
        }
        if let due = table.nextDeadline, wakesAt.map({ due < $0 }) ?? true { sleeper?.cancel() }
        publish()
    }

    private func publish() {
        counted.rooms = table.roomCount
        counted.members = table.memberCount
        counted.readers = queues.count
        let figures = counted
        published.withLock { $0 = figures }
    }

    private func finish(_ output: RoomTable.Output, _ reason: EndReason) {
        for id in readers[output.room] ?? [] where queues[id]?.epoch == output.epoch {
            queues[id]?.finish(.roomEnded)
        }
        vacate(output.room, epoch: output.epoch)
        // One that moved is another node's to end.
        guard reason != .moved else { return }
        endings.yield(RoomTable.Held(room: output.room, epoch: output.epoch, members: 0))
    }
}
