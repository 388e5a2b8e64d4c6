internal import Addresses
internal import COpenSSL
internal import CPacketIO
internal import Glibc
internal import Time

/// What an event made of a stream.
enum StreamStep {
    case nothing
    /// It is open now; there may be bytes.
    case opened
    case readable
}

/// What was read from a stream.
enum StreamReceipt {
    case nothing
    /// So many bytes are in the slot, those kept from before among them.
    case bytes(Int)
    case ended(StreamEnd)
}

extension StreamTable {
    /// The first byte of a TLS record that begins a handshake (RFC 8446 §5.1). STUN messages begin with two zero bits, and
    /// ChannelData with 0x40 to 0x4F (RFC 8656 §12), and no message of ours with 0x16: such a STUN method does not exist.
    static let handshakeByte: Int32 = 0x16
    /// Connections taken from a listener in a turn, so that a flood of them does not hold up packets.
    static let acceptLimit = 16

    /// Takes waiting connections. Returns false if the process has no descriptor left for another.
    mutating func accept(from listener: Int, descriptor: Int32, mayBeTLS: Bool) -> Bool {
        for _ in 0..<StreamTable.acceptLimit {
            var slot = Slot()
            // The kernel's own end of a dead peer comes later than ours, which knows more, and says so.
            let stream = unsafe pio_accept(
                descriptor, &slot.remote, &slot.local, UInt32(clamping: limits.stallDeadline.milliseconds * 4))
            guard stream >= 0 else {
                switch -stream {
                case EMFILE, ENFILE, ENOBUFS, ENOMEM: return false
                case EAGAIN: return true
                default: continue
                }
            }
            let source = SourceKey(slot.remote)
            guard count < limits.streams, sources[source, default: 0] < Int32(limits.streamsPerSource) else {
                tally.refused += 1
                pio_abort(stream)
                continue
            }
            slot.state = .detecting
            slot.descriptor = stream
            slot.listener = UInt16(listener)
            slot.mayBeTLS = mayBeTLS
            slot.isKnown = !limits.hasStrangers
            slot.interest = UInt32(PIO_READ)
            let index = add(slot)
            sources[source, default: 0] += 1
            let token = Token(.stream, index: index, generation: unsafe slots[index].generation)
            schedule(index, .opening)
            guard pio_epoll_add(epoll, stream, token.bits, UInt32(PIO_READ)) == 0 else {
                tally.refused += 1
                dispose(index, abort: true)
                return false
            }
        }
        return true
    }

    /// Takes note of an event.
    mutating func advance(_ index: Int, events: UInt32, contexts: [TLSContext?]) -> StreamStep {
        let isWritable = events & UInt32(PIO_WRITE) != 0
        switch unsafe slots[index].state {
        case .detecting:
            return detect(index, contexts)
        case .handshaking:
            return shakeHands(index)
        case .open:
            if isWritable { drain(index) }
            return unsafe slots[index].state == .open ? .readable : .nothing
        case .closing, .lingering:
            if isWritable, unsafe slots[index].state == .closing { drain(index) }
            let isBroken = events & UInt32(PIO_FAILED | PIO_HUNG_UP) != 0
            if unsafe slots[index].descriptor >= 0 { discard(index, isBroken: isBroken) }
            return .nothing
        case .free, .ended:
            return .nothing
        }
    }

    /// Looks at the first byte, where it may be TLS.
    private mutating func detect(_ index: Int, _ contexts: [TLSContext?]) -> StreamStep {
        guard unsafe slots[index].mayBeTLS, let context = contexts[Int(unsafe slots[index].listener)] else {
            return open(index)
        }
        let byte = pio_peek(unsafe slots[index].descriptor)
        if byte == -EAGAIN || byte == -EINTR { return .nothing }
        guard byte >= 0 else {
            dispose(index, abort: false)
            return .nothing
        }
        guard byte == StreamTable.handshakeByte else { return open(index) }
        guard let session = unsafe context.makeSession(unsafe slots[index].descriptor) else {
            tally.handshakesFailed += 1
            dispose(index, abort: true)
            return .nothing
        }
        unsafe slots[index].session = session
        unsafe slots[index].state = .handshaking
        return shakeHands(index)
    }

