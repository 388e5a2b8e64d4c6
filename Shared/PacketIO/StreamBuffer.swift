/// Bytes that a stream keeps between turns. Owned by the slot it is in, which must `release` it.
@safe struct StreamBuffer {
    private var memory: UnsafeMutableRawPointer?
    private var start = 0
    private(set) var count = 0
    private var capacity = 0

    /// The bytes, from the oldest.
    var bytes: UnsafeRawBufferPointer {
        guard let memory = unsafe memory else { return unsafe UnsafeRawBufferPointer(start: nil, count: 0) }
        return unsafe UnsafeRawBufferPointer(start: memory + start, count: count)
    }

    /// Adds a copy of `bytes`.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        makeRoom(bytes.count)
        guard let memory = unsafe memory else { return }
        unsafe (memory + start + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    /// Adds zeros.
    mutating func appendZeros(_ number: Int) {
        makeRoom(number)
        guard let memory = unsafe memory else { return }
        unsafe (memory + start + count).initializeMemory(as: UInt8.self, repeating: 0, count: number)
        count += number
    }

    /// Forgets the oldest bytes; the memory goes with the last.
    mutating func remove(_ number: Int) {
        start += number
        count -= number
        if count == 0 { release() }
    }

    /// Gives the memory back.
    mutating func release() {
        if let memory = unsafe memory { unsafe memory.deallocate() }
        unsafe memory = nil
        start = 0
        count = 0
        capacity = 0
    }

    private mutating func makeRoom(_ number: Int) {
        if start + count + number <= capacity { return }
        if let memory = unsafe memory, count + number <= capacity, start >= count {
            unsafe memory.copyMemory(from: memory + start, byteCount: count)
            start = 0
            return
        }
        var larger = max(256, capacity)
        while larger < count + number { larger *= 2 }
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        if let memory = unsafe memory {
            unsafe fresh.copyMemory(from: memory + start, byteCount: count)
            unsafe memory.deallocate()
        }
        unsafe memory = fresh
        start = 0
        capacity = larger
    }
}
