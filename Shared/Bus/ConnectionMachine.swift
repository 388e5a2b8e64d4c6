package import Time

/// One connection's side of the bus protocol, without I/O: bytes and moments in; bytes, events and a deadline out.
///
/// Both sides are equal, but for the parity of the streams that they open. See `docs/protocol/bus.md`.
package struct ConnectionMachine: Sendable {
    /// Which streams are ours to open.
    package enum Side: Sendable {
        /// Made the connection: odd streams.
        case connecting
        /// Accepted it: even streams.
        case accepting
    }

    /// What the peer did, or time did, in order.
    package enum Event: Sendable, Hashable {
        /// The peer said hello.
        case ready(name: String)
        /// The peer calls us.
        case opened(UInt64, CallHead)
        /// A message on a stream; with `last` the peer sends no more on it.
        case message(UInt64, [UInt8], last: Bool)
        /// The caller of a stream sent its last message before.
        case halfClosed(UInt64)
        /// A call of ours is over.
        case ended(UInt64, BusStatus)
        /// A call to us is over before we ended it: taken back, out of time, or beyond a limit.
        case abandoned(UInt64, BusStatus)
        /// More may be sent on a stream.
        case writable(UInt64)
        /// The peer accepts no more calls; those open go on.
        case goingAway(String)
    }

    struct Stream {
        let isOurs: Bool
        var maySend = true
        var mayReceive = true
        var sendCredit: Int
        var receiveCredit: Int
        var queuedBytes = 0
        let deadline: Instant
    }

    enum Liveness {
        case hearing
        case asked(nonce: UInt64, at: Instant)
    }

    let side: Side
    package let limits: WireLimits
    var streams: [UInt64: Stream] = [:]
    /// The next stream that we open.
    var nextOurs: UInt64
    /// The last stream that the peer opened.
    var lastTheirs: UInt64 = 0
    /// Streams that the peer has open.
    var theirsOpen = 0
    var oursOpen = 0
    var peer: Hello?
    var queuedBytes = 0
    /// A lower bound of all streams' deadlines.
    var earliestDeadline = Instant.distantFuture
    var liveness = Liveness.hearing
    var heardAt: Instant
    var pings: UInt64 = 0
    var partial: [UInt8] = []
    var peerGoesAway = false
    var weGoAway = false
    /// The streams that the peer opened after this one are not served.
    var lastServed = UInt64.max
    /// Bytes for the peer, in order. Whoever writes them takes them all by `takeOutbound`.
    package var outbound: [UInt8] = []
    /// What happened, oldest first; bounded by the bytes of one `receive`.
    package var events: [Event] = []

    /// A machine of a fresh connection; its hello is in `outbound`.
    package init(side: Side, name: String, limits: WireLimits = WireLimits(), now: Instant) {
        self.side = side
        self.limits = limits
        nextOurs = side == .connecting ? 1 : 2
        heardAt = now
        let hello = Hello(
            streamCredit: UInt32(limits.streamCredit), streams: UInt32(limits.streams), name: String(name.prefix(128)))
        control(.hello, stream: 0) { hello.write(to: &$0) }
    }

    /// Whether a call may be opened: neither side is going away.
    package var acceptsCalls: Bool { !peerGoesAway && !weGoAway }

    /// Whether nothing is left to do on a connection that goes away.
    package var isDrained: Bool { (peerGoesAway || weGoAway) && streams.isEmpty }

    /// The streams that are open, both ways.
    package var openStreams: Int { streams.count }

    /// When `timeout` is due.
    package var nextDeadline: Instant {
        let alive =
            switch liveness {
            case .hearing: heardAt + limits.keepaliveIdle
            case .asked(_, let at): at + limits.keepaliveTimeout
            }
        return min(alive, earliestDeadline)
    }

    /// Call when `nextDeadline` has come, after reading what the peer sent; early calls do nothing.
    ///
    /// Throws when the peer is dead: it did not answer in time.
    package mutating func timeout(now: Instant) throws(ProtocolViolation) {
        if earliestDeadline <= now { expireStreams(now: now) }
        switch liveness {
        case .hearing:
            guard heardAt + limits.keepaliveIdle <= now else { return }
            pings += 1
            let nonce = pings
            liveness = .asked(nonce: nonce, at: now)
            control(.ping, stream: 0) { $0.append(integer: nonce) }
        case .asked(_, let at):
            guard at + limits.keepaliveTimeout <= now else { return }
            throw ProtocolViolation("no answer for \(now - heardAt)")
        }
    }

    private mutating func expireStreams(now: Instant) {
        var next = Instant.distantFuture
        for (id, stream) in streams {
            guard stream.deadline <= now else {
                next = min(next, stream.deadline)
                continue
            }
            let status = BusStatus(.deadlineExceeded, "the call's time ran out")
            if stream.isOurs {
                control(.cancel, stream: id) { _ in }
                events.append(.ended(id, status))
            } else {
                control(.status, stream: id) { status.write(to: &$0) }
                events.append(.abandoned(id, status))
            }
            forget(id)
        }
        earliestDeadline = next
    }

    mutating func forget(_ id: UInt64) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        queuedBytes -= stream.queuedBytes
        if stream.isOurs { oursOpen -= 1 } else { theirsOpen -= 1 }
    }

    /// Appends a frame whose payload `fill` writes.
    mutating func control(_ kind: FrameKind, stream: UInt64, fill: (inout [UInt8]) -> Void) {
        let start = outbound.count
        FrameHeader(kind, stream: stream, length: 0).write(to: &outbound)
        fill(&outbound)
        let length = UInt32(outbound.count - start - FrameHeader.byteCount)
        for index in 0..<4 { outbound[start + index] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * index)) }
    }
}
