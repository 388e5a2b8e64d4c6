internal import Addresses
internal import CPacketIO
internal import Synchronization
internal import Time

/// The part of a turn that is inside the worker.
///
/// `assumeIsolated` costs 140 to 340 ns and two allocations for its closure, which is much where a turn has one packet. A
/// function with an isolated parameter costs a call. Whether the thread is the worker's is known: the loop never leaves it, and
/// asked once when it began.
struct WorkerTurn<Worker: PacketWorker> {
    private typealias Handle = (
        isolated Worker, borrowing LoopTurn, [TLSContext?], [StreamListener], LoopCore, inout LoopState
    ) -> Void
    private typealias HandleAnywhere = (
        Worker, borrowing LoopTurn, [TLSContext?], [StreamListener], LoopCore, inout LoopState
    ) -> Void
    private typealias Begin = (isolated Worker, inout LoopState) -> Void
    private typealias BeginAnywhere = (Worker, inout LoopState) -> Void

    private let handleAnywhere: HandleAnywhere
    private let beginAnywhere: BeginAnywhere

    init() {
        // Isolation is not part of a function's form, only of who may call it; `assumeIsolated` is made the same way.
        let handle: Handle = WorkerTurn.handle
        let begin: Begin = WorkerTurn.begin
        handleAnywhere = unsafe unsafeBitCast(handle, to: HandleAnywhere.self)
        beginAnywhere = unsafe unsafeBitCast(begin, to: BeginAnywhere.self)
    }

    /// Asks for the first deadline.
    func begin(_ worker: Worker, _ state: inout LoopState) { beginAnywhere(worker, &state) }

    /// Handles what is ready.
    @inline(__always)
    func handle(
        _ worker: Worker, _ turn: borrowing LoopTurn, _ contexts: [TLSContext?], _ listeners: [StreamListener],
        _ core: LoopCore, _ state: inout LoopState
    ) {
        handleAnywhere(worker, turn, contexts, listeners, core, &state)
    }

    private static func begin(_ worker: isolated Worker, _ state: inout LoopState) {
        state.deadline = worker.nextDeadline
    }

    private static func handle(
        _ worker: isolated Worker, _ turn: borrowing LoopTurn, _ contexts: [TLSContext?],
        _ listeners: [StreamListener], _ core: LoopCore, _ state: inout LoopState
    ) {
        state.turn &+= 1
        state.isBehind = false
        state.hasMoreAside = false
        state.out.streams.now = state.now.nanoseconds
        if !state.out.streams.failures.isEmpty { tellFailures(worker, &state) }
        if !state.out.streams.ready.isEmpty { readReady(worker, contexts, &state) }
        for index in 0..<turn.count {
            let (token, events) = turn.event(index)
            switch token.kind {
            case .socket: socketEvent(worker, token, events, &state)
            case .stream:
                guard let stream = state.out.streams.index(token) else { continue }
                streamEvent(worker, stream, events, contexts, &state)
            case .listener:
                accept(token.index, listeners, core, &state)
            case nil: continue
            }
        }
        if !state.out.sockets.asides.isEmpty { readAside(worker, &state) }
        if state.hasExpired { expire(worker, listeners, core, &state) }
        state.deadline = worker.nextDeadline
        if let due = state.deadline, due <= state.now {
            worker.timeout(out: &state.out, now: state.now)
            state.deadline = worker.nextDeadline
        }
    }

    // MARK: Sockets

    @inline(__always)
    private static func socketEvent(
        _ worker: isolated Worker, _ token: Token, _ events: UInt32, _ state: inout LoopState
    ) {
        guard let index = state.out.sockets.index(token) else { return }
        let slot = unsafe state.out.sockets.slots[index]
        if events & UInt32(PIO_FAILED) != 0, slot.reportsErrors {
            errorEvent(worker, index, slot.descriptor, &state)
            guard state.out.sockets.index(token) != nil else { return }
            if events & UInt32(PIO_READ) == 0 { return }
        }
        state.makeRoom()
        // One batch a socket and turn, so that a flood on one does not starve the others: epoll tells again.
        let limit = min(Int(slot.asks), state.received.room)
        let got = state.received.fill(
            from: slot.descriptor, socket: SocketID(index), tells: slot.tells, limit: limit)
        // Nothing, or an error that an ICMP message left behind.
        guard got > 0 else { return }
        if got == limit, limit > 1 { state.isBehind = true }
        if limit == Int(slot.asks) { state.out.sockets.adapt(index, got: got, turn: state.turn) }
        tell(worker, &state)
    }

