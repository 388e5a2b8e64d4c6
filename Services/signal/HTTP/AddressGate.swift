import Synchronization

/// Counts connections by source (see `Source`), so that one cannot take them all.
package final class AddressGate: Sendable {
    private let limit: Int
    private let total: Int
    private let counts = Mutex<(byAddress: [String: Int], all: Int)>(([:], 0))

    package init(limit: Int, total: Int) {
        self.limit = limit
        self.total = total
    }

    /// True: one more is let in; it must `leave` later.
    package func enter(_ address: String) -> Bool {
        counts.withLock { counts in
            guard counts.all < total, counts.byAddress[address, default: 0] < limit else { return false }
            counts.byAddress[address, default: 0] += 1
            counts.all += 1
            return true
        }
    }

    package func leave(_ address: String) {
        counts.withLock { counts in
            counts.all -= 1
            let left = counts.byAddress[address, default: 1] - 1
            counts.byAddress[address] = left > 0 ? left : nil
        }
    }

    package var count: Int { counts.withLock { $0.all } }
}
