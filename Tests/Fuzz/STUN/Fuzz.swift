import Bytes
import STUN

/// Whatever parses can be asked for everything, and its integrity checked.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let message = try? STUNMessage(parsing: bytes.span.raw) else { return 0 }
    _ = message.unknownRequired { $0.rawValue.isMultiple(of: 2) }
    _ = try? message.mappedAddress()
    _ = try? message.xorMappedAddress()
    _ = try? message.username()
    _ = try? message.realm()
    _ = try? message.userhash()
    _ = try? message.errorCode()
    _ = try? message.errorReason()
    _ = try? message.unknownAttributes()
    _ = try? message.passwordAlgorithms()
    _ = try? message.passwordAlgorithm()
    _ = try? message.uint64(.iceControlled)
    _ = message.verify(.sha1, STUNKey(password: "fuzz"))
    _ = message.verify(.sha256, STUNKey(password: "fuzz"))
    return 0
}
