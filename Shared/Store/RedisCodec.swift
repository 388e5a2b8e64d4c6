private import CHiredis
import NIOCore

/// hiredis's reader: bytes in as they come, whole replies out.
@safe struct RedisReplyReader: ~Copyable {
    private let reader: UnsafeMutablePointer<redisReader>

    /// Beyond this a reply is not ours: the largest we ask for, a list of 1,000 nodes, is under 2 MiB.
    static let mostBytes = 64 << 20

    /// Nil: out of memory.
    init?() {
        guard let reader = unsafe redisReaderCreate() else { return nil }
        unsafe self.reader = unsafe reader
    }

    deinit { unsafe redisReaderFree(reader) }

    /// Takes what the socket gave.
    func receive(_ buffer: ByteBuffer) throws(StoreError) {
        let status = unsafe buffer.withUnsafeReadableBytes { bytes in
            unsafe redisReaderFeed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard status == REDIS_OK else { throw .connectionLost(reason: problem) }
        guard unsafe reader.pointee.len - Int(reader.pointee.pos) < Self.mostBytes else {
            throw .connectionLost(reason: "a reply of over \(Self.mostBytes) bytes")
        }
    }

    /// The next whole reply; nil: more bytes are needed.
    func nextReply() throws(StoreError) -> RedisValue? {
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

/// A command as bytes on the wire; nil: out of memory.
func formatCommand(_ words: [RedisArgument], allocator: ByteBufferAllocator) -> ByteBuffer? {
    var text: [CChar] = []
    text.reserveCapacity(words.reduce(1) { $0 + $1.bytes.count })
    for word in words { text.append(contentsOf: word.bytes.lazy.map { CChar(bitPattern: $0) }) }
    text.append(0)
    let lengths = words.map(\.bytes.count)
    var target: UnsafeMutablePointer<CChar>?
    let length = unsafe text.withUnsafeBufferPointer { text in
        var starts: [UnsafePointer<CChar>?] = unsafe []
        var offset = 0
        for length in lengths {
            unsafe starts.append(text.baseAddress.map { unsafe $0 + offset })
            offset += length
        }
        return unsafe Int(redisFormatCommandArgv(&target, Int32(words.count), &starts, lengths))
    }
    guard length > 0, let command = unsafe target else { return nil }
    defer { unsafe redisFreeCommand(command) }
    var buffer = allocator.buffer(capacity: length)
    unsafe buffer.writeBytes(UnsafeRawBufferPointer(start: command, count: length))
    return buffer
}
