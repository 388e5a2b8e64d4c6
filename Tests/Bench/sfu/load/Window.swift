import Glibc
import Time

/// What was seen between two marks.
struct Window {
    var sent = 0
    var received = 0
    /// Packets that bear nothing: probes, and repairs.
    var padding = 0
    /// Packets that did not follow the one before by number.
    var gaps = 0
    /// Packets that are not what was sent, or that did not open.
    var wrong = 0
    /// Frames that left later than half a period after they were due.
    var late = 0
    var keyFrames = 0
    /// From just before a packet was sent to when it was taken.
    var delays = Delays()
    var began = MonotonicTime.now

    /// As a line of JSON.
    func json(now: Instant) -> String {
        """
        {"sent": \(sent), "received": \(received), "padding": \(padding), "gaps": \(gaps), "wrong": \(wrong), \
        "late": \(late), "key_frames": \(keyFrames), "seconds": \((now - began).inSeconds), \
        "delay_p50_us": \(delays.share(0.5)), "delay_p99_us": \(delays.share(0.99)), "delay_max_us": \(delays.share(1))}
        """
    }
}

/// A histogram of delays in microseconds, up to 100 ms.
struct Delays {
    private var counts = Array(repeating: UInt32(0), count: 100_001)
    private var total = 0

    mutating func append(_ delay: Interval) {
        let microseconds = min(max(0, Int(delay.microseconds)), counts.count - 1)
        counts[microseconds] &+= 1
        total += 1
    }

    /// The delay that this share of all does not exceed.
    func share(_ share: Double) -> Int {
        let wanted = Int(Double(total) * share)
        var seen = 0
        for (microseconds, count) in counts.enumerated() {
            seen += Int(count)
            if seen >= wanted, seen > 0 { return microseconds }
        }
        return 0
    }
}

/// The clock that both ends of a delay are read from.
enum MonotonicTime {
    static var now: Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
