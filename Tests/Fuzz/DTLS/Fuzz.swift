import Bytes
import DTLS
import Time

/// Our server between an honest client of ours and somebody who puts datagrams in: the input is a list of steps, each a byte that says
/// what, a length, and bytes.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let context,
        var server = try? DTLSConnection(context, role: .server, peer: context.fingerprint, now: .zero),
        var client = try? DTLSConnection(context, role: .client, peer: context.fingerprint, now: .zero)
    else { preconditionFailure("no connections") }
    var now = Instant.zero
    var number: UInt8 = 100
    var position = 0
    while position + 2 <= input.count {
        let (step, length) = (input[position], Int(input[position + 1]))
        let bytes = Array(input[(position + 2)..<min(position + 2 + length, input.count)])
        position += 2 + length
        switch step & 7 {
        case 0: now += .milliseconds(Int64(length) * 10)
        case 1:
            // A record of handshaking, changing keys, alerting or data, before the keys or behind them.
            number &+= 1
            let header = [20 + (step >> 3 & 3), 0xfe, 0xfd, 0, step >> 5 & 1, 0, 0, 0, 0, 0, number]
            feed(&server, header + [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes, now)
        case 2: feed(&server, bytes, now)
        case 3: feed(&client, bytes, now)
        case 4, 5:
            // What the client says arrives, perhaps damaged.
            for datagram in drain(&client) {
                var datagram = datagram
                for index in bytes.indices where step & 1 == 1 && !datagram.isEmpty {
                    datagram[(index * 37 + Int(bytes[index])) % datagram.count] ^= bytes[index]
                }
                feed(&server, datagram, now)
            }
        default:
            for datagram in drain(&server) { feed(&client, datagram, now) }
        }
        _ = server.timeout(now: now)
        _ = client.timeout(now: now)
        if let due = server.nextDeadline { precondition(due > now, "a deadline that was met did not move on") }
        if let due = client.nextDeadline { precondition(due > now, "a deadline that was met did not move on") }
    }
    _ = drain(&server)
    _ = drain(&client)
    return 0
}

private let context = try? DTLSContext()

private func feed(_ connection: inout DTLSConnection, _ bytes: [UInt8], _ now: Instant) {
    _ = connection.receive(bytes.span.raw, now: now)
}

private func drain(_ connection: inout DTLSConnection) -> [[UInt8]] {
    var datagrams: [[UInt8]] = []
    var isMore = true
    while isMore {
        let bytes = [UInt8](capacity: DTLSConnection.longestDatagram) { (output) throws(Never) in
            isMore = connection.nextDatagram(to: &output)
        }
        guard isMore else { break }
        precondition(!bytes.isEmpty, "a datagram is longer than any may be")
        datagrams.append(bytes)
        precondition(datagrams.count <= 64, "datagrams without an end")
    }
    return datagrams
}
