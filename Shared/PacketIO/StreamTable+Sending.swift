internal import COpenSSL
internal import CPacketIO
internal import Glibc

extension StreamTable {
    /// Vectors for one write; the kernel takes 1,024.
    private static let vectorLimit = 256

    /// Whether a stream is open and has room for `bytes` more.
    @inline(__always)
    mutating func takes(_ bytes: Int, _ stream: StreamID) -> Bool {
        guard let index = index(stream) else { return false }
        let waiting = unsafe slots[index].backlog.count + Int(slots[index].queued)
        if waiting + bytes <= room(for: index) { return true }
        tally.dropped += 1
        return false
    }

    /// What may wait for a stream.
    @inline(__always)
    private func room(for index: Int) -> Int {
        if unsafe slots[index].isKnown, held <= limits.totalBufferBytes { return limits.sendBufferBytes }
        // An answer is always taken that does not wait behind another: most leave at once.
        let isKnown = unsafe slots[index].isKnown
        return isKnown || heldForStrangers <= limits.strangersBufferBytes
            ? min(limits.strangerBufferBytes, limits.sendBufferBytes) : StreamTable.answerBytes
    }

    /// The longest answer to a stranger.
    private static let answerBytes = 512

    func backlog(_ stream: StreamID) -> Int {
        guard let index = index(stream) else { return 0 }
        return unsafe slots[index].backlog.count + Int(slots[index].queued)
    }

    /// Adds an entry of the queue to a stream that takes it.
    @inline(__always)
    mutating func link(_ entry: Int32, bytes: Int, to stream: StreamID, in queue: borrowing SendQueue) {
        let index = stream.index
        if unsafe slots[index].firstEntry < 0 {
            unsafe slots[index].firstEntry = entry
            unsafe touched[touchedCount] = Int32(truncatingIfNeeded: index)
            touchedCount += 1
        } else {
            unsafe queue.entries[Int(slots[index].lastEntry)].next = entry
        }
        unsafe slots[index].lastEntry = entry
        unsafe slots[index].queued += Int32(truncatingIfNeeded: bytes)
    }

    /// Sends what the turn has queued, each stream's by as few segments as can be.
    mutating func flush(_ queue: borrowing SendQueue) {
        for place in 0..<touchedCount {
            let index = unsafe Int(touched[place])
            let first = unsafe slots[index].firstEntry
            unsafe slots[index].firstEntry = -1
            unsafe slots[index].queued = 0
            guard first >= 0, unsafe slots[index].descriptor >= 0 else { continue }
            if unsafe slots[index].backlog.count > 0 {
                keep(queue, from: first, index)
            } else if let session = unsafe slots[index].session {
                unsafe sendRecords(queue, first, index, session)
            } else {
                sendBytes(queue, first, index)
            }
        }
        touchedCount = 0
        for index in closing where unsafe slots[Int(index)].state == .closing { finish(Int(index)) }
        closing.removeAll(keepingCapacity: true)
    }

    private mutating func sendBytes(_ queue: borrowing SendQueue, _ first: Int32, _ index: Int) {
        var next = first
        while next >= 0 {
            let start = next
            var wanted = 0
            let result = unsafe withUnsafeTemporaryAllocation(of: pio_vector.self, capacity: StreamTable.vectorLimit) {
                vectors -> Int64 in
                guard let base = vectors.baseAddress else { return 0 }
                var count = 0
                while next >= 0, count + 3 <= StreamTable.vectorLimit {
                    let entry = unsafe queue.entries[Int(next)]
                    let header = unsafe queue.header(of: Int(next))
                    count += unsafe VectorList.put(entry, header: header, zeros: queue.zeros, to: base + count)
                    wanted += entry.bytes
                    next = entry.next
                }
                return unsafe pio_write(slots[index].descriptor, base, UInt32(count))
            }
            if result < 0, result != -Int64(EAGAIN), result != -Int64(EINTR) { return fail(index, .failed) }
            let sent = max(0, Int(result))
            tally.sentBytes += UInt64(sent)
            if sent == wanted { continue }
            // The peer is slow: the rest waits.
            keep(queue, from: start, index, without: sent)
            return wait(index)
        }
    }

    /// A record for each message, as some clients (coturn's) read one message whenever the socket is readable, and would
    /// leave a second one of the same record in OpenSSL until more comes. Together they leave as few segments.
    private mutating func sendRecords(
        _ queue: borrowing SendQueue, _ first: Int32, _ index: Int, _ session: OpaquePointer
    ) {
        let isRun = unsafe queue.entries[Int(first)].next >= 0
        if isRun { unsafe pio_cork(slots[index].descriptor, 1) }
        defer { if isRun { unsafe pio_cork(slots[index].descriptor, 0) } }
        var next = first
        while next >= 0 {
            let entry = unsafe queue.entries[Int(next)]
            guard let stage = unsafe stage, let memory = stage.baseAddress, entry.bytes <= stage.count else {
                return fail(index, .failed)
            }
            let header = Int(entry.headerLength)
            let length = Int(entry.length)
            unsafe memory.copyMemory(from: queue.header(of: Int(next)), byteCount: header)
            unsafe (memory + header).copyMemory(from: entry.payload, byteCount: length)
            unsafe (memory + header + length).initializeMemory(
                as: UInt8.self, repeating: 0, count: Int(entry.padding))
            let sent = unsafe write(session, UnsafeRawBufferPointer(start: memory, count: entry.bytes))
            guard sent >= 0 else { return fail(index, .failed) }
            next = entry.next
            guard sent == entry.bytes else {
                unsafe slots[index].backlog.append(
                    UnsafeRawBufferPointer(start: memory + sent, count: entry.bytes - sent))
                hold(index, entry.bytes - sent)
                if next >= 0 { keep(queue, from: next, index) }
                return wait(index)
            }
        }
    }

