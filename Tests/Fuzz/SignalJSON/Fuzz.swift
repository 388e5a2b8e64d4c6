import SignalJSON

/// Whatever a page or stranger sends is a value or an error.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    _ = try? JSONParser.parse(bytes)
    _ = try? ClientMessage(parsing: bytes)
    return 0
}