    /// Reads RTCP that waits.
    private static func readAside(_ worker: isolated Worker, _ state: inout LoopState) {
        for place in 0..<state.out.sockets.asides.count {
            let index = state.out.sockets.asides[place]
            let slot = unsafe state.out.sockets.slots[index]
            guard slot.isOpen else { continue }
            state.makeRoom()
            let limit = min(asideLimit, state.received.room)
            let got = state.received.fill(
                from: slot.aside, socket: SocketID(index), tells: slot.tells, limit: limit)
            guard got > 0 else { continue }
            if got == limit { state.hasMoreAside = true }
            tell(worker, &state)
        }
    }

    /// RTCP in a turn.
    private static var asideLimit: Int { 16 }

    /// Gives the worker what was received.
    @inline(__always)
    private static func tell(_ worker: isolated Worker, _ state: inout LoopState) {
        state.count()
        let references = state.out.queue.references
        worker.receive(&state.received, out: &state.out, now: state.now)
        state.settle(references)
    }

    /// ICMP errors in a turn, so that a flood of them does not hold up packets.
    private static var errorLimit: Int { 16 }

    private static func errorEvent(
        _ worker: isolated Worker, _ index: Int, _ descriptor: Int32, _ state: inout LoopState
    ) {
        for _ in 0..<errorLimit {
            state.makeRoom()
            var error = pio_error()
            let slot = unsafe state.received.freeSlot()
            guard unsafe pio_receive_error(descriptor, &error, slot.baseAddress, 2048) == 1 else { return }
            state.countError()
            state.received.takeSlot(length: Int(error.length))
            let references = state.out.queue.references
            tell(
                worker, DatagramError(socket: SocketID(index), error), state.received, &state.out, state.now)
            state.settle(references)
            guard unsafe state.out.sockets.slots[index].isOpen else { return }
        }
    }

    private static func tell(
        _ worker: isolated Worker, _ error: DatagramError, _ received: borrowing ReceiveBatch, _ out: inout LoopIO,
        _ now: Instant
    ) {
        worker.receive(error: error, payload: received.bytes(0), out: &out, now: now)
    }

    // MARK: Streams

    private static func accept(
        _ listener: Int, _ listeners: [StreamListener], _ core: LoopCore, _ state: inout LoopState
    ) {
        let item = listeners[listener]
        let goesOn = state.out.streams.accept(
            from: listener, descriptor: item.descriptor, mayBeTLS: item.tls != nil)
        guard !goesOn else { return }
        // No descriptors are left. The connection would wake the loop over and over, so listeners rest.
        state.unwatchListeners(listeners, core)
        state.pausedUntil = state.now + .milliseconds(200)
    }

    private static func streamEvent(
        _ worker: isolated Worker, _ index: Int, _ events: UInt32, _ contexts: [TLSContext?],
        _ state: inout LoopState
    ) {
        switch state.out.streams.advance(index, events: events, contexts: contexts) {
        case .nothing:
            break
        case .opened:
            let opening = state.out.streams.opening(index)
            worker.opened(stream: StreamID(index), opening, out: &state.out, now: state.now)
            read(worker, index, &state)
        case .readable:
            read(worker, index, &state)
        }
        if !state.out.streams.failures.isEmpty { tellFailures(worker, &state) }
    }

    private static func read(_ worker: isolated Worker, _ index: Int, _ state: inout LoopState) {
        state.makeRoom()
        guard unsafe state.out.streams.slots[index].state == .open else { return }
        let generation = unsafe state.out.streams.slots[index].generation
        let slot = unsafe state.received.freeSlot()
        switch unsafe state.out.streams.read(index, into: slot) {
        case .nothing:
            return
        case .ended(let reason):
            end(worker, index, reason, &state)
        case .bytes(let count):
            state.received.takeSlot(length: count)
            let references = state.out.queue.references
            let consumed = consume(worker, StreamID(index), state.received, &state.out, state.now)
            precondition(consumed >= 0 && consumed <= count, "the worker consumes \(consumed) of \(count) bytes")
            // It may have closed the stream, or a full queue may have found it broken.
            if unsafe state.out.streams.slots[index].state == .open,
                unsafe state.out.streams.slots[index].generation == generation
            {
                let bytes = unsafe UnsafeRawBufferPointer(start: slot.baseAddress, count: count)
                if unsafe !state.out.streams.keep(index, bytes, consumed: consumed) {
                    end(worker, index, .tooLong, &state)
                }
            }
            state.settle(references)
        }
    }

