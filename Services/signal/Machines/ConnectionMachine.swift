package import Time

/// Bounds of one socket, each with its reason.
package struct ConnectionLimits: Hashable, Sendable {
    /// A call's start brings 30 candidates at once from each side; a page opening several tabs' worth of chat stays below.
    package var burst = 200
    /// Trickle, chat and pings need under 20 a second.
    package var rate = 50
    /// A frame that is no offer.
    package var frame = ClientMessage.frameLimit
    /// Bytes beyond that which cost as much as a message: parsing an offer of 256 KiB counts as 25.
    package var longStep = 8 << 10
    /// A peer that is silent for so long is asked whether it is there: below the 10 s in which a page speaks by itself, as a machine
    /// that sleeps or lost its network says no good-bye.
    package var ask = Interval.seconds(7)
    /// Silent for longer than this it is not there: 11 s for the answer are more than a busy machine or a lossy link takes. With the end of
    /// the socket (2 s, and 5 s of TLS) others hear of it within 25 s.
    package var idle = Interval.seconds(18)
    /// Answers alone keep a socket no longer than this, for a browser gives them also for a page that is frozen: a hidden page's
    /// timers come once a minute.
    package var word = Interval.seconds(75)
    /// A page says hello within a round trip; a socket that says nothing is not a page.
    package var signIn = Interval.seconds(15)

    package init() {}
}

/// The door of one socket: parses frames, demands a sign-in first, cuts floods and silence. Knows nothing of sessions' content.
package struct ConnectionMachine: Sendable {
    /// What a frame leads to.
    package enum Action: Hashable, Sendable {
        case signIn(id: UInt64, version: UInt64, name: String, key: String)
        case resume(id: UInt64, token: String, seq: UInt64, rooms: [RoomPosition])
        case pong(id: UInt64)
        case ack(seq: UInt64)
        case request(id: UInt64, ClientRequest)
        case refuse(id: UInt64, RequestError)
        case cut(ErrorCode, String)
        /// Send a ping: nothing was heard for a while.
        case ask
        case nothing
    }

    private enum State {
        case new(signInBy: Instant)
        /// A hello or resume is being answered.
        case entering
        case signedIn
        case cut
    }

    private var state: State
    private var bucket: TokenBucket
    /// When the peer is asked, and asked again.
    private var askAt: Instant
    private var silentBy: Instant
    /// By when it has to say something that is no answer.
    private var wordBy: Instant
    private let limits: ConnectionLimits

    /// The machine of a socket that was opened now.
    package init(limits: ConnectionLimits = ConnectionLimits(), now: Instant) {
        self.limits = limits
        state = .new(signInBy: now + limits.signIn)
        bucket = TokenBucket(burst: limits.burst, rate: limits.rate, now: now)
        askAt = now + limits.ask
        silentBy = now + limits.idle
        wordBy = now + limits.word
    }

    /// When `timeout` is due; nil once cut.
    package var nextDeadline: Instant? {
        switch state {
        case .new(let due): min(due, askAt, idleBy)
        case .entering, .signedIn: min(askAt, idleBy)
        case .cut: nil
        }
    }

    /// Takes a text frame.
    package mutating func receive(_ frame: [UInt8], now: Instant) -> Action {
        if case .cut = state { return .nothing }
        hear(isWord: true, now: now)
        let beyond = max(0, frame.count - limits.frame)
        guard bucket.take(1 + (beyond + limits.longStep - 1) / limits.longStep, now: now) else {
            return flood()
        }
        // Only a member offers: before the sign-in nothing long is read.
        if beyond > 0 {
            guard case .signedIn = state else { return oversize() }
        }
        let message: ClientMessage
        do {
            message = try ClientMessage(parsing: frame, frameLimit: limits.frame)
        } catch {
            if beyond > 0, case .cut = error { return oversize() }
            switch error {
            case .cut(let code, let text): return cut(code, text)
            case .refused(let id, let refusal): return .refuse(id: id, refusal)
            }
        }
        switch (message, state) {
        case (.ping(let id), _): return .pong(id: id)
        case (.hello(let id, let version, let name, let key), .new):
            state = .entering
            return .signIn(id: id, version: version, name: name, key: key)
        case (.resume(let id, let token, let seq, let rooms), .new):
            state = .entering
            return .resume(id: id, token: token, seq: seq, rooms: rooms)
        case (.hello(let id, _, _, _), _), (.resume(let id, _, _, _), _):
            return .refuse(id: id, RequestError(.badRequest, "This connection is signed in already, or about to be."))
        case (.ack(let seq), .signedIn): return .ack(seq: seq)
        case (.request(let id, let request), .signedIn): return .request(id: id, request)
        case (.ack, _), (.request, _): return cut(.signInFirst, "Say hello or resume first.")
        }
    }

    /// The hello or resume was answered: with ok, or with an error after which the client may try again.
    package mutating func entered(_ success: Bool, now: Instant) {
        guard case .entering = state else { return }
        state = success ? .signedIn : .new(signInBy: now + limits.signIn)
    }

    /// A ping came, or the answer to one: the peer lives. It costs what a message costs, for a ping is answered.
    package mutating func heard(isAnswer: Bool = false, now: Instant) -> Action {
        if case .cut = state { return .nothing }
        hear(isWord: !isAnswer, now: now)
        return bucket.take(now: now) ? .nothing : flood()
    }

    /// Call when `nextDeadline` has come; an early call does nothing.
    package mutating func timeout(now: Instant) -> Action {
        guard let due = nextDeadline, due <= now else { return .nothing }
        if idleBy <= now { return cut(.idle, "Nothing was heard for a while.") }
        if case .new(let signInBy) = state, signInBy <= now {
            return cut(.signInFirst, "No hello and no resume came.")
        }
        askAt = now + limits.ask
        return .ask
    }

    private var idleBy: Instant { min(silentBy, wordBy) }

    private mutating func hear(isWord: Bool, now: Instant) {
        askAt = now + limits.ask
        silentBy = now + limits.idle
        if isWord { wordBy = now + limits.word }
    }

    private mutating func flood() -> Action {
        cut(.flood, "Too many messages: at most \(limits.rate) a second.")
    }

    private mutating func oversize() -> Action {
        cut(.oversize, "A message has at most \(limits.frame >> 10) KiB, unless it is an offer.")
    }

    private mutating func cut(_ code: ErrorCode, _ text: String) -> Action {
        state = .cut
        return .cut(code, text)
    }
}
