import SignalJSON

/// Whatever a page or stranger sends is a value or an error.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    _ = try? JSONParser.parse(unsafe [UInt8](UnsafeBufferPointer(start: start, count: count)))
    return 0
}
