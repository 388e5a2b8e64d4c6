public import Time

/// Relay ports that are kept under a token for whoever asks next (RFC 8656 §7.2, EVEN-PORT with its R bit).
///
/// One table serves all workers of a process, behind a lock: the second request may reach another worker. Tokens are made
/// by the machines and cannot be guessed. `Socket` is whatever the worker calls a socket.
public struct KeptPorts<Socket> {
    /// RFC 8656 §7.2: at least 30 s.
    public static var deadline: Interval { .seconds(30) }

    private var sockets: [UInt64: (socket: Socket, user: String)] = [:]
    /// How many each user has.
    private var counts: [String: Int] = [:]
    /// All wait equally long, so the order of coming is that of going.
    private var order: BoundedQueue<(token: UInt64, due: Instant)>
    private let limit: Int
    private let limitOfUser: Int

    /// A table of at most `limit` sockets, and `limitOfUser` of one user: each is a descriptor that does nothing yet, and that no
    /// quota of allocations counts.
    public init(limit: Int, limitOfUser: Int) {
        precondition(limit > 0 && limitOfUser > 0, "a limit lets something through")
        self.limit = limit
        self.limitOfUser = limitOfUser
        // Those taken stay in the order until their time: twice the limit, then the table counts as full.
        order = BoundedQueue(limit: limit * 2)
    }

    /// Keeps a socket; false if the table is full, or the user has its share (then the request is answered as if no port were
    /// free).
    public mutating func keep(_ socket: Socket, token: UInt64, user: String, now: Instant) -> Bool {
        let count = counts[user, default: 0]
        guard sockets.count < limit, count < limitOfUser, sockets[token] == nil,
            order.append((token, now + Self.deadline))
        else { return false }
        sockets[token] = (socket, user)
        counts[user] = count + 1
        return true
    }

    /// Gives the socket of a token, once.
    public mutating func take(token: UInt64) -> Socket? {
        guard let (socket, user) = sockets.removeValue(forKey: token) else { return nil }
        let count = counts[user, default: 0]
        counts[user] = count > 1 ? count - 1 : nil
        return socket
    }

    /// When `expire` is due.
    public var nextDeadline: Instant? { order.first?.due }

    /// The sockets whose time is over: to be closed.
    public mutating func expire(now: Instant) -> [Socket] {
        var expired: [Socket] = []
        while let first = order.first, first.due <= now {
            _ = order.popFirst()
            if let socket = take(token: first.token) { expired.append(socket) }
        }
        return expired
    }
}

extension KeptPorts: Sendable where Socket: Sendable {}
