import Glibc
public import Time

/// Reads the clocks for machines, which are given their time.
public enum MonotonicClock {
    /// The moment now on the clock that only goes forward.
    public static var now: Instant {
        Instant(nanoseconds: read(CLOCK_MONOTONIC))
    }

    fileprivate static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension WallTime {
    /// The civil time now, by this host's clock.
    public static var now: WallTime {
        WallTime(milliseconds: MonotonicClock.read(CLOCK_REALTIME) / 1_000_000)
    }
}
