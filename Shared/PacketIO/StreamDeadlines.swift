internal import Time

/// What a stream is given time for. All streams in a list have the same time, so a list in order of entry is one in order of
/// deadlines.
enum DeadlineList: Int {
    /// To bring its first message.
    case opening
    /// To bring another.
    case idle
    /// To bring another, if it is a stranger.
    case waiting
    /// To take what waits for it.
    case stalled
    /// To go.
    case closing
    /// It has all the time.
    case none
}

/// The ends of the lists, and how many are opening.
struct DeadlineLists {
    var first: [5 of Int32] = [-1, -1, -1, -1, -1]
    var last: [5 of Int32] = [-1, -1, -1, -1, -1]
    var openingCount = 0
}

extension StreamTable {
    /// The time that a list gives.
    private func time(_ list: DeadlineList) -> Int64 {
        switch list {
        case .opening: limits.openingDeadline.nanoseconds
        case .idle: limits.idleDeadline.nanoseconds
        case .waiting: limits.strangerIdleDeadline.nanoseconds
        case .stalled: limits.stallDeadline.nanoseconds
        case .closing: limits.closeDeadline.nanoseconds
        case .none: .max
        }
    }

    /// Puts a stream at the end of a list, with that list's time from now.
    mutating func schedule(_ index: Int, _ list: DeadlineList) {
        leave(index)
        guard list != .none else { return }
        let own = Int32(truncatingIfNeeded: index)
        let last = lists.last[list.rawValue]
        unsafe slots[index].list = list
        unsafe slots[index].previous = last
        unsafe slots[index].next = -1
        unsafe slots[index].deadline = now &+ time(list)
        if last >= 0 { unsafe slots[Int(last)].next = own } else { lists.first[list.rawValue] = own }
        lists.last[list.rawValue] = own
        if list == .opening { lists.openingCount += 1 }
    }

    /// The list of an open stream: by what it is waited for.
    mutating func reschedule(_ index: Int) {
        if unsafe slots[index].backlog.count > 0 {
            if unsafe slots[index].list != .stalled { schedule(index, .stalled) }
        } else if unsafe slots[index].isHeard {
            schedule(index, unsafe slots[index].isKnown ? .idle : .waiting)
        } else if unsafe slots[index].list != .opening {
            schedule(index, .opening)
        }
    }

    private mutating func leave(_ index: Int) {
        let list = unsafe slots[index].list
        guard list != .none else { return }
        let previous = unsafe slots[index].previous
        let next = unsafe slots[index].next
        if previous >= 0 { unsafe slots[Int(previous)].next = next } else { lists.first[list.rawValue] = next }
        if next >= 0 { unsafe slots[Int(next)].previous = previous } else { lists.last[list.rawValue] = previous }
        unsafe slots[index].list = .none
        if list == .opening { lists.openingCount -= 1 }
    }

    /// When the next stream's time is over.
    var nextDeadline: Int64 {
        var earliest = Int64.max
        for list in 0..<DeadlineList.none.rawValue where lists.first[list] >= 0 {
            earliest = min(earliest, unsafe slots[Int(lists.first[list])].deadline)
        }
        return earliest
    }

    /// Whether some stream's time is over, or too many are opening.
    var hasExpired: Bool { nextDeadline <= now || lists.openingCount > limits.opening }

    /// A stream whose time is over, and which.
    func expired() -> (index: Int, list: DeadlineList)? {
        for list in 0..<DeadlineList.none.rawValue where lists.first[list] >= 0 {
            let index = Int(lists.first[list])
            if unsafe slots[index].deadline <= now { return unsafe (index, slots[index].list) }
        }
        return nil
    }

    /// The stream that has been opening for the longest time.
    var oldestOpening: Int? {
        let first = lists.first[DeadlineList.opening.rawValue]
        return first >= 0 ? Int(first) : nil
    }
}
