/// Which ports of one relay address are taken, and a choice of the free ones that nobody can foresee.
///
/// Every free port is equally likely (RFC 8656 §5): who could guess the next one could send into an allocation before its
/// owner uses it. One for each relay address, shared by all workers.
public struct RelayPorts: Sendable {
    /// What an allocation asks for.
    public enum Parity: Sendable {
        /// Any port.
        case any
        /// EVEN-PORT without R.
        case even
        /// EVEN-PORT with R: an even port whose next one is free too; both are taken.
        case evenWithNext
    }

    private let range: ClosedRange<UInt16>
    /// A bit a port, from port 0 on; set where it is taken. 8 KiB.
    private var taken = [UInt64](repeating: 0, count: 1024)
    /// How many are taken.
    public private(set) var takenCount = 0

    /// All ports of `range` are free.
    public init(_ range: ClosedRange<UInt16>) { self.range = range }

    /// Draws before the free ports are counted: by then they are few.
    private static let draws = 32

    /// Takes a free port, and with `.evenWithNext` its neighbour. Nil if there is none.
    public mutating func take(_ parity: Parity, using random: inout some RandomNumberGenerator) -> UInt16? {
        // Whatever is drawn until it is free is any free one with equal chance, without looking at all of them.
        for _ in 0..<RelayPorts.draws {
            let port = UInt16.random(in: range, using: &random)
            guard candidates(Int(port) / 64, parity) & 1 << UInt64(port % 64) != 0 else { continue }
            return take(port, parity)
        }
        let first = Int(range.lowerBound) / 64
        let last = Int(range.upperBound) / 64
        var free = 0
        for word in first...last { free += candidates(word, parity).nonzeroBitCount }
        guard free > 0 else { return nil }
        var rank = Int.random(in: 0..<free, using: &random)
        for word in first...last {
            var bits = candidates(word, parity)
            let count = bits.nonzeroBitCount
            guard rank < count else {
                rank -= count
                continue
            }
            for _ in 0..<rank { bits &= bits - 1 }
            return take(UInt16(word * 64 + bits.trailingZeroBitCount), parity)
        }
        return nil
    }

    /// Gives a port back. Giving one back twice does no harm.
    public mutating func release(_ port: UInt16) {
        let bit: UInt64 = 1 << UInt64(port % 64)
        guard taken[Int(port) / 64] & bit != 0 else { return }
        taken[Int(port) / 64] &= ~bit
        takenCount -= 1
    }

    private mutating func take(_ port: UInt16, _ parity: Parity) -> UInt16 {
        mark(port)
        if case .evenWithNext = parity { mark(port + 1) }
        return port
    }

    private mutating func mark(_ port: UInt16) {
        taken[Int(port) / 64] |= 1 << UInt64(port % 64)
        takenCount += 1
    }

    /// The ports of a word that may be chosen, a bit each. Even ports and their neighbours share a word.
    private func candidates(_ word: Int, _ parity: Parity) -> UInt64 {
        let free = ~taken[word] & inRange(word)
        let even: UInt64 = 0x5555_5555_5555_5555
        switch parity {
        case .any: return free
        case .even: return free & even
        case .evenWithNext: return free & even & free >> 1
        }
    }

    private func inRange(_ word: Int) -> UInt64 {
        let low = max(Int(range.lowerBound) - word * 64, 0)
        let high = min(Int(range.upperBound) - word * 64, 63)
        guard low <= high else { return 0 }
        return (~0 << UInt64(low)) & (~0 >> UInt64(63 - high))
    }
}
