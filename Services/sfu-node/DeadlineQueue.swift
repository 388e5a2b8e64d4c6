import Time

/// The next deadline of many, as a binary heap. A deadline that moved leaves its old entry behind, which its owner skips.
struct DeadlineQueue<Key: Hashable & Sendable>: Sendable {
    private var heap: [(due: Instant, key: Key)] = []

    /// The soonest; O(1).
    var first: (due: Instant, key: Key)? { heap.first }

    var count: Int { heap.count }

    /// O(log n).
    mutating func insert(_ key: Key, due: Instant) {
        heap.append((due, key))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].due < heap[parent].due else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes out the soonest if it is due. O(log n).
    mutating func popDue(now: Instant) -> (due: Instant, key: Key)? {
        guard let first = heap.first, first.due <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].due < heap[least].due
            {
                least = child
            }
            guard least != parent else { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
