package import Time

/// Our own doing: calls opened, messages sent, calls ended.
extension ConnectionMachine {
    /// Opens a call and returns its stream. Throws where the connection takes no more.
    package mutating func open(_ head: CallHead, now: Instant) throws(BusStatus) -> UInt64 {
        guard acceptsCalls else { throw BusStatus(.unavailable, "the connection is going away") }
        guard head.metadata.fits, head.method.utf8.count <= 512 else {
            throw BusStatus(.invalidArgument, "the call has more metadata than the bus carries")
        }
        guard oursOpen < Int(peer?.streams ?? UInt32(limits.streams)) else {
            throw BusStatus(.resourceExhausted, "\(oursOpen) calls are open on the connection already")
        }
        let id = nextOurs
        nextOurs += 2
        let deadline = head.timeout.map { now + $0 } ?? .distantFuture
        streams[id] = Stream(
            isOurs: true, sendCredit: Int(peer?.streamCredit ?? UInt32(limits.streamCredit)),
            receiveCredit: limits.streamCredit, deadline: deadline)
        oursOpen += 1
        earliestDeadline = min(earliestDeadline, deadline)
        control(.headers, stream: id) { head.write(to: &$0) }
        return id
    }

    /// Whether a message may be sent on the stream now: nil where the stream has ended.
    package func maySend(on id: UInt64) -> Bool? {
        guard let stream = streams[id], stream.maySend else { return nil }
        return stream.sendCredit > 0
    }

    /// Sends a message. With `last` it is our last one, and where the peer opened the stream, the call's good end.
    ///
    /// Does nothing on a stream that is over: its end is an event already.
    package mutating func send(_ message: [UInt8], on id: UInt64, last: Bool) throws(BusStatus) {
        guard message.count <= WireLimits.messageBytes else {
            throw BusStatus(
                .resourceExhausted, "a message of \(message.count) bytes is over \(WireLimits.messageBytes)")
        }
        guard var stream = streams[id], stream.maySend else { return }
        outbound.reserve(FrameHeader.byteCount + message.count)
        FrameHeader(.message, flags: last ? FrameHeader.endFlag : 0, stream: id, length: message.count)
            .write(to: &outbound)
        outbound.append(contentsOf: message)
        if last, !stream.isOurs {
            forget(id)
        } else {
            stream.sendCredit -= message.count
            stream.maySend = !last
            streams[id] = stream
        }
    }

    /// Says that we send no more messages on a call of ours.
    package mutating func halfClose(_ id: UInt64) {
        guard let stream = streams[id], stream.isOurs, stream.maySend else { return }
        streams[id]?.maySend = false
        control(.end, stream: id) { _ in }
    }

    /// Ends a call that the peer made.
    package mutating func finish(_ id: UInt64, _ status: BusStatus) {
        guard let stream = streams[id], !stream.isOurs else { return }
        forget(id)
        control(.status, stream: id) { status.write(to: &$0) }
    }

    /// Takes back a call of ours. No event follows.
    package mutating func cancel(_ id: UInt64) {
        guard let stream = streams[id], stream.isOurs else { return }
        forget(id)
        control(.cancel, stream: id) { _ in }
    }

    /// Messages of so many bytes, received on a stream, were read: the peer may send as many more.
    package mutating func consumed(_ bytes: Int, on id: UInt64) {
        guard var stream = streams[id] else { return }
        queuedBytes -= min(bytes, stream.queuedBytes)
        stream.queuedBytes -= min(bytes, stream.queuedBytes)
        if stream.mayReceive {
            stream.receiveCredit += bytes
            control(.credit, stream: id) { $0.append(integer: UInt32(clamping: bytes)) }
        }
        streams[id] = stream
    }

    /// Accepts no more calls, and makes none; those open go on. `isDrained` tells when all is done.
    package mutating func goAway(reason: String) {
        guard !weGoAway else { return }
        weGoAway = true
        lastServed = lastTheirs
        let last = lastServed
        control(.goaway, stream: 0) {
            $0.append(integer: last)
            $0.append(text: String(reason.prefix(1024)))
        }
    }
}

extension [UInt8] {
    /// Makes room without giving up doubling, which `reserveCapacity` would.
    fileprivate mutating func reserve(_ more: Int) {
        if capacity - count < more { reserveCapacity(Swift.max(count + more, 2 * capacity)) }
    }
}
