/// A fixed number of small records in memory of its own: no reference counts and no copies on write, unlike an array.
///
/// The number is a power of two, and an index is taken modulo it, so none is out of bounds.
@safe
struct RecordSlab<Record: BitwiseCopyable & Sendable>: ~Copyable {
    let count: Int
    private let records: UnsafeMutablePointer<Record>

    init(count: Int, repeating record: Record) {
        precondition(count > 0 && count & (count - 1) == 0, "a slab's count is a power of two")
        self.count = count
        unsafe records = .allocate(capacity: count)
        unsafe records.initialize(repeating: record, count: count)
    }

    deinit { unsafe records.deallocate() }

    var byteCount: Int { count * MemoryLayout<Record>.stride }

    subscript(index: Int) -> Record {
        @inline(__always) get { unsafe records[index & (count &- 1)] }
        @inline(__always) set { unsafe records[index & (count &- 1)] = newValue }
    }

    mutating func fill(_ record: Record) { unsafe records.update(repeating: record, count: count) }
}

// The memory has one owner, which cannot be copied, and moves with it.
extension RecordSlab: @unchecked Sendable {}
