internal import Time

/// Which row is due next: a binary heap in which each row stands at most once, and can be moved or taken out.
struct DeadlineHeap {
    private var heap: [(due: Instant, row: Int32)] = []
    /// Where in the heap a row stands; −1: not there.
    private var places: [Int32] = []

    /// The earliest.
    var first: (due: Instant, row: Int)? { heap.first.map { ($0.due, Int($0.row)) } }

    /// When a row is due.
    func due(_ row: Int) -> Instant? {
        guard row < places.count, places[row] >= 0 else { return nil }
        return heap[Int(places[row])].due
    }

    /// Puts a row where its deadline belongs, whether it was there or not.
    mutating func set(_ row: Int, _ due: Instant) {
        while places.count <= row { places.append(-1) }
        var place = Int(places[row])
        if place < 0 {
            place = heap.count
            heap.append((due, Int32(row)))
            places[row] = Int32(place)
        } else {
            heap[place].due = due
        }
        settle(place)
    }

    /// Makes a row due at `due`, if that is earlier than it is now.
    mutating func lower(_ row: Int, to due: Instant) {
        if let current = self.due(row), current <= due { return }
        set(row, due)
    }

    /// Takes a row out, if it is there.
    mutating func remove(_ row: Int) {
        guard row < places.count, places[row] >= 0 else { return }
        let place = Int(places[row])
        places[row] = -1
        let last = heap.removeLast()
        guard place < heap.count else { return }
        heap[place] = last
        places[Int(last.row)] = Int32(place)
        settle(place)
    }

    private mutating func settle(_ start: Int) {
        var place = start
        while place > 0, heap[place].due < heap[(place - 1) / 2].due {
            swap(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
        while true {
            var least = place
            let children = (2 * place + 1)..<min(2 * place + 3, max(heap.count, 2 * place + 1))
            for child in children where heap[child].due < heap[least].due { least = child }
            guard least != place else { return }
            swap(place, least)
            place = least
        }
    }

    private mutating func swap(_ left: Int, _ right: Int) {
        heap.swapAt(left, right)
        places[Int(heap[left].row)] = Int32(left)
        places[Int(heap[right].row)] = Int32(right)
    }
}
