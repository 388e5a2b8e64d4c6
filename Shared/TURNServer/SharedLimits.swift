internal import Synchronization
internal import Time

/// The way of data: each has a bandwidth of its own.
enum Direction: Int {
    case toPeers
    case toClient
}

/// What the workers of a process count together: allocations and bandwidth, of each user and in all; and where their relays
/// are.
///
/// Behind a lock, so the machines come here seldom: for an allocation, and for a portion of bandwidth of some milliseconds.
public final class SharedLimits: Sendable {
    private struct User {
        var allocations = 0
        /// When the bandwidth used is "paid off", as in the generic cell rate algorithm; by direction.
        var restAt: [2 of Instant] = [.zero, .zero]

        func isPaidOff(at now: Instant) -> Bool { restAt[0] <= now && restAt[1] <= now }
    }

    private struct State {
        var users: [String: User] = [:]
        var allocations = 0
        var restAt: [2 of Instant] = [.zero, .zero]
    }

    private let state = Mutex(State())
    let relays = SharedRelays()

    /// Nothing is used yet.
    public init() {}

    /// How many allocations there are now, in all machines.
    public var allocations: Int { state.withLock { $0.allocations } }

    /// Counts one more allocation of a user; false, and nothing is counted, if that is over a quota. 0 is no quota.
    func admit(_ user: String, userQuota: Int, totalQuota: Int) -> Bool {
        state.withLock { state in
            let count = state.users[user]?.allocations ?? 0
            guard userQuota == 0 || count < userQuota, totalQuota == 0 || state.allocations < totalQuota else {
                return false
            }
            state.users[user, default: User()].allocations = count + 1
            state.allocations += 1
            return true
        }
    }

    /// One allocation less.
    func release(_ user: String, now: Instant) {
        state.withLock { state in
            state.allocations -= 1
            guard var entry = state.users[user] else { return }
            entry.allocations -= 1
            // Who has used up its bandwidth does not get rid of that by a new allocation; a second later it is forgotten.
            state.users[user] = entry.allocations == 0 && entry.isPaidOff(at: now) ? nil : entry
            guard state.users.count > state.allocations + SharedLimits.lingering else { return }
            state.users = state.users.filter { $0.value.allocations > 0 || !$0.value.isPaidOff(at: now) }
        }
    }

    /// How many users without allocations may wait for their bandwidth to be paid off before they are looked through.
    private static let lingering = 1_024

    /// Takes a portion of a user's bandwidth; false if the last second's is used up.
    func draw(_ bytes: Int, _ direction: Direction, of user: String, rate: Int, now: Instant) -> Bool {
        state.withLock { state in
            guard var entry = state.users[user] else { return true }
            guard SharedLimits.draw(bytes, rate, &entry.restAt[direction.rawValue], now) else { return false }
            state.users[user] = entry
            return true
        }
    }

    /// Takes a portion of all bandwidth.
    func drawTotal(_ bytes: Int, _ direction: Direction, rate: Int, now: Instant) -> Bool {
        state.withLock { SharedLimits.draw(bytes, rate, &$0.restAt[direction.rawValue], now) }
    }

    /// A key frame of video may take a second's bandwidth at once.
    private static let burst = Interval.seconds(1)

    private static func draw(_ bytes: Int, _ rate: Int, _ restAt: inout Instant, _ now: Instant) -> Bool {
        let rest = max(restAt, now)
        guard rest - now < burst else { return false }
        let (high, low) = UInt64(bytes).multipliedFullWidth(by: 1_000_000_000)
        // A portion is small against what a second's overflow would take: the quotient fits for any rate of one byte or more.
        let cost = UInt64(rate).dividingFullWidth((high % UInt64(rate), low)).quotient
        restAt = rest + .nanoseconds(Int64(clamping: cost))
        return true
    }
}
