import Logging
import Synchronization
import Time

/// What the machine's events lead to.
extension BusConnection {
    /// An event with those whom it concerns: found under the lock, done outside of it.
    enum Work {
        case ready
        case unusable
        case serve(UInt64, CallHead, InboundQueue, peerName: String)
        case deliver(UInt64, [UInt8], InboundQueue, isEnd: Bool)
        /// The caller sends no more; what came before stands before it.
        case close(InboundQueue)
        case finish(Entry, BusStatus)
        case fire([WaitCell])
    }

    /// Under the lock: looks up whom the events concern.
    func takeWork(_ state: inout State) -> [Work] {
        guard !state.machine.events.isEmpty else { return [] }
        // Over meanwhile: all whom it concerned know, and entries made now nobody would remove.
        guard state.end == nil else {
            state.machine.events = []
            return []
        }
        var events: [ConnectionMachine.Event] = []
        swap(&events, &state.machine.events)
        var work: [Work] = []
        work.reserveCapacity(events.count)
        for event in events {
            switch event {
            case .ready(let name):
                state.peerName = name
                work.append(.ready)
            case .opened(let id, let head):
                let inbound = InboundQueue(connection: self, id: id)
                state.entries[id] = Entry(inbound: inbound, isServed: true)
                work.append(.serve(id, head, inbound, peerName: state.peerName))
            case .message(let id, let bytes, let last):
                guard let entry = state.entries[id] else { continue }
                work.append(.deliver(id, bytes, entry.inbound, isEnd: last && entry.isServed))
            case .halfClosed(let id):
                // Behind the messages before it, which are delivered outside of the lock.
                guard let entry = state.entries[id] else { continue }
                work.append(.close(entry.inbound))
            case .ended(let id, let status), .abandoned(let id, let status):
                guard let entry = state.entries.removeValue(forKey: id) else { continue }
                work.append(.finish(entry, status))
            case .writable(let id):
                guard let waiting = state.entries[id]?.waiting, !waiting.isEmpty else { continue }
                state.entries[id]?.waiting = []
                work.append(.fire(waiting))
            case .goingAway: work.append(.unusable)
            }
        }
        return work
    }

    /// Outside of the lock. On the connection's thread a handler runs here until it first waits, with its request at hand where that
    /// came along: a short one answers without a change of threads.
    func perform(_ work: [Work], isThread: Bool) {
        var toServe: (id: UInt64, head: CallHead, inbound: InboundQueue, peerName: String)?
        for item in work {
            if let call = toServe {
                if case .deliver(call.id, let bytes, let inbound, let isEnd) = item {
                    inbound.add(bytes)
                    if isEnd { inbound.finish(.ok) }
                    serve(call.id, call.head, call.inbound, peerName: call.peerName, isThread: isThread)
                    toServe = nil
                    continue
                }
                serve(call.id, call.head, call.inbound, peerName: call.peerName, isThread: isThread)
                toServe = nil
            }
            switch item {
            case .ready: ready.fire()
            case .unusable: unusable.fire()
            case .serve(let id, let head, let inbound, let name): toServe = (id, head, inbound, name)
            case .deliver(_, let bytes, let inbound, let isEnd):
                inbound.add(bytes)
                if isEnd { inbound.finish(.ok) }
            case .close(let inbound): inbound.finish(.ok)
            case .finish(let entry, let status):
                entry.inbound.finish(status)
                entry.task?.cancel()
                for cell in entry.waiting { cell.fire() }
            case .fire(let cells):
                for cell in cells { cell.fire() }
            }
        }
        if let call = toServe { serve(call.id, call.head, call.inbound, peerName: call.peerName, isThread: isThread) }
    }

    private func serve(_ id: UInt64, _ head: CallHead, _ inbound: InboundQueue, peerName: String, isThread: Bool) {
        guard let handler = router.handler(of: head.method) else {
            return respond(id, .failure(BusStatus(.unimplemented, "nobody here answers \(head.method)")))
        }
        let peer = PeerIdentity(
            name: peerName, userID: transport.peer.userID, processID: transport.peer.processID)
        let context = CallContext(
            metadata: head.metadata, deadline: head.timeout.map { MonotonicClock.now + $0 }, method: head.method,
            peer: peer, caller: self)
        let call = ServedCall(connection: self, id: id, inbound: inbound, context: context)
        let answer: @Sendable () async -> Void = { [self] in
            do {
                respond(id, .success(try await handler(call)))
            } catch let status as BusStatus {
                respond(id, .failure(status))
            } catch is CancellationError {
                respond(id, .failure(BusStatus(.cancelled, "the handler was cancelled")))
            } catch {
                logger.warning("a call failed", metadata: ["method": "\(head.method)", "reason": "\(error)"])
                respond(id, .failure(BusStatus(.unknown, "\(error)")))
            }
        }
        let callID = head.metadata[CallID.key]
        // A caller that reads has an id of its own, which a task that it makes would take along.
        let isBound = callID != nil || !isThread
        let work: @Sendable () async -> Void = {
            guard isBound else { return await answer() }
            await CallID.$current.withValue(callID) { await answer() }
        }
        // A caller that reads has its own answer to look after.
        let task = isThread ? Task.immediate(operation: work) : Task(operation: work)
        let isOver = state.withLock { state -> Bool in
            guard state.entries[id] != nil else { return true }
            state.entries[id]?.task = task
            return false
        }
        // Answered already, or the connection ended meanwhile: then nobody else would tell it.
        if isOver { task.cancel() }
    }

    private func respond(_ id: UInt64, _ result: Result<[UInt8]?, BusStatus>) {
        let isDrained = change { state -> Bool in
            state.entries.removeValue(forKey: id)
            switch result {
            case .success(nil): state.machine.finish(id, .ok)
            case .failure(let status): state.machine.finish(id, status)
            case .success(let message?):
                do throws(BusStatus) {
                    try state.machine.send(message, on: id, last: true)
                } catch {
                    state.machine.finish(id, error)
                }
            }
            return state.machine.isDrained
        }
        // A connection that goes away ends with its last call.
        if isDrained == true { watch.wakeThread() }
    }
}