    private mutating func shakeHands(_ index: Int) -> StreamStep {
        guard let session = unsafe slots[index].session else { return .nothing }
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(session)
        if result == 1 {
            watch(index, UInt32(PIO_READ))
            return open(index)
        }
        switch unsafe SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ:
            watch(index, UInt32(PIO_READ))
        case SSL_ERROR_WANT_WRITE:
            watch(index, UInt32(PIO_READ | PIO_WRITE))
        default:
            tally.handshakesFailed += 1
            // Not reset: the alert, which tells the peer why, should arrive.
            dispose(index, abort: false)
        }
        return .nothing
    }

    private mutating func open(_ index: Int) -> StreamStep {
        unsafe slots[index].state = .open
        tally.opened += 1
        return .opened
    }

    /// What the worker is told of a stream that has opened.
    func opening(_ index: Int) -> StreamOpening {
        unsafe StreamOpening(
            remote: .init(slots[index].remote), local: .init(slots[index].local), isTLS: slots[index].session != nil,
            listener: Int(slots[index].listener))
    }

    /// Reads what an open stream has brought into `slot`, behind what was kept.
    mutating func read(_ index: Int, into slot: UnsafeMutableRawBufferPointer) -> StreamReceipt {
        guard let memory = slot.baseAddress else { return .nothing }
        let kept = unsafe slots[index].rest.count
        if kept > 0 {
            let bytes = unsafe slots[index].rest.bytes
            unsafe memory.copyMemory(from: bytes.baseAddress ?? UnsafeRawPointer(memory), byteCount: kept)
        }
        // What is kept is less than the slot holds, see `keep`; and less than half of a stranger's room, of whom thousands must
        // not hold up a turn by thousands of short messages each.
        let room = unsafe (slots[index].isKnown ? slot.count : min(slot.count, limits.strangerBufferBytes * 2)) - kept
        let receipt =
            unsafe slots[index].session.map { unsafe readRecords(index, $0, memory + kept, room) }
            ?? readBytes(index, memory + kept, room)
        guard case .bytes(let fresh) = receipt else { return receipt }
        tally.receivedBytes += UInt64(fresh)
        return .bytes(kept + fresh)
    }

    private mutating func readBytes(_ index: Int, _ memory: UnsafeMutableRawPointer, _ room: Int) -> StreamReceipt {
        let result = unsafe pio_read(slots[index].descriptor, memory, room)
        if result > 0 { return .bytes(Int(result)) }
        if result == 0 { return .ended(.finished) }
        return result == -Int64(EAGAIN) || result == -Int64(EINTR) ? .nothing : .ended(.failed)
    }

    /// Where so much came at once, there is likely more: what OpenSSL reads ahead at most is a little more.
    private static let readOnBytes = 16 << 10

    private mutating func readRecords(
        _ index: Int, _ session: OpaquePointer, _ memory: UnsafeMutableRawPointer, _ room: Int
    ) -> StreamReceipt {
        var total = 0
        while total < room {
            ERR_clear_error()
            let result = unsafe SSL_read(session, memory + total, Int32(clamping: room - total))
            if result > 0 {
                total += Int(result)
                // OpenSSL reads ahead: where it holds nothing back, the socket is most likely empty, and epoll knows if not.
                // One more call of the kernel would only say so.
                if total < StreamTable.readOnBytes, unsafe SSL_has_pending(session) == 0 { return .bytes(total) }
                continue
            }
            let end: StreamEnd
            switch unsafe SSL_get_error(session, result) {
            case SSL_ERROR_WANT_READ:
                return total > 0 ? .bytes(total) : .nothing
            case SSL_ERROR_WANT_WRITE:
                watch(index, UInt32(PIO_READ | PIO_WRITE))
                return total > 0 ? .bytes(total) : .nothing
            case SSL_ERROR_ZERO_RETURN:
                end = .finished
            case SSL_ERROR_SYSCALL where errno == 0:
                end = .finished
            default:
                end = .failed
            }
            if total == 0 { return .ended(end) }
            // The bytes first; the end is found again in the next turn.
            markReady(index)
            return .bytes(total)
        }
        markReady(index)
        return .bytes(total)
    }

    /// Has the stream looked at again though epoll may be silent.
    private mutating func markReady(_ index: Int) {
        guard unsafe !slots[index].isReady else { return }
        unsafe slots[index].isReady = true
        ready.append(Int32(truncatingIfNeeded: index))
    }

    /// Keeps what the worker did not consume of `bytes`. Returns false if no message can be that long.
    mutating func keep(_ index: Int, _ bytes: UnsafeRawBufferPointer, consumed: Int) -> Bool {
        hold(index, unsafe -slots[index].rest.count)
        unsafe slots[index].rest.release()
        if consumed > 0 { unsafe slots[index].isHeard = true }
        let isKnown = unsafe slots[index].isKnown
        // A stranger's time is for whole messages.
        if isKnown || consumed > 0 { reschedule(index) }
        let rest = bytes.count - consumed
        guard rest > 0 else { return true }
        guard rest < ReceiveBatch.slotBytes, isKnown || takes(rest, fromStranger: index) else { return false }
        unsafe slots[index].rest.append(UnsafeRawBufferPointer(rebasing: bytes[consumed...]))
        hold(index, rest)
        return true
    }

    /// Whether a stranger's message may be kept until it is whole.
    private func takes(_ bytes: Int, fromStranger index: Int) -> Bool {
        bytes <= limits.strangerBufferBytes && heldForStrangers + bytes <= limits.strangersBufferBytes
    }

    /// Reads what comes from a stream that is closed, so that the kernel does not answer it with a reset, which could undo what
    /// was sent last.
    private mutating func discard(_ index: Int, isBroken: Bool) {
        guard let stage = unsafe stage, let memory = stage.baseAddress else { return }
        let result = unsafe pio_read(slots[index].descriptor, memory, 16 << 10)
        if result > 0 { return }
        if result < 0, result == -Int64(EAGAIN) || result == -Int64(EINTR) { return }
        if unsafe result < 0 || isBroken || slots[index].state == .lingering {
            return dispose(index, abort: result < 0)
        }
        // It has closed too, but something still waits for it: an end of input would wake the loop over and over.
        unsafe slots[index].isPeerDone = true
        watch(index, UInt32(PIO_WRITE))
    }
}
