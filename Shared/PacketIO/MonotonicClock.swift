internal import CPacketIO
public import Time

/// The clock that loops read once a turn.
public enum MonotonicClock {
    /// Nanoseconds since some moment before the process started; never goes back.
    public static var now: Instant { Instant(nanoseconds: pio_now()) }
}
