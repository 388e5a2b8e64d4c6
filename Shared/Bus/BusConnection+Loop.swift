import Glibc
import Logging
import Synchronization
import Time

/// The connection's thread.
extension BusConnection {
    /// Reads before others are looked after.
    private static let readsATurn = 16

    func loop() {
        markConnectionThread()
        while true {
            writeOut(afterStall: true)
            let now = MonotonicClock.now
            let (wakesAt, wantsWrite, isOver) = state.withLock { state -> (Instant, Bool, Bool) in
                let stall = state.stalledSince.map { $0 + limits.writeStall } ?? .distantFuture
                state.wakesAt = min(state.machine.nextDeadline, stall)
                let isDone = state.machine.isDrained && state.waitingBytes == 0
                return (state.wakesAt, state.stalledSince != nil, state.end != nil || isDone)
            }
            if isOver { return finish(BusStatus(.unavailable, "the connection went away")) }
            watch.waitAsThread(atMost: wakesAt - now, wantsWrite: wantsWrite)
            do throws(ProtocolViolation) {
                if let status = try readAll() { return finish(status) }
                try keepTime()
            } catch {
                return finish(error)
            }
        }
    }

    private func finish(_ violation: ProtocolViolation) {
        let name = state.withLock { $0.peerName }
        let process = transport.peer.processID.map { "\($0)" } ?? "unknown"
        logger.warning(
            "a bus connection ends",
            metadata: ["reason": "\(violation.reason)", "peer": "\(name)", "peer-pid": "\(process)"])
        finish(BusStatus(.unavailable, violation.reason))
    }

    /// Reads what is there; the end of the connection, if it came.
    private func readAll() throws(ProtocolViolation) -> BusStatus? {
        for _ in 0..<BusConnection.readsATurn {
            let outcome = try reading.withLock { buffer throws(ProtocolViolation) in
                try readOnce(&buffer, isThread: true)
            }
            switch outcome {
            case .more: continue
            case .done: return nil
            case .over(let status): return status
            }
        }
        return nil
    }

    enum ReadOutcome: Sendable {
        /// There may be more to read.
        case more
        case done
        case over(BusStatus)
    }

    private func readOnce(_ buffer: inout [UInt8], isThread: Bool) throws(ProtocolViolation) -> ReadOutcome {
        switch transport.read(into: &buffer) {
        case .bytes(let count):
            try take(buffer.span.extracting(0..<count), isThread: isThread)
            return count < buffer.count ? .done : .more
        case .wouldBlock: return .done
        case .closed: return .over(BusStatus(.unavailable, "the peer closed the connection"))
        case .failed(let number): return .over(BusStatus(.unavailable, "the connection failed with error \(number)"))
        }
    }

    /// Takes bytes under one lock, hands on what they hold, and writes all answers at once.
    private func take(_ bytes: Span<UInt8>, isThread: Bool) throws(ProtocolViolation) {
        let now = MonotonicClock.now
        var violation: ProtocolViolation?
        let work = state.withLock { state -> [Work] in
            do throws(ProtocolViolation) {
                try state.machine.receive(bytes, now: now)
            } catch {
                violation = error
            }
            state.corkedThread = currentThread()
            return takeWork(&state)
        }
        perform(work, isThread: isThread)
        let callerWaits = state.withLock { state -> Bool in
            state.corkedThread = 0
            return state.callerWaits
        }
        // Its answer came before it waited, and the thread was faster.
        if isThread, callerWaits { watch.wakeCaller() }
        writeOut()
        if let violation { throw violation }
    }

    private func keepTime() throws(ProtocolViolation) {
        let now = MonotonicClock.now
        var violation: ProtocolViolation?
        let work = state.withLock { state -> [Work] in
            do throws(ProtocolViolation) {
                try state.machine.timeout(now: now)
            } catch {
                violation = error
            }
            if let since = state.stalledSince, since + limits.writeStall <= now {
                violation = ProtocolViolation("the peer does not read")
            }
            if state.waitingBytes > limits.outboundCap {
                violation = ProtocolViolation("the peer does not read its answers")
            }
            return takeWork(&state)
        }
        perform(work, isThread: true)
        writeOut()
        if let violation { throw violation }
    }

    // MARK: a caller in its place

    /// Reads for the connection's thread, which was not woken; false where that has to go on.
    func readAsCaller() -> Bool {
        do throws(ProtocolViolation) {
            let outcome = try reading.withLockIfAvailable { buffer throws(ProtocolViolation) in
                try readOnce(&buffer, isThread: false)
            }
            // The thread reads just now, and may have looked before the bytes came; or there is more than one answer, or the end.
            guard case .done? = outcome else { return false }
        } catch {
            finish(error)
            return false
        }
        // What the thread looks at before it waits.
        return state.withLock { state in
            !state.machine.isDrained && state.end == nil && state.machine.nextDeadline >= state.wakesAt
        }
    }
}
