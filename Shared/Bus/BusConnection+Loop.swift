import Glibc
import Logging
import Synchronization
import Time

/// The connection's thread.
extension BusConnection {
    /// 64 KiB: a burst of small frames, or a large one in few reads.
    private static let readBytes = 64 << 10
    /// Reads before others are looked after.
    private static let readsATurn = 16

    func loop() {
        var buffer = [UInt8](repeating: 0, count: BusConnection.readBytes)
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
            wait(until: wakesAt, now: now, wantsWrite: wantsWrite)
            do throws(ProtocolViolation) {
                if let status = try readAll(&buffer) { return finish(status) }
                try keepTime()
            } catch {
                logger.warning("a bus connection ends", metadata: ["reason": "\(error.reason)"])
                return finish(BusStatus(.unavailable, error.reason))
            }
        }
    }

    private func wait(until: Instant, now: Instant, wantsWrite: Bool) {
        // Rounded up, so that the moment has come on waking.
        let milliseconds = max(0, min((until - now).milliseconds + 1, 60_000))
        var polled: [2 of pollfd] = [
            pollfd(fd: transport.descriptor, events: Int16(POLLIN) | (wantsWrite ? Int16(POLLOUT) : 0), revents: 0),
            pollfd(fd: waker.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        _ = unsafe withUnsafeMutableBytes(of: &polled) { bytes in
            unsafe poll(bytes.assumingMemoryBound(to: pollfd.self).baseAddress, 2, Int32(milliseconds))
        }
        if polled[1].revents != 0 { waker.drain() }
    }

    /// Reads what is there; the end of the connection, if it came.
    private func readAll(_ buffer: inout [UInt8]) throws(ProtocolViolation) -> BusStatus? {
        for _ in 0..<BusConnection.readsATurn {
            switch transport.read(into: &buffer) {
            case .bytes(let count):
                try take(buffer.span.extracting(0..<count))
                if count < buffer.count { return nil }
            case .wouldBlock: return nil
            case .closed: return BusStatus(.unavailable, "the peer closed the connection")
            case .failed(let number): return BusStatus(.unavailable, "the connection failed with error \(number)")
            }
        }
        return nil
    }

    /// Takes bytes under one lock, hands on what they hold, and writes all answers at once.
    private func take(_ bytes: Span<UInt8>) throws(ProtocolViolation) {
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
        perform(work)
        state.withLock { $0.corkedThread = 0 }
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
        perform(work)
        writeOut()
        if let violation { throw violation }
    }
}
