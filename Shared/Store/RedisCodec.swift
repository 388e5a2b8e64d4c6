private import CHiredis
import NIOCore

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