    /// Writes records. Returns how many bytes OpenSSL took, or -1.
    private mutating func write(_ session: OpaquePointer, _ bytes: UnsafeRawBufferPointer) -> Int {
        guard let memory = bytes.baseAddress else { return 0 }
        var sent = 0
        while sent < bytes.count {
            ERR_clear_error()
            let result = unsafe SSL_write(session, memory + sent, Int32(clamping: bytes.count - sent))
            if result > 0 {
                sent += Int(result)
                tally.sentBytes += UInt64(result)
                continue
            }
            let error = unsafe SSL_get_error(session, result)
            return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? sent : -1
        }
        return sent
    }

    /// Moves a chain to the backlog, all but its first `without` bytes.
    private mutating func keep(_ queue: borrowing SendQueue, from first: Int32, _ index: Int, without: Int = 0) {
        var next = first
        var skip = without
        while next >= 0 {
            let entry = unsafe queue.entries[Int(next)]
            let header = unsafe UnsafeRawBufferPointer(
                start: queue.header(of: Int(next)), count: Int(entry.headerLength))
            let payload = unsafe UnsafeRawBufferPointer(start: entry.payload, count: Int(entry.length))
            unsafe keep(header, &skip, index)
            unsafe keep(payload, &skip, index)
            let padding = max(0, Int(entry.padding) - skip)
            skip = max(0, skip - Int(entry.padding))
            unsafe slots[index].backlog.appendZeros(padding)
            hold(index, padding)
            next = entry.next
        }
    }

    private mutating func keep(_ bytes: UnsafeRawBufferPointer, _ skip: inout Int, _ index: Int) {
        let skipped = min(skip, bytes.count)
        skip -= skipped
        unsafe slots[index].backlog.append(UnsafeRawBufferPointer(rebasing: bytes[skipped...]))
        hold(index, bytes.count - skipped)
    }

    /// Waits until a stream takes more.
    private mutating func wait(_ index: Int) {
        watch(index, unsafe slots[index].interest | UInt32(PIO_WRITE))
        if unsafe slots[index].state == .open { schedule(index, .stalled) }
    }

    /// Sends what waited.
    mutating func drain(_ index: Int) {
        let bytes = unsafe slots[index].backlog.bytes
        let sent: Int
        if unsafe bytes.isEmpty {
            sent = 0
        } else if let session = unsafe slots[index].session {
            sent = unsafe write(session, bytes)
        } else {
            var vector = unsafe pio_vector(base: bytes.baseAddress, length: bytes.count)
            let result = unsafe pio_write(slots[index].descriptor, &vector, 1)
            let mayGoOn = result == -Int64(EAGAIN) || result == -Int64(EINTR)
            sent = result >= 0 ? Int(result) : mayGoOn ? 0 : -1
            tally.sentBytes += UInt64(max(0, sent))
        }
        guard sent >= 0 else { return fail(index, .failed) }
        unsafe slots[index].backlog.remove(sent)
        hold(index, -sent)
        if unsafe slots[index].backlog.count > 0 {
            // Slow, but not dead. A stranger has little to take, and no reason to be slow.
            if sent > 0, unsafe slots[index].state == .open && slots[index].isKnown { schedule(index, .stalled) }
            return
        }
        watch(index, unsafe slots[index].interest & ~UInt32(PIO_WRITE))
        if unsafe slots[index].state == .open { reschedule(index) } else { finish(index) }
    }

    /// Closes a stream for the worker: the rest goes on without it.
    mutating func close(_ stream: StreamID) {
        guard let index = index(stream) else { return }
        close(index, isPeerDone: false)
    }

    mutating func close(_ index: Int, isPeerDone: Bool) {
        unsafe slots[index].state = .closing
        unsafe slots[index].isPeerDone = isPeerDone
        hold(index, unsafe -slots[index].rest.count)
        unsafe slots[index].rest.release()
        schedule(index, .closing)
        closing.append(Int32(truncatingIfNeeded: index))
        if isPeerDone { watch(index, UInt32(PIO_WRITE)) }
    }

    /// Says goodbye on a closed stream once nothing waits on it any more.
    private mutating func finish(_ index: Int) {
        guard unsafe slots[index].backlog.count == 0 else { return }
        if let session = unsafe slots[index].session {
            ERR_clear_error()
            _ = unsafe SSL_shutdown(session)
        }
        if unsafe slots[index].isPeerDone { return dispose(index, abort: false) }
        pio_shutdown_write(unsafe slots[index].descriptor)
        unsafe slots[index].state = .lingering
        watch(index, UInt32(PIO_READ))
    }
}
