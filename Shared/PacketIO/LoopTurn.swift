internal import CPacketIO
internal import Synchronization
internal import Time

/// One turn's waiting and jobs, in memory that is used again.
@safe struct LoopTurn: ~Copyable {
    /// Jobs a turn, so that a flood of control calls does not hold up packets for more than some microseconds.
    static let jobLimit = 64
    /// Ready descriptors a turn.
    static let eventLimit = 64

    /// A burst is over after some turns, and a pause behind it would be a wake-up for nothing; a stream goes on.
    private static let closeTurnsOfAStream = 16

    private var jobs: [UnownedJob] = []
    private let events: UnsafeMutablePointer<pio_event>
    /// How many descriptors are ready.
    private(set) var count = 0
    /// Whether there may be jobs: the mailbox said so, or the last turn left some.
    private(set) var mayHaveJobs = true
    /// When the loop's timer will wake it; nil once it has.
    private var timerAt: Instant?
    /// When the last turn began.
    private var began = Instant.zero
    /// How many turns in a row followed closely.
    private var closeTurns = 0
    /// Whether turns keep a distance.
    private var isPaced = false

    init() {
        jobs.reserveCapacity(LoopTurn.jobLimit)
        unsafe events = .allocate(capacity: LoopTurn.eventLimit)
        unsafe events.initialize(repeating: pio_event(), count: LoopTurn.eventLimit)
    }

    deinit { unsafe events.deallocate() }

    /// Waits until something is ready, or a deadline has come (nil: there is none). `now` is not later than the present.
    ///
    /// The timer is set only for a deadline that is earlier than what it is set for. So deadlines that move on with each packet
    /// cost no call of the kernel, and a wait sets up no timer of its own; a wake-up too early is rare, and does no harm.
    ///
    /// - Parameters:
    ///   - now: when the last turn began.
    ///   - items: how many datagrams it brought, or other events if these were more; none if it left some.
    mutating func wait(_ core: LoopCore, until deadline: Instant?, now: Instant, items: Int = 0) {
        var blocks = true
        if mayHaveJobs {
            blocks = false
        } else if let deadline {
            blocks = deadline > now
            if blocks, timerAt.map({ deadline < $0 }) ?? true {
                pio_timer_set(core.timer, deadline.nanoseconds)
                timerAt = deadline
            }
        }
        if core.pace > .zero {
            let pauses = keepsPace(core.pace, now: now, items: items)
            if pauses, blocks { pio_sleep_until((now + core.pace).nanoseconds) }
        }
        let found = unsafe pio_epoll_wait(core.epoll, events, Int32(LoopTurn.eventLimit), blocks ? 1 : 0)
        // Only EINTR can happen: then there is nothing, and the next turn waits again.
        count = max(0, Int(found))
        for index in 0..<count {
            let token = unsafe Token(bits: events[index].token)
            if token == .mailbox {
                pio_eventfd_clear(core.event)
                mayHaveJobs = true
            } else if token == .timer {
                timerAt = nil
            }
        }
    }

    /// Whether to pause before the next turn. A wake-up costs several times what a packet does, so turns that follow closely are
    /// held apart; a pause is a wake-up itself, so where only one packet comes in it, there is no other.
    private mutating func keepsPace(_ pace: Interval, now: Instant, items: Int) -> Bool {
        closeTurns = items > 0 && now - began < pace / 2 ? closeTurns + 1 : 0
        began = now
        isPaced = isPaced ? items > 1 : closeTurns >= LoopTurn.closeTurnsOfAStream
        if isPaced { closeTurns = 0 }
        return isPaced
    }

    /// What is ready.
    @inline(__always)
    func event(_ index: Int) -> (token: Token, events: UInt32) {
        precondition(index < count, "the turn has \(count) events")
        return unsafe (Token(bits: events[index].token), events[index].events)
    }

    /// Runs waiting jobs, not those that they add.
    mutating func runJobs(_ core: LoopCore, _ executor: LoopIdentity) {
        // Jobs that come while these run wake the eventfd again, unless some are left: then the next turn does not wait.
        mayHaveJobs = core.take(into: &jobs, limit: LoopTurn.jobLimit)
        guard !jobs.isEmpty else { return }
        core.statistics.jobs.add(UInt64(jobs.count), ordering: .relaxed)
        for job in jobs { executor.run(job) }
        jobs.removeAll(keepingCapacity: true)
    }
}
