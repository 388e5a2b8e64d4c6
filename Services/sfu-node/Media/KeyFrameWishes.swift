import Time

/// What one receiver may ask for: each key frame costs the sender and all others of its room several pictures. A few at once, as
/// after a loss, then one in two seconds; what is too much waits.
struct KeyFrameWishes {
    private static let atOnce = 5
    private static let window = Interval.seconds(10)
    private static let later = Interval.seconds(2)

    private var count = 0
    private var since = Instant.zero
    private var grantedAt = Instant.zero
    private(set) var isWaiting = false

    /// Whether a wish is granted now.
    mutating func grant(_ now: Instant) -> Bool {
        if now - since > KeyFrameWishes.window {
            since = now
            count = 0
        }
        guard count < KeyFrameWishes.atOnce || now - grantedAt >= KeyFrameWishes.later else {
            isWaiting = true
            return false
        }
        count += 1
        grantedAt = now
        isWaiting = false
        return true
    }
}
