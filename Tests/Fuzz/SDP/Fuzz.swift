import SDP

/// Whatever parses is written and read again the same, and is answered or refused; what is answered is answered again alike.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let offer = try? SessionDescription(parsing: bytes) else { return 0 }
    let text = offer.text
    guard let again = try? SessionDescription(parsing: text), again.text == text else {
        fatalError("not stable: \(text)")
    }
    guard let first = answer(offer, after: nil) else { return 0 }
    guard let second = answer(offer, after: first.session) else { fatalError("no second answer") }
    guard second.session.media == first.session.media else { fatalError("another answer to the same offer") }
    guard let read = try? SessionDescription(parsing: first.text) else { fatalError("an answer that cannot be read") }
    _ = try? AnsweredSession(offer: offer, answer: read)
    return 0
}

private func answer(_ offer: SessionDescription, after previous: NegotiatedSession?) -> Answer? {
    let local = LocalTransport(
        ice: ICECredentials(ufrag: "node", password: "0123456789abcdefghijkl"),
        fingerprints: [Fingerprint(hash: "sha-256", bytes: Array(0..<32))], candidates: [])
    var ssrc: UInt32 = 0
    return try? Negotiator().answer(offer, local: local, previous: previous, sessionID: 1) { request in
        ssrc &+= 2
        return SlotSource(request, ssrc: ssrc, rtx: ssrc &+ 1)
    }
}
