import Glibc
import Synchronization
import Time

/// The share of all cores that this process used, smoothed.
public final class ProcessLoad: Sendable {
    private struct Sample {
        var at: Int64
        var used: Int64
        var smoothed: Double
    }

    private let cores: Double
    private let sample: Mutex<Sample>

    /// Measures from now on.
    public init() {
        cores = Double(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        sample = Mutex(Sample(at: Self.clock(CLOCK_MONOTONIC), used: Self.clock(CLOCK_PROCESS_CPUTIME_ID), smoothed: 0))
    }

    /// How many cores there are to use.
    public var coreCount: Int { Int(cores) }

    /// From 0 to 1. Call about once a second: a step shows for two thirds after 3 s.
    public func cpu() -> Double {
        let now = Self.clock(CLOCK_MONOTONIC)
        let used = Self.clock(CLOCK_PROCESS_CPUTIME_ID)
        return sample.withLock { sample in
            let passed = Double(now - sample.at)
            // Under 10 ms the clock's own grain would be the figure.
            guard passed > 10_000_000 else { return sample.smoothed }
            let share = min(1, max(0, Double(used - sample.used) / passed / cores))
            // Exponential, with a time constant of 3 s.
            let weight = min(1, passed / 3_000_000_000)
            sample = Sample(at: now, used: used, smoothed: sample.smoothed + (share - sample.smoothed) * weight)
            return sample.smoothed
        }
    }

    private static func clock(_ id: clockid_t) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(id, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
