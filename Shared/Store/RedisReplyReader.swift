private import CHiredis

/// hiredis's reader: bytes in as they come, whole replies out.
@safe package struct RedisReplyReader: ~Copyable {
    private let reader: UnsafeMutablePointer<redisReader>
    /// How it builds replies: as ever, but for long arrays.
    private let functions: UnsafeMutablePointer<redisReplyObjectFunctions>

    /// Beyond this a reply is not ours: the largest we ask for, a list of 1,000 nodes, is under 2 MiB.
    package static let mostBytes = 64 << 20

    /// Nil: out of memory.
    package init?() {
        guard let reader = unsafe redisReaderCreate() else { return nil }
        unsafe self.reader = unsafe reader
        unsafe functions = .allocate(capacity: 1)
        unsafe functions.initialize(to: reader.pointee.fn.pointee)
        // hiredis claims memory for as many elements as a reply announces, before one of them is there.
        unsafe functions.pointee.createArray = unsafe roost_create_bounded_array
        unsafe reader.pointee.privdata = UnsafeMutableRawPointer(reader.pointee.fn)
        unsafe reader.pointee.fn = unsafe functions
    }

    deinit {
        unsafe redisReaderFree(reader)
        unsafe functions.deallocate()
    }

    /// Takes what the socket gave.
    package func receive(_ bytes: RawSpan) throws(StoreError) {
        let status = unsafe bytes.withUnsafeBytes { bytes in
            unsafe redisReaderFeed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard status == REDIS_OK else { throw .connectionLost(reason: problem) }
        guard unsafe reader.pointee.len - Int(reader.pointee.pos) < Self.mostBytes else {
            throw .connectionLost(reason: "a reply of over \(Self.mostBytes) bytes")
        }
    }

    /// The next whole reply; nil: more bytes are needed.
    package func nextReply() throws(StoreError) -> RedisValue? {
        var object: UnsafeMutableRawPointer?
        guard unsafe redisReaderGetReply(reader, &object) == REDIS_OK else { throw .connectionLost(reason: problem) }
        guard let object = unsafe object else { return nil }
        defer { unsafe freeReplyObject(object) }
        return unsafe value(of: object.assumingMemoryBound(to: redisReply.self))
    }

    private var problem: String {
        unsafe withUnsafePointer(to: &reader.pointee.errstr) { text in
            unsafe String(cString: UnsafeRawPointer(text).assumingMemoryBound(to: CChar.self))
        }
    }

    private func value(of reply: UnsafeMutablePointer<redisReply>) -> RedisValue {
        switch unsafe reply.pointee.type {
        case REDIS_REPLY_INTEGER: return .integer(unsafe reply.pointee.integer)
        case REDIS_REPLY_NIL: return .null
        case REDIS_REPLY_ERROR: return .error(String(decoding: unsafe text(of: reply), as: UTF8.self))
        case REDIS_REPLY_ARRAY:
            var values: [RedisValue] = []
            values.reserveCapacity(Int(unsafe reply.pointee.elements))
            for index in 0..<Int(unsafe reply.pointee.elements) {
                guard let element = unsafe reply.pointee.element[index] else { continue }
                values.append(unsafe value(of: element))
            }
            return .array(values)
        default: return .bytes(unsafe text(of: reply))
        }
    }

    private func text(of reply: UnsafeMutablePointer<redisReply>) -> [UInt8] {
        guard let start = unsafe reply.pointee.str else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: Int(reply.pointee.len)))
    }
}
