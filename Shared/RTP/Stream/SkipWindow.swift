/// Remembers which of the last packets of a source were left out, so that numbers of late ones can be found.
struct SkipWindow: Sendable {
    /// How many packets back it reaches: a late packet further back is of no use to a receiver any more.
    static let reach = 512

    private var words = [8 of UInt64](repeating: 0)

    init() {}

    /// Moves on from the newest packet to one that is `steps` ahead: none of these is left out yet.
    @inline(__always)
    mutating func advance(from newest: Int, by steps: Int) {
        guard steps < SkipWindow.reach else {
            words = [8 of UInt64](repeating: 0)
            return
        }
        var step = 1
        while step <= steps {
            let position = (newest &+ step) & (SkipWindow.reach &- 1)
            words[position >> 6] &= ~(1 << UInt64(position & 63))
            step &+= 1
        }
    }

    @inline(__always)
    mutating func insert(_ number: Int) {
        let position = number & (SkipWindow.reach &- 1)
        words[position >> 6] |= 1 << UInt64(position & 63)
    }

    @inline(__always)
    func contains(_ number: Int) -> Bool {
        let position = number & (SkipWindow.reach &- 1)
        return words[position >> 6] & 1 << UInt64(position & 63) != 0
    }

    /// How many were left out after `number`, up to `newest`, which is less than `reach` ahead.
    func count(after number: Int, upTo newest: Int) -> Int {
        var count = 0
        var next = number &+ 1
        while next <= newest {
            let position = next & (SkipWindow.reach &- 1)
            let bits = min(64 &- position & 63, newest &- next &+ 1)
            let mask = bits >= 64 ? UInt64.max : (1 << UInt64(bits) &- 1)
            count &+= (words[position >> 6] >> UInt64(position & 63) & mask).nonzeroBitCount
            next &+= bits
        }
        return count
    }
}
