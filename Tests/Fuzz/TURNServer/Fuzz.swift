import Bytes

/// The input is a history: clients that know their passwords and say anything, peers, time, a worker that fails or is late.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    var history = History(Input(bytes))
    while history.step() {}
    history.finish()
    return 0
}

/// What is left of the input. Beyond its end there are zeros.
struct Input {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isEmpty: Bool { position >= bytes.count }

    mutating func byte() -> Int {
        guard position < bytes.count else { return 0 }
        position += 1
        return Int(bytes[position - 1])
    }

    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, position + count)
        let taken = Array(bytes[min(position, end)..<end])
        position = end
        return taken
    }
}
