public import Addresses
public import Time

/// Limits how often each source network is served, in a fixed amount of memory.
///
/// A source address can be forged, so this protects whoever really lives there. Networks are /24 for IPv4 and /48 for IPv6:
/// what one sender can spread its forgeries over, or one subscriber is given. Networks whose hashes collide share a limit.
public struct SourceLimiter: Sendable {
    /// 64 KiB, and two networks of a thousand active ones rarely meet.
    static let cells = 8_192

    private let spacing: Interval
    private let tolerance: Interval
    private let seed: UInt64
    /// When each cell is back at rest (the "theoretical arrival time" of the generic cell rate algorithm).
    private var restAt: [Instant]

    /// - Parameters:
    ///   - rate: requests a second that a network may go on with, at least 1.
    ///   - burst: requests that it may make at once, at least 1.
    ///   - seed: random, so that nobody can choose addresses that collide with a victim's.
    public init(rate: Int, burst: Int, seed: UInt64) {
        precondition(rate > 0 && burst > 0, "a limit lets something through")
        spacing = .nanoseconds(1_000_000_000 / Int64(rate))
        tolerance = .nanoseconds(spacing.nanoseconds * Int64(burst - 1))
        self.seed = seed
        restAt = Array(repeating: Instant(nanoseconds: 0), count: SourceLimiter.cells)
    }

    /// Whether one more request of the address's network is served.
    public mutating func admit(_ address: IPAddress, now: Instant) -> Bool {
        let cell = cell(of: address)
        let rest = max(restAt[cell], now)
        guard rest - now <= tolerance else { return false }
        restAt[cell] = rest + spacing
        return true
    }

    private func cell(of address: IPAddress) -> Int {
        let network = address.family == .v4 ? address.low >> 8 : address.high >> 16 | 1 << 63
        // A multiply-and-fold hash: what matters is the seed, not its quality.
        let product = (network ^ seed).multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        return Int((product.high ^ product.low) % UInt64(SourceLimiter.cells))
    }
}
