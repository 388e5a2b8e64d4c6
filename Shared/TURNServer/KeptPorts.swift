public import Time

/// Relay ports that are kept under a token for whoever asks next (RFC 8656 §7.2, EVEN-PORT with its R bit).
///
/// One table serves all workers of a process, behind a lock: the second request may reach another worker. Tokens are made
/// by the machines and cannot be guessed. `Socket` is whatever the worker calls a socket.
public struct KeptPorts<Socket> {
    /// RFC 8656 §7.2: at least 30 s.
    public static var deadline: Interval { .seconds(30) }

    private var sockets: [UInt64: (socket: Socket, user: String, due: Instant)] = [:]
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
        // Those claimed stay in the order until it is full, and are taken out then, half of it at least.
        order = BoundedQueue(limit: limit * 2)
    }

    /// Keeps a socket; false if the table is full, or the user has its share (then the request is answered as if no port were
    /// free).
    public mutating func keep(_ socket: Socket, token: UInt64, user: String, now: Instant) -> Bool {
        let (count, due) = (counts[user, default: 0], now + Self.deadline)
        guard sockets.count < limit, count < limitOfUser, sockets[token] == nil else { return false }
        // Nobody may fill the order by keeping and claiming over and over.
        if !order.append((token, due)) {
            order.keep { [sockets] in sockets[$0.token]?.due == $0.due }
            guard order.append((token, due)) else { return false }
        }
        sockets[token] = (socket, user, due)
        counts[user] = count + 1
        return true
    }

    /// Gives the socket of a token, once, to the user it was kept for.
    public mutating func take(token: UInt64, user: String) -> Socket? {
        sockets[token]?.user == user ? take(token) : nil
    }

    private mutating func take(_ token: UInt64) -> Socket? {
        guard let (socket, user, _) = sockets.removeValue(forKey: token) else { return nil }
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
            guard sockets[first.token]?.due == first.due, let socket = take(first.token) else { continue }
            expired.append(socket)
        }
        return expired
    }
}

extension KeptPorts: Sendable where Socket: Sendable {}
