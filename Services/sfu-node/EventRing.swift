/// The last events of a room, numbered without a gap, for readers that come back.
package struct EventRing: Sendable {
    private let maxCount: Int
    private let maxCost: Int
    private var events: [RoomEvent] = []
    private var head = 0
    private var cost = 0

    /// Keeps at most `count` events, and of them as many of the newest as fit `bytes`; always the newest one.
    package init(count: Int, bytes: Int) {
        maxCount = max(1, count)
        maxCost = bytes
    }

    /// How many are kept.
    package var count: Int { events.count - head }

    /// Takes the next event.
    package mutating func append(_ event: RoomEvent) {
        precondition(
            count == 0 || events[events.count - 1].seq + 1 == event.seq, "events of a room are numbered gapless")
        events.append(event)
        cost += event.cost
        while count > maxCount || (cost > maxCost && count > 1) {
            cost -= events[head].cost
            head += 1
        }
        // Half of the array being dead, move the living down: amortised over as many appends.
        if head > 32, head * 2 > events.count {
            events.removeFirst(head)
            head = 0
        }
    }

    /// Forgets everything: the numbers do not go on from here.
    package mutating func removeAll() {
        events.removeAll()
        head = 0
        cost = 0
    }

    /// The events after `seq`, where none of them is missing; `last` is the room's newest number. Nil: there is a gap.
    package func events(after seq: UInt64, last: UInt64) -> ArraySlice<RoomEvent>? {
        guard seq != last else { return [] }
        guard seq < last, count > 0, events[head].seq <= seq + 1 else { return nil }
        return events[(head + Int(seq + 1 - events[head].seq))...]
    }
}
