import Synchronization
package import Time

/// Lets each source ask so many times at once, and then one more each while.
package final class SourceGate: Sendable {
    private struct State {
        var buckets: [String: TokenBucket] = [:]
        var sweepAt: Instant
    }

    private let burst: Int
    private let interval: Interval
    private let limit: Int
    private let state: Mutex<State>

    /// `limit` bounds the sources known at once: 10,000 take about a MiB.
    package init(burst: Int, oneEach interval: Interval, limit: Int = 10_000, now: Instant) {
        self.burst = burst
        self.interval = interval
        self.limit = limit
        state = Mutex(State(sweepAt: now))
    }

    /// True: it may ask now. Where too many sources ask, new ones are refused until old ones are forgotten.
    package func admits(_ source: String, now: Instant) -> Bool {
        state.withLock { state in
            if state.buckets[source] == nil, state.buckets.count >= limit {
                guard state.sweepAt <= now else { return false }
                // Once a second: a sweep takes a millisecond, and who floods must not make us do it each time.
                state.sweepAt = now + .seconds(1)
                state.buckets = state.buckets.filter { !$0.value.isFull(now: now) }
                guard state.buckets.count < limit else { return false }
            }
            return state.buckets[source, default: TokenBucket(burst: burst, oneEach: interval, now: now)].take(now: now)
        }
    }

    package var count: Int { state.withLock { $0.buckets.count } }
}
