internal import CPacketIO
internal import Synchronization
internal import Time

/// What a loop's thread and its executor share: the mailbox of jobs, the descriptors to wait on, and who is on the thread.
final class LoopCore: Sendable {
    /// Jobs that fit without allocating: every actor call of a worker in one turn, many times over. More make it grow.
    static let ringCapacity = 1024
    let epoll: Int32
    let event: Int32
    let timer: Int32
    /// How far turns are apart at least while much comes; zero: as they come.
    let pace: Interval
    let statistics = LoopStatistics()
    private let ring = Mutex(JobRing(capacity: LoopCore.ringCapacity))
    /// `pthread_self()` of the loop's thread; 0 before it runs.
    private let thread = Atomic<UInt>(0)

    init(pace: Interval) throws(PacketIOError) {
        self.pace = pace
        let epoll = pio_epoll_create()
        guard epoll >= 0 else { throw .cannotStart("epoll descriptor", code: -epoll) }
        let event = pio_eventfd_create()
        guard event >= 0 else {
            pio_close(epoll)
            throw .cannotStart("event descriptor", code: -event)
        }
        let timer = pio_timer_create()
        guard timer >= 0 else {
            pio_close(epoll)
            pio_close(event)
            throw .cannotStart("timer descriptor", code: -timer)
        }
        self.epoll = epoll
        self.event = event
        self.timer = timer
        let added = pio_epoll_add(epoll, event, Token.mailbox.bits, UInt32(PIO_READ))
        precondition(added == 0, "epoll refuses a fresh eventfd: errno \(-added)")
        let watched = pio_timer_watch(epoll, timer, Token.timer.bits)
        precondition(watched == 0, "epoll refuses a fresh timer: errno \(-watched)")
    }

    deinit {
        pio_close(timer)
        pio_close(event)
        pio_close(epoll)
    }

    /// Gives the thread a job. Wakes it only if it may be asleep: when the ring was empty.
    func put(_ job: UnownedJob) {
        let wasEmpty = ring.withLock { $0.put(job) }
        if wasEmpty { pio_eventfd_signal(event) }
    }

    /// Moves up to `limit` jobs to `jobs`. Returns whether there are more.
    func take(into jobs: inout [UnownedJob], limit: Int) -> Bool {
        ring.withLock { ring in
            while jobs.count < limit, let job = ring.next() { jobs.append(job) }
            return !ring.isEmpty
        }
    }

    var hasJobs: Bool { ring.withLock { !$0.isEmpty } }

    /// Whoever sets a flag that the thread looks at wakes it by this.
    func wake() { pio_eventfd_signal(event) }

    func claimThread() { thread.store(currentThread(), ordering: .releasing) }

    var isOnThread: Bool { thread.load(ordering: .acquiring) == currentThread() }
}

/// A queue of jobs in memory that is only allocated again if it overflows.
struct JobRing {
    private var jobs: [UnownedJob?]
    private var head = 0
    private var count = 0

    init(capacity: Int) { jobs = Array(repeating: nil, count: capacity) }

    var isEmpty: Bool { count == 0 }

    /// Adds a job. Returns whether it is the only one.
    mutating func put(_ job: UnownedJob) -> Bool {
        if count == jobs.count { grow() }
        jobs[(head + count) % jobs.count] = job
        count += 1
        return count == 1
    }

    mutating func next() -> UnownedJob? {
        guard count > 0 else { return nil }
        let job = jobs[head]
        head = (head + 1) % jobs.count
        count -= 1
        return job
    }

    private mutating func grow() {
        let ordered = (0..<count).map { jobs[(head + $0) % jobs.count] }
        jobs = ordered + Array(repeating: nil, count: jobs.count)
        head = 0
    }
}