    private static func consume(
        _ worker: isolated Worker, _ stream: StreamID, _ received: borrowing ReceiveBatch, _ out: inout LoopIO,
        _ now: Instant
    ) -> Int {
        worker.receive(stream: stream, bytes: received.bytes(0), out: &out, now: now)
    }

    /// Tells the worker that a stream has ended, and sees to its end.
    private static func end(
        _ worker: isolated Worker, _ index: Int, _ reason: StreamEnd, _ state: inout LoopState
    ) {
        worker.closed(stream: StreamID(index), reason: reason, out: &state.out, now: state.now)
        guard unsafe state.out.streams.slots[index].state == .open else { return }
        switch reason {
        case .finished: state.out.streams.close(index, isPeerDone: true)
        case .idle: state.out.streams.close(index, isPeerDone: false)
        case .failed, .late, .stalled, .tooLong: state.out.streams.dispose(index, abort: true)
        }
    }

    private static func tellFailures(_ worker: isolated Worker, _ state: inout LoopState) {
        // The worker's answers may make others fail.
        while let failure = state.out.streams.failures.popLast() {
            worker.closed(
                stream: StreamID(Int(failure.stream)), reason: failure.reason, out: &state.out, now: state.now)
            state.out.streams.dispose(Int(failure.stream), abort: true)
        }
    }

    /// Reads on where OpenSSL held bytes back.
    private static func readReady(
        _ worker: isolated Worker, _ contexts: [TLSContext?], _ state: inout LoopState
    ) {
        for _ in 0..<state.out.streams.ready.count {
            let index = Int(state.out.streams.ready.removeFirst())
            guard unsafe state.out.streams.slots[index].isReady else { continue }
            unsafe state.out.streams.slots[index].isReady = false
            guard unsafe state.out.streams.slots[index].state == .open else { continue }
            read(worker, index, &state)
        }
    }

    // MARK: Deadlines

    private static func expire(
        _ worker: isolated Worker, _ listeners: [StreamListener], _ core: LoopCore, _ state: inout LoopState
    ) {
        if let pausedUntil = state.pausedUntil, pausedUntil <= state.now {
            state.pausedUntil = nil
            // Refused only where it was refused at the start, for want of memory; then it is tried again.
            do throws(PacketIOError) {
                try state.watchListeners(listeners, core)
            } catch {
                state.pausedUntil = state.now + .milliseconds(200)
            }
        }
        while state.out.streams.lists.openingCount > state.out.streams.limits.opening,
            let index = state.out.streams.oldestOpening
        {
            cut(worker, index, .late, &state)
        }
        while let (index, list) = state.out.streams.expired() {
            switch list {
            case .opening: cut(worker, index, .late, &state)
            case .idle, .waiting: cut(worker, index, .idle, &state)
            case .stalled: cut(worker, index, .stalled, &state)
            case .closing, .none: state.out.streams.dispose(index, abort: true)
            }
        }
    }

    private static func cut(
        _ worker: isolated Worker, _ index: Int, _ reason: StreamEnd, _ state: inout LoopState
    ) {
        guard unsafe state.out.streams.slots[index].state == .open else {
            // The worker has not heard of it.
            return state.out.streams.dispose(index, abort: true)
        }
        end(worker, index, reason, &state)
    }
}

extension DatagramError {
    fileprivate init(socket: SocketID, _ error: pio_error) {
        let remote = Endpoint(error.remote)
        // Our own kernel tells only of datagrams longer than the path's MTU: what a router would say.
        let isV4 = remote.address.family == .v4
        self.init(
            socket: socket, remote: remote,
            reporter: error.reporter.family == 0 ? nil : IPAddress(error.reporter),
            type: error.is_local != 0 ? (isV4 ? 3 : 2) : error.type,
            code: error.is_local != 0 ? (isV4 ? 4 : 0) : error.code, data: error.data)
    }
}
