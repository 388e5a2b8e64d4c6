internal import STUN
public import Time

/// A STUN and TURN server as a machine without I/O: what one worker thread serves.
///
/// Datagrams, framed messages of streams and a time come in; each input has at most one action, which it returns. Sockets, the
/// registry and the log are the worker's. Everything that clients can make grow has a cap.
public struct TURNServer: ~Copyable, Sendable {
    /// Free room that each output must have.
    public static let outputBytes = 512
    /// An answer to whoever is not authenticated is at most so many times as long as the question, over UDP.
    public static let amplification = 4
    /// How long a worker may take to bind a relay.
    public static let bindDeadline = Interval.seconds(10)

    var configuration: TURNServerConfiguration
    let worker: Int
    let limits: SharedLimits
    var table: AllocationTable
    var details: [AllocationDetails?] = []
    var users = Slab<UserRow>()
    var userRows: [String: Int] = [:]
    var heap = DeadlineHeap()
    var limiter: SourceLimiter
    var releases = BoundedQueue<TURNRelease>(limit: 1 << 20)
    var events = BoundedQueue<TURNEvent>(limit: 1_024)
    /// Makes reservation tokens, which nobody may guess.
    let tokenKey: NonceKey
    var tokens: UInt64 = 0
    var allocationsMade: UInt64 = 0
    /// Makes transaction ids of indications: these prove nothing, so any generator does.
    var transactions: PlainGenerator
    var wallOffset = Interval.zero
    /// The row of the last allocation that was looked up: the next packet is often of the same flow.
    var recent = 0
    /// Whether any bandwidth is limited.
    var isCapped = false
    /// Whether relays have other addresses outside.
    var isMapped = false
    var totalBudgets: [2 of Budget] = [Budget(), Budget()]

    /// What it did so far.
    public internal(set) var counters = TURNCounters()

    /// - Parameters:
    ///   - configuration: what the operator chose.
    ///   - worker: its number in the process, 0 to 255: the top byte of its allocations' ids and of its tokens.
    ///   - limits: what the workers of the process count together.
    ///   - now: the time on the clock that each input is given.
    ///   - wallTime: the civil time at `now`.
    ///   - random: an unpredictable generator; it is asked here only.
    public init(
        _ configuration: TURNServerConfiguration, worker: Int, limits: SharedLimits, now: Instant, wallTime: WallTime,
        using random: inout some RandomNumberGenerator
    ) {
        precondition((0...255).contains(worker), "a worker's number is one byte")
        configuration.check()
        self.configuration = configuration
        self.worker = worker
        self.limits = limits
        table = AllocationTable(mixer: Mixer(using: &random))
        limiter = SourceLimiter(
            rate: configuration.answersPerSecond, burst: configuration.answersPerSecond * 2, seed: random.next())
        tokenKey = NonceKey(using: &random)
        transactions = PlainGenerator(seed: random.next())
        adopt(configuration)
        set(wallTime: wallTime, now: now)
    }

    /// How many allocations there are, those in the making included.
    public var allocationCount: Int { table.allocations.count }

    /// Whether a client has an allocation, one in the making included: then it has proved who it is.
    public func isServing(_ flow: Flow) -> Bool { table.allocation(of: flow) != nil }

    /// When `timeout` is due; nil while nothing can end.
    public var nextDeadline: Instant? { heap.first?.due }

    /// What is no longer needed, one after the other. Ask after each turn, until nil.
    public mutating func nextRelease() -> TURNRelease? { releases.popFirst() }

    /// What may be logged, one after the other. Ask after each turn, until nil: of more than 1,024 the last are lost.
    public mutating func nextEvent() -> TURNEvent? { events.popFirst() }

    /// The user that a question to the registry is about; nil once the ticket is of no use.
    public func user(of ticket: TURNTicket) -> String? {
        guard let allocation = allocation(of: ticket) else { return nil }
        return users.rows[Int(table.allocations.rows[allocation].user)].name
    }

    /// Tells the civil time, which credentials and nonces are measured by. Call it once a second or so.
    public mutating func set(wallTime: WallTime, now: Instant) {
        wallOffset = .milliseconds(wallTime.milliseconds) - (now - .zero)
    }

    func wallTime(at now: Instant) -> WallTime {
        WallTime(milliseconds: ((now - .zero) + wallOffset).milliseconds)
    }

    func allocation(of ticket: TURNTicket) -> Int? {
        let row = Int(ticket.slot)
        guard row < table.allocations.rows.count, table.allocations.rows[row].generation == ticket.generation,
            table.allocations.rows[row].state != .free
        else { return nil }
        return row
    }

    func ticket(of allocation: Int) -> TURNTicket {
        TURNTicket(slot: Int32(allocation), generation: table.allocations.rows[allocation].generation)
    }

    /// Counts and gives the action.
    mutating func drop(_ reason: TURNDrop) -> TURNAction {
        counters[reason] &+= 1
        return .drop(reason)
    }
}

/// SplitMix64: fast, even, and foreseeable.
struct PlainGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
