package import Time

/// What the peer sends.
extension ConnectionMachine {
    /// Takes bytes as they come, cut anywhere. Throws where the peer broke the protocol: the connection is of no more use.
    package mutating func receive(_ bytes: Span<UInt8>, now: Instant) throws(ProtocolViolation) {
        heardAt = now
        liveness = .hearing
        var offset = 0
        while offset < bytes.count {
            let remaining = bytes.count - offset
            if partial.isEmpty, remaining >= FrameHeader.byteCount {
                let header = FrameHeader(parsing: bytes, at: offset)
                try check(header)
                let end = offset + FrameHeader.byteCount + header.length
                if end <= bytes.count {
                    try receive(header, bytes.extracting(offset + FrameHeader.byteCount..<end), now: now)
                    offset = end
                    continue
                }
            }
            offset += try gather(bytes.extracting(offset..<bytes.count), now: now)
        }
    }

    /// Adds to a frame that comes in parts; returns the bytes taken.
    private mutating func gather(_ bytes: Span<UInt8>, now: Instant) throws(ProtocolViolation) -> Int {
        var wanted = FrameHeader.byteCount - partial.count
        if wanted <= 0 { wanted += FrameHeader(parsing: partial.span, at: 0).length }
        let taken = min(wanted, bytes.count)
        partial.append(contentsOf: bytes.extracting(0..<taken).copied())
        guard partial.count >= FrameHeader.byteCount else { return taken }
        let header = FrameHeader(parsing: partial.span, at: 0)
        if partial.count == FrameHeader.byteCount { try check(header) }
        guard partial.count == FrameHeader.byteCount + header.length else { return taken }
        var frame: [UInt8] = []
        swap(&frame, &partial)
        try receive(header, frame.span.extracting(FrameHeader.byteCount..<frame.count), now: now)
        return taken
    }

    /// Refuses a frame by its header alone, before its payload takes memory.
    private func check(_ header: FrameHeader) throws(ProtocolViolation) {
        let limit = header.kind == FrameKind.message.rawValue ? WireLimits.messageBytes : WireLimits.controlBytes
        guard header.length <= limit else {
            throw ProtocolViolation("a frame of \(header.length) bytes is over \(limit)")
        }
        guard FrameKind(rawValue: header.kind) != nil || header.kind >= FrameKind.firstSkippable else {
            throw ProtocolViolation("a frame of unknown kind \(header.kind)")
        }
        guard peer != nil || header.kind == FrameKind.hello.rawValue else {
            throw ProtocolViolation("the first frame is not a hello")
        }
    }

    private mutating func receive(
        _ header: FrameHeader, _ payload: Span<UInt8>, now: Instant
    ) throws(ProtocolViolation) {
        guard let kind = FrameKind(rawValue: header.kind) else { return }
        let id = header.stream
        switch kind {
        case .hello, .ping, .pong, .goaway:
            guard id == 0 else { throw ProtocolViolation("a frame of kind \(kind) on a stream") }
            try receiveOnConnection(kind, payload)
        case .headers:
            try receiveHeaders(id, payload, now: now)
        case .message:
            guard let stream = try known(id) else { return }
            try receiveMessage(id, stream, payload, last: header.flags & FrameHeader.endFlag != 0)
        case .end:
            guard let stream = try known(id) else { return }
            guard !stream.isOurs, stream.mayReceive else { throw ProtocolViolation("an END that is not due") }
            streams[id]?.mayReceive = false
            events.append(.halfClosed(id))
        case .status:
            guard let stream = try known(id) else { return }
            guard stream.isOurs else { throw ProtocolViolation("a STATUS from the caller") }
            forget(id)
            events.append(.ended(id, try BusStatus(parsing: payload)))
        case .cancel:
            guard let stream = try known(id) else { return }
            guard !stream.isOurs else { throw ProtocolViolation("a CANCEL from the called") }
            forget(id)
            events.append(.abandoned(id, BusStatus(.cancelled, "the caller took the call back")))
        case .credit:
            guard let stream = try known(id) else { return }
            var reader = PayloadReader(payload)
            let more = Int(try reader.integer(UInt32.self))
            guard stream.sendCredit + more <= Int(UInt32.max) else { throw ProtocolViolation("credit overflows") }
            streams[id]?.sendCredit += more
            events.append(.writable(id))
        }
    }

