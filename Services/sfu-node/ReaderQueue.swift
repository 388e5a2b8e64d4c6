import MediaInterface
import Messages

/// Names a stream of events.
package struct ReaderID: Hashable, Sendable {
    let number: UInt64
}

/// Why a reader's queue takes nothing more.
package enum ReaderEnd: Hashable, Sendable {
    /// The room is over; the queue's last event says why.
    case roomEnded
    /// It read too slowly; what is queued is lost.
    case tooSlow
    /// The node goes down.
    case goingDown
}

/// What may wait for one reader.
package struct ReaderLimits: Hashable, Sendable {
    /// Messages: twice a room's ring, so a reader that just got a full replay has as much room again.
    package var count = 1_024
    /// Bytes, of which a full replay is up to 1 MiB.
    package var bytes = 4 << 20

    /// The values above.
    package init() {}
}

/// A stream of events as its server sees it.
package struct Reader: Sendable {
    package let id: ReaderID
    /// Rings when there is something to take; ends with the queue.
    package let news: AsyncStream<Void>
    /// Ends when the reader is to be cut, whatever it is waiting for.
    package let cut: AsyncStream<Never>
}

/// What waits for one reader of a room's events.
struct ReaderQueue {
    let room: RoomID
    let epoch: UInt64
    /// Nil for one that only watches.
    let signal: SignalID?
    let news: AsyncStream<Void>
    let cut: AsyncStream<Never>
    /// Of the last event queued.
    var seq: UInt64 = 0
    private(set) var end: ReaderEnd?

    private let limits: ReaderLimits
    private let bell: AsyncStream<Void>.Continuation
    private let scissors: AsyncStream<Never>.Continuation
    private var waiting: [Roost_Rooms_V1_EventsResponse] = []
    private var cost = 0
    private var notices = NoticeBoard<MemberID>()

    init(room: RoomID, epoch: UInt64, signal: SignalID?, limits: ReaderLimits) {
        self.room = room
        self.epoch = epoch
        self.signal = signal
        self.limits = limits
        (news, bell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (cut, scissors) = AsyncStream.makeStream()
    }

    /// Queues an event; one that a queued state contains is skipped.
    mutating func append(_ event: RoomEvent, as message: Roost_Rooms_V1_EventsResponse) {
        guard event.seq > seq else { return }
        seq = event.seq
        append(message, cost: event.cost)
    }

    /// Queues a state.
    mutating func append(_ state: RoomState, as message: Roost_Rooms_V1_EventsResponse) {
        seq = state.seq
        append(message, cost: state.cost)
    }

    /// Queues news of a member's media, in place of what it outdates. They are told after the events that wait: what they
    /// name is known by then. A few for each member, so they need no other bound.
    mutating func post(_ notice: MediaNotice, for member: MemberID) {
        guard end == nil else { return }
        notices.post(notice, for: member)
        bell.yield()
    }

    mutating func take() -> [Roost_Rooms_V1_EventsResponse] {
        defer {
            waiting.removeAll(keepingCapacity: true)
            cost = 0
        }
        guard !notices.isEmpty else { return waiting }
        return waiting
            + notices.takeAll().map { Roost_Rooms_V1_EventsResponse($0.notice, for: $0.key) }
    }

    mutating func finish(_ reason: ReaderEnd) {
        guard end == nil else { return }
        end = reason
        bell.yield()
        bell.finish()
        guard reason == .tooSlow else { return }
        waiting.removeAll()
        scissors.finish()
    }

    private mutating func append(_ message: Roost_Rooms_V1_EventsResponse, cost added: Int) {
        guard end == nil else { return }
        guard waiting.count < limits.count, cost + added <= limits.bytes || waiting.isEmpty else {
            finish(.tooSlow)
            return
        }
        waiting.append(message)
        cost += added
        bell.yield()
    }
}
