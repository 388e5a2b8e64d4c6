/// First in, first out, up to a limit.
struct BoundedQueue<Element> {
    private var items: [Element] = []
    private var head = 0
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var isEmpty: Bool { head == items.count }

    /// The next to come out.
    var first: Element? { head < items.count ? items[head] : nil }

    /// Adds one at the end; false if there are too many.
    mutating func append(_ element: Element) -> Bool {
        guard items.count - head < limit else { return false }
        items.append(element)
        return true
    }

    /// Lets go of all but those that `isWanted` says are.
    mutating func keep(where isWanted: (Element) -> Bool) {
        items = items[head...].filter(isWanted)
        head = 0
    }

    mutating func popFirst() -> Element? {
        guard head < items.count else { return nil }
        let element = items[head]
        head += 1
        // What was taken is let go once it is half of all: a constant cost each, on the whole.
        if head == items.count {
            items.removeAll(keepingCapacity: head <= 64)
            head = 0
        } else if head >= 64, head * 2 >= items.count {
            items.removeFirst(head)
            head = 0
        }
        return element
    }
}

extension BoundedQueue: Sendable where Element: Sendable {}
