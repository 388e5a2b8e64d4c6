public import Time

/// Relay ports that are kept under a token for whoever asks next (RFC 8656 §7.2, EVEN-PORT with its R bit).
///
/// One table serves all workers of a process, behind a lock: the second request may reach another worker. Tokens are made
/// by the machines and cannot be guessed. `Socket` is whatever the worker calls a socket.
public struct KeptPorts<Socket> {
    /// RFC 8656 §7.2: at least 30 s.
    public static var deadline: Interval { .seconds(30) }

    private var sockets: [UInt64: Socket] = [:]
    /// All wait equally long, so the order of coming is that of going.
    private var order: BoundedQueue<(token: UInt64, due: Instant)>
    private let limit: Int

    /// A table of at most `limit` sockets: each is a descriptor that does nothing yet.
    public init(limit: Int) {
        precondition(limit > 0, "a limit lets something through")
        self.limit = limit
        // Those taken stay in the order until their time: twice the limit, then the table counts as full.
        order = BoundedQueue(limit: limit * 2)
    }

    /// Keeps a socket; false if the table is full (then the request is answered as if no port were free).
    public mutating func keep(_ socket: Socket, token: UInt64, now: Instant) -> Bool {
        guard sockets.count < limit, sockets[token] == nil, order.append((token, now + Self.deadline)) else {
            return false
        }
        sockets[token] = socket
        return true
    }

    /// Gives the socket of a token, once.
    public mutating func take(token: UInt64) -> Socket? { sockets.removeValue(forKey: token) }

    /// When `expire` is due.
    public var nextDeadline: Instant? { order.first?.due }

    /// The sockets whose time is over: to be closed.
    public mutating func expire(now: Instant) -> [Socket] {
        var expired: [Socket] = []
        while let first = order.first, first.due <= now {
            _ = order.popFirst()
            if let socket = sockets.removeValue(forKey: first.token) { expired.append(socket) }
        }
        return expired
    }
}

extension KeptPorts: Sendable where Socket: Sendable {}
