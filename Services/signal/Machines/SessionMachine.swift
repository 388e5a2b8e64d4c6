package import Time

/// Bounds of one session, each with its reason.
package struct SessionLimits: Hashable, Sendable {
    /// Unacknowledged messages: a client acknowledges every second, and a call makes under 100 a second.
    package var frames = 2_048
    /// Unacknowledged bytes: thirty full descriptions, or 30 s of a lively room. Memory of one session is bounded by it.
    package var bytes = 2 << 20
    /// Answers kept for repeats: more requests than a client has open at once.
    package var answers = 128
    /// Bytes of the same: an answer to an offer of many slots has 60 KB, and only the last ones are ever asked for again.
    package var answerBytes = 512 << 10
    /// Requests open at once; a page opens a handful.
    package var openRequests = 64
    /// How long a client may be away.
    package var resume = Interval.seconds(30)

    package init() {}
}

/// One client's session: what it was told and has not acknowledged, what it asked and was answered, and how long it may be away.
package struct SessionMachine: Sendable {
    /// What to do with a request.
    package enum Begin: Hashable, Sendable {
        case run
        /// It was answered before: the same answer again.
        case repeatAnswer([UInt8])
        /// It is being answered.
        case wait
        case refuse(RequestError)
    }

    /// A message for the client was queued.
    package enum Push: Hashable, Sendable {
        /// Write this now.
        case write([UInt8])
        /// The client is away: it gets the message at its resume.
        case kept
        /// It does not keep up. The session cannot go on: a message would be missing.
        case overflow
    }

    private enum Presence {
        case here
        case away(until: Instant)
    }

    private struct Frame {
        var seq: UInt64
        var bytes: [UInt8]
    }

    /// The last number given out.
    package private(set) var lastSeq: UInt64
    private var outbox: [Frame] = []
    private var outboxStart = 0
    private var outboxBytes = 0
    private var answers: [UInt64: [UInt8]] = [:]
    private var answerOrder: [UInt64] = []
    private var answerBytes = 0
    private var open: Set<UInt64> = []
    private var presence: Presence
    private let limits: SessionLimits

    /// A session with its client connected. `lastSeq` is what the client has, after a resume elsewhere.
    package init(limits: SessionLimits = SessionLimits(), lastSeq: UInt64 = 0) {
        self.limits = limits
        self.lastSeq = lastSeq
        presence = .here
    }

    /// When `isOver` turns true; nil while the client is here.
    package var nextDeadline: Instant? { if case .away(let until) = presence { until } else { nil } }

    package var isHere: Bool { if case .here = presence { true } else { false } }

    /// The client was away for too long.
    package func isOver(now: Instant) -> Bool { nextDeadline.map { $0 <= now } ?? false }

    /// Numbers a message (`body` is the JSON object without its number) and keeps it until it is acknowledged.
    package mutating func push(_ body: [UInt8]) -> Push {
        lastSeq += 1
        let frame = Frame(seq: lastSeq, bytes: Self.numbered(body, lastSeq))
        outbox.append(frame)
        outboxBytes += frame.bytes.count
        guard outbox.count - outboxStart <= limits.frames, outboxBytes <= limits.bytes else { return .overflow }
        return isHere ? .write(frame.bytes) : .kept
    }

    /// Everything up to `seq` has arrived. A number not given out yet is ignored.
    package mutating func acknowledge(_ seq: UInt64) {
        guard seq <= lastSeq else { return }
        while outboxStart < outbox.count, outbox[outboxStart].seq <= seq {
            outboxBytes -= outbox[outboxStart].bytes.count
            outbox[outboxStart].bytes = []
            outboxStart += 1
        }
        if outboxStart > 64, outboxStart * 2 > outbox.count {
            outbox.removeFirst(outboxStart)
            outboxStart = 0
        }
    }

    /// A request came. `run` must be followed by `answered`.
    package mutating func begin(_ id: UInt64) -> Begin {
        if let answer = answers[id] { return .repeatAnswer(answer) }
        if open.contains(id) { return .wait }
        guard open.count < limits.openRequests else {
            return .refuse(RequestError(.tooMany, "Too many requests are open; wait for answers."))
        }
        open.insert(id)
        return .run
    }

    /// The answer of a request; kept for repeats. True: write it now; false: the client is away and will ask again.
    package mutating func answered(_ id: UInt64, _ answer: [UInt8]) -> Bool {
        open.remove(id)
        answerBytes += answer.count
        if let before = answers.updateValue(answer, forKey: id) {
            answerBytes -= before.count
        } else {
            answerOrder.append(id)
        }
        while answerOrder.count > limits.answers || (answerBytes > limits.answerBytes && answerOrder.count > 1) {
            answerBytes -= answers.removeValue(forKey: answerOrder.removeFirst())?.count ?? 0
        }
        return isHere
    }

    /// The socket ended without good-bye.
    package mutating func socketLost(now: Instant) { presence = .away(until: now + limits.resume) }

    /// The client came back and has everything up to `seq`: what is to be written now. Nil when that is impossible.
    package mutating func resumed(after seq: UInt64) -> [[UInt8]]? {
        guard seq <= lastSeq, firstMissing(after: seq) else { return nil }
        acknowledge(seq)
        presence = .here
        return outbox[outboxStart...].map(\.bytes)
    }

    /// Messages that the client has not acknowledged.
    package var unacknowledgedCount: Int { outbox.count - outboxStart }

    /// The messages after `seq`, for an instance that takes over. Nil when some are gone.
    package func unacknowledged(after seq: UInt64) -> [[UInt8]]? {
        guard seq <= lastSeq, firstMissing(after: seq) else { return nil }
        return outbox[outboxStart...].filter { $0.seq > seq }.map(\.bytes)
    }

    /// Takes over what another instance had not yet got acknowledged; they follow `lastSeq` in order.
    package mutating func adopt(_ frames: [[UInt8]]) {
        for bytes in frames {
            lastSeq += 1
            outbox.append(Frame(seq: lastSeq, bytes: bytes))
            outboxBytes += bytes.count
        }
    }

    /// No message between `seq` and the outbox is missing.
    private func firstMissing(after seq: UInt64) -> Bool {
        let first = outboxStart < outbox.count ? outbox[outboxStart].seq : lastSeq + 1
        return first <= seq + 1
    }

    private static func numbered(_ body: [UInt8], _ seq: UInt64) -> [UInt8] {
        var bytes = Array("{\"seq\":\(seq),".utf8)
        bytes.append(contentsOf: body.dropFirst())
        return bytes
    }
}
