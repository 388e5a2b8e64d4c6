import BusWire
import Time

/// A peer may send anything, in pieces of any size: the machine takes it or calls it a violation, and stays within bounds.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let first = bytes.first else { return 0 }
    let piece = Int(first >> 1) + 1
    var machine = ConnectionMachine(
        side: first & 1 == 0 ? .accepting : .connecting, name: "fuzz", now: Instant(nanoseconds: 0))
    var offset = 1
    var now = Instant(nanoseconds: 0)
    while offset < bytes.count {
        let end = min(bytes.count, offset + piece)
        now = now + .milliseconds(100)
        do throws(ProtocolViolation) {
            try machine.receive(Array(bytes[offset..<end]).span, now: now)
            try machine.timeout(now: now)
        } catch {
            return 0
        }
        precondition(machine.openStreams <= WireLimits().streams * 2)
        machine.outbound.removeAll()
        machine.events.removeAll()
        offset = end
    }
    return 0
}