    private mutating func receiveOnConnection(
        _ kind: FrameKind, _ payload: Span<UInt8>
    ) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        switch kind {
        case .hello:
            guard peer == nil else { throw ProtocolViolation("a second hello") }
            let hello = try Hello(parsing: payload)
            guard hello.oldest <= Hello.version, hello.newest >= Hello.version else {
                throw ProtocolViolation(
                    "the peer speaks versions \(hello.oldest) to \(hello.newest), this side \(Hello.version)")
            }
            peer = hello
            events.append(.ready(name: hello.name))
        case .ping:
            let nonce = try reader.integer(UInt64.self)
            control(.pong, stream: 0) { $0.append(integer: nonce) }
        case .pong:
            // Whatever comes is a sign of life; the nonce is for who measures.
            _ = try reader.integer(UInt64.self)
        default:
            let last = try reader.integer(UInt64.self)
            let reason = try reader.text()
            peerGoesAway = true
            for (id, stream) in streams where stream.isOurs && id > last {
                forget(id)
                events.append(.ended(id, BusStatus(.unavailable, "not served: \(reason)")))
            }
            events.append(.goingAway(reason))
        }
    }

    private mutating func receiveHeaders(
        _ id: UInt64, _ payload: Span<UInt8>, now: Instant
    ) throws(ProtocolViolation) {
        guard isTheirs(id) else { throw ProtocolViolation("a call on a stream of the wrong side") }
        guard id > lastTheirs else { throw ProtocolViolation("stream \(id) after \(lastTheirs)") }
        lastTheirs = id
        let head = try CallHead(parsing: payload)
        // After GOAWAY the caller knows that these are not served.
        guard !weGoAway else { return }
        guard theirsOpen < limits.streams else {
            let status = BusStatus(.resourceExhausted, "\(limits.streams) calls are open on the connection already")
            control(.status, stream: id) { status.write(to: &$0) }
            return
        }
        let deadline = head.timeout.map { now + $0 } ?? .distantFuture
        streams[id] = Stream(
            isOurs: false, sendCredit: Int(peer?.streamCredit ?? 0), receiveCredit: limits.streamCredit,
            deadline: deadline)
        theirsOpen += 1
        earliestDeadline = min(earliestDeadline, deadline)
        events.append(.opened(id, head))
    }

    private mutating func receiveMessage(
        _ id: UInt64, _ old: Stream, _ payload: Span<UInt8>, last: Bool
    ) throws(ProtocolViolation) {
        var stream = old
        guard stream.mayReceive else { throw ProtocolViolation("a message after the last one") }
        guard stream.receiveCredit > 0 else { throw ProtocolViolation("a message without credit") }
        if last, stream.isOurs {
            forget(id)
            events.append(.message(id, payload.copied(), last: true))
            events.append(.ended(id, .ok))
            return
        }
        guard queuedBytes + payload.count <= limits.queuedBytes else {
            let status = BusStatus(.resourceExhausted, "more messages wait to be read than the connection may hold")
            if stream.isOurs {
                cancel(id)
                events.append(.ended(id, status))
            } else {
                finish(id, status)
                events.append(.abandoned(id, status))
            }
            return
        }
        stream.receiveCredit -= payload.count
        stream.queuedBytes += payload.count
        queuedBytes += payload.count
        stream.mayReceive = !last
        streams[id] = stream
        events.append(.message(id, payload.copied(), last: last))
    }

    /// The stream; nil if it is over, which is not the peer's fault. Throws if it never was.
    private func known(_ id: UInt64) throws(ProtocolViolation) -> Stream? {
        if let stream = streams[id] { return stream }
        guard id != 0, isTheirs(id) ? id <= lastTheirs : id < nextOurs else {
            throw ProtocolViolation("a frame on stream \(id), which is not open")
        }
        return nil
    }

    private func isTheirs(_ id: UInt64) -> Bool {
        (id & 1 == 1) == (side == .accepting)
    }
}
