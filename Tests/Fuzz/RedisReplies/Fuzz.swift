import StoreReplies

/// Whatever comes from Redis, in pieces of any size, is replies or an error, and claims no memory beyond what came.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let first = bytes.first, let reader = RedisReplyReader() else { return 0 }
    var offset = 1
    while offset < bytes.count {
        let end = min(bytes.count, offset + Int(first) + 1)
        do throws(StoreError) {
            try reader.receive(bytes.span.extracting(offset..<end).bytes)
            while let reply = try reader.nextReply() { look(at: reply) }
        } catch {
            precondition(error.isOutage && error.mayHaveRun)
            return 0
        }
        offset = end
    }
    return 0
}

/// Asks it for all that it may be.
private func look(at reply: RedisValue) {
    _ = (reply.string, reply.integer, reply.bytes, reply.fields)
    for element in reply.array ?? [] { look(at: element) }
}
