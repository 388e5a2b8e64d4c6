/// The numbers that a member's last messages got, so that a repeat gets the same and has no second effect.
struct SentMessages: Sendable {
    private let limit: Int
    private var numbers: [MessageID: UInt64] = [:]
    private var order: [MessageID] = []
    private var oldest = 0

    /// Remembers up to `limit` messages, the oldest forgotten first.
    init(limit: Int) { self.limit = max(1, limit) }

    /// The number of an earlier message of that id, if remembered.
    subscript(id: MessageID) -> UInt64? { numbers[id] }

    /// Remembers a new message.
    mutating func remember(_ id: MessageID, seq: UInt64) {
        guard numbers.updateValue(seq, forKey: id) == nil else { return }
        guard order.count == limit else {
            order.append(id)
            return
        }
        numbers[order[oldest]] = nil
        order[oldest] = id
        oldest = (oldest + 1) % limit
    }
}
