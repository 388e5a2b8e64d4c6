import Addresses
import Bytes
import StunServer
import Time

/// No answer is longer than the bound, whoever asks: the first byte chooses the family, the rest is the datagram.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let first = bytes.first else { return 0 }
    let asked = Array(bytes.dropFirst())
    let address = first & 1 == 0 ? IPAddress(v4: 0xc000_0201) : IPAddress(v6High: 0x2001_0db8 << 32, low: 7)
    var responder = StunResponder(software: "Roost", limiter: SourceLimiter(rate: 1_000, burst: 1_000, seed: 1))
    let said = try? [UInt8](capacity: 2_048) { (output) throws(StunDrop) in
        _ = try responder.receive(
            asked.span.raw, from: Endpoint(address: address, port: 1), now: Instant(nanoseconds: 1), to: &output)
    }
    precondition((said?.count ?? 0) <= asked.count * StunResponder.amplification)
    return 0
}
