package import Time

/// Something said to all.
package struct ChatLine: Hashable, Sendable {
    /// Of the event that said it.
    package var seq: UInt64
    package var at: WallTime
    package var from: MemberID
    /// The sender's, as it was then.
    package var name: String
    package var body: [UInt8]

    package init(seq: UInt64, at: WallTime, from: MemberID, name: String, body: [UInt8]) {
        self.seq = seq
        self.at = at
        self.from = from
        self.name = name
        self.body = body
    }

    /// About what keeping it costs.
    var cost: Int { 128 + body.count }
}

/// The last lines said to all in a room, for those who come later.
struct ChatLog: Sendable {
    private let maxCount: Int
    private let maxCost: Int
    private(set) var lines: [ChatLine] = []
    private(set) var cost = 0

    /// Keeps at most `count` lines, and of them as many of the newest as fit `bytes`.
    init(count: Int, bytes: Int) {
        maxCount = count
        maxCost = bytes
    }

    /// Takes the next line. O(lines kept), a few hundred.
    mutating func append(_ line: ChatLine) {
        lines.append(line)
        cost += line.cost
        var dropped = 0
        while dropped < lines.count, lines.count - dropped > maxCount || cost > maxCost {
            cost -= lines[dropped].cost
            dropped += 1
        }
        if dropped > 0 { lines.removeFirst(dropped) }
    }

    /// Takes lines that another life of the room had, where this one knows none of them.
    mutating func merge(_ others: [ChatLine]) {
        let known = Set(lines.map { Key($0) })
        let all = others.filter { !known.contains(Key($0)) } + lines
        lines = []
        cost = 0
        // By time: two lives of a room may have given one number to two lines.
        for line in all.sorted(by: { ($0.at.milliseconds, $0.seq) < ($1.at.milliseconds, $1.seq) }) { append(line) }
    }

    private struct Key: Hashable {
        var seq: UInt64
        var from: MemberID

        init(_ line: ChatLine) {
            seq = line.seq
            from = line.from
        }
    }
}
