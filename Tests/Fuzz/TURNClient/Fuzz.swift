import Addresses
import Bytes
import STUN
import TURN
import Time

/// A client under whatever a server sends: the input is a list of steps, each a byte that says what, a length, and bytes.
/// Answers bear the transaction of the last request, as a server that is no stranger could make them.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    var settings = TURNClientSettings(
        input.first.map { $0 & 1 == 0 } ?? true ? .udp : .stream,
        credentials: TURNCredentials(username: "ann", password: "secret"))
    settings.maximumPeers = 4
    var client = TURNClient(settings)
    var now = Instant.zero
    var random = Counting()
    var last: [UInt8] = []
    var position = 1
    while position + 2 <= input.count {
        let (step, length) = (input[position], Int(input[position + 1]))
        let bytes = Array(input[(position + 2)..<min(position + 2 + length, input.count)])
        position += 2 + length
        let peer = Endpoint(address: IPAddress(v4: UInt32(step >> 4)), port: 9)
        switch step & 7 {
        case 0: try? client.allocate()
        case 1: try? client.permit(peer.address)
        case 2: _ = try? client.bind(peer)
        case 3: try? client.release()
        case 4:
            now += .seconds(Int64(length))
        case 5:
            // An answer to the last request, with these attributes.
            guard last.count >= STUNHeader.byteCount, bytes.count.isMultiple(of: 4) else { break }
            var answer = Array(last.prefix(STUNHeader.byteCount))
            answer[0] |= 1
            answer[1] |= step & 8 == 0 ? 0x10 : 0
            answer[2] = 0
            answer[3] = UInt8(bytes.count)
            answer += bytes
            _ = try? client.receive(answer.span.raw, now: now)
        default:
            _ = try? client.receive(bytes.span.raw, now: now)
        }
        var events = 0
        while client.timeout(now: now) != nil {
            events += 1
            precondition(events < 64, "timeouts without an end")
        }
        var requests = 0
        while true {
            let bytes = try? [UInt8](capacity: TURNClient.longestRequest) { (output) throws(STUNError) in
                _ = try client.nextRequest(now: now, using: &random, to: &output)
            }
            guard let bytes, !bytes.isEmpty else { break }
            last = bytes
            requests += 1
            precondition(requests < 64, "requests without an end")
        }
        if let due = client.nextDeadline { precondition(due > now, "a deadline that was met did not move on") }
    }
    return 0
}

/// Ids that differ; no secret.
private struct Counting: RandomNumberGenerator {
    var count: UInt64 = 0

    mutating func next() -> UInt64 {
        count += 1
        return count
    }
}
