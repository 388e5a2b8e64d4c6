import Addresses
import Bytes
import ICE
import STUN
import Time

/// Both ends under whatever comes: the input is a list of steps, each a byte that says what, a length, and bytes. Checks and answers
/// are made with good credentials too, as a member who means harm could.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    let node = ICECredentials(ufrag: "nodeufra", password: "node")
    let peer = ICECredentials(ufrag: "peer", password: "peer")
    var agent = ICELiteAgent(local: node, remote: peer, now: .zero)
    var client = ICEClient(local: peer, remote: node, tieBreaker: 1, now: .zero)
    var random = Counting()
    var now = Instant.zero
    var last: [UInt8] = []
    var position = 0
    while position + 2 <= input.count {
        let (step, length) = (input[position], Int(input[position + 1]))
        let bytes = Array(input[(position + 2)..<min(position + 2 + length, input.count)])
        position += 2 + length
        let path = ICEPath(
            socket: 0, local: nil, remote: Endpoint(address: IPAddress(v4: 1), port: UInt16(step >> 4)))
        switch step & 7 {
        case 0: now += .milliseconds(Int64(length) * 100)
        case 1: agent.restart(local: node, remote: peer, now: now)
        case 2: client.add(path, priority: UInt32(length))
        case 3:
            // A check with good credentials, and these attributes.
            guard bytes.count.isMultiple(of: 4) else { break }
            let message = message(.request, node, "nodeufra:peer", bytes, TransactionID(high: 1, low: 1))
            take(&agent, message, path, now)
            answer(&client, message, path, now)
        case 4:
            // An answer to the last check.
            guard last.count >= STUNHeader.byteCount, bytes.count.isMultiple(of: 4) else { break }
            let id = TransactionID(high: last.span.raw.uint32(at: 8), low: last.span.raw.uint64(at: 12))
            answer(&client, message(step & 8 == 0 ? .success : .failure, node, nil, bytes, id), path, now)
        case 5: _ = ICECandidate(parsing: "candidate:" + String(decoding: bytes, as: UTF8.self))
        default:
            _ = ICEUfrag(of: bytes.span.raw)
            _ = PacketKind(bytes.span.raw)
            _ = ICEFraming.frame(in: bytes.span.raw, at: 0)
            take(&agent, bytes, path, now)
            answer(&client, bytes, path, now)
        }
        _ = agent.timeout(now: now)
        _ = client.timeout(now: now)
        var checks = 0
        while true {
            var wanted: ICEPath?
            let bytes = [UInt8](capacity: 512) { (output) throws(Never) in
                wanted = client.nextCheck(now: now, using: &random, to: &output)
            }
            guard wanted != nil else { break }
            last = bytes
            checks += 1
            precondition(checks <= ICEClient.maximumPairs + 1, "checks without an end")
        }
        if let due = agent.nextDeadline { precondition(due > now, "a deadline that was met did not move on") }
        if let due = client.nextDeadline { precondition(due > now, "a deadline that was met did not move on") }
    }
    return 0
}

private func take(_ agent: inout ICELiteAgent, _ bytes: [UInt8], _ path: ICEPath, _ now: Instant) {
    var outcome: ICEOutcome?
    let answer = [UInt8](capacity: 128) { (output) throws(Never) in
        outcome = agent.receive(bytes.span.raw, path: path, now: now, to: &output)
    }
    if case .dropped = outcome {
        precondition(answer.isEmpty, "a dropped message was answered")
    } else {
        precondition((try? STUNMessage(parsing: answer.span.raw)) != nil, "the answer is malformed")
    }
}

private func answer(_ client: inout ICEClient, _ bytes: [UInt8], _ path: ICEPath, _ now: Instant) {
    _ = [UInt8](capacity: 128) { (output) throws(Never) in
        _ = client.receive(bytes.span.raw, path: path, now: now, to: &output)
    }
}

/// A message with good integrity; `attributes` are as they come.
private func message(
    _ messageClass: STUNClass, _ node: ICECredentials, _ username: String?, _ attributes: [UInt8], _ id: TransactionID
) -> [UInt8] {
    let bytes = try? [UInt8](capacity: 1_024) { (output) throws(STUNError) in
        let writer = try STUNWriter(STUNHeader(messageClass, .binding, id), to: &output)
        if let username { try writer.add(.username, text: username, to: &output) }
        var rest = attributes[...]
        while rest.count >= 4 {
            let type = STUNAttributeType(
                rawValue: UInt16(rest[rest.startIndex]) << 8 | UInt16(rest[rest.startIndex + 1]))
            let value = Array(rest.dropFirst(4).prefix(Int(rest[rest.startIndex + 3])))
            try writer.add(type, bytes: value.span.raw, to: &output)
            rest = rest.dropFirst(4 + value.count)
        }
        try writer.addIntegrity(.sha1, STUNKey(password: node.password), to: &output)
    }
    return bytes ?? []
}

/// Ids that differ; no secret.
private struct Counting: RandomNumberGenerator {
    var count: UInt64 = 0

    mutating func next() -> UInt64 {
        count += 1
        return count
    }
}
