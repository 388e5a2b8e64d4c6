import Bus
import Time

/// A peer's bytes after, or instead of, its hello. The first byte says whether the machine has heard one.
@c(LLVMFuzzerTestOneInput)
public func fuzzBusFrames(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let input = unsafe UnsafeBufferPointer(start: bytes, count: count)
    var machine = ConnectionMachine(side: .accepting, name: "fuzz", now: .zero)
    if unsafe (input.first ?? 0) & 1 == 1 {
        let peer = ConnectionMachine(side: .connecting, name: "peer", now: .zero)
        try? machine.receive(peer.outbound.span, now: .zero)
    }
    try? machine.receive(unsafe Array(input.dropFirst()).span, now: .zero)
    return 0
}
