import Bytes
import RTP
import Time

/// The first byte says as what the others are read. Whatever parses can be asked for everything, and written again.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let kind = bytes.first else { return 0 }
    let input = bytes.span.raw.extracting(droppingFirst: 1)
    switch kind % 5 {
    case 0: readRTP(input)
    case 1: readRTCP(input)
    case 2: readPayload(input)
    case 3: readRepeated(input)
    default: steerStreams(input)
    }
    return 0
}

private func readRTP(_ bytes: RawSpan) {
    guard let packet = try? RTPPacket(parsing: bytes) else { return }
    for index in 0..<packet.header.csrcCount { _ = packet.csrc(at: index) }
    var ids = HeaderExtensionMap()
    for kind in HeaderExtension.allCases { ids[kind] = kind.rawValue + 1 }
    ids.allowsTwoByteForm = packet.header.marker
    let places = packet.extensions(ids)
    _ = places.mid(in: bytes)
    _ = places.rid(in: bytes)
    _ = places.audioLevel(in: bytes)
    _ = places.transportSequenceNumber(in: bytes)
    _ = places.absoluteSendTime(in: bytes)
    _ = places.absoluteCaptureTime(in: bytes)
    _ = packet.element(id: 3)
    var outgoing = OutgoingRTP(
        marker: packet.header.marker, payloadType: packet.header.payloadType,
        sequenceNumber: packet.header.sequenceNumber, timestamp: packet.header.timestamp, ssrc: packet.header.ssrc)
    outgoing.vp8 = VP8Continuation(pictureID: 0x1234, tl0PictureIndex: 5)
    let receiver = ReceiverExtensions(ids: ids, mid: StreamLabel("12"))
    let written = [UInt8](capacity: 70_000) { output in
        _ = try? packet.write(outgoing, from: places, for: receiver, to: &output)
    }
    // What was read can be written, unless it is longer than any packet; and what is written can be read.
    guard let again = try? RTPPacket(parsing: written.span.raw) else { fatalError("what was written cannot be read") }
    precondition(again.header.payloadByteCount == packet.header.payloadByteCount, "the payload has another length")
}

private func readRTCP(_ bytes: RawSpan) {
    var reader = RTCPReader(bytes)
    var found = 0
    while let packet = try? reader.next() {
        found += packet.sender == nil ? 0 : 1
        found += packet.media == nil ? 0 : 1
        found += packet.senderReport() == nil ? 0 : 1
        for index in 0..<packet.reportBlockCount {
            _ = packet.reportBlock(at: index).roundTrip(now: NTPTime(rawValue: 1 << 40))
        }
        packet.forEachCNAME { _, name in found += name.byteCount }
        packet.forEachGoodbye { _ in found += 1 }
        packet.forEachNACK { _ in found += 1 }
        packet.forEachFullIntra { _, _ in found += 1 }
        if let rate = packet.receiverBitRate() {
            for index in 0..<rate.sourceCount { _ = packet.receiverBitRateSource(at: index) }
        }
        if let feedback = try? packet.transportFeedback() {
            var seen = 0
            feedback.forEach { _, _ in seen += 1 }
            precondition(seen == feedback.packetCount, "each packet is spoken of once")
        }
    }
}

private func readPayload(_ payload: RawSpan) {
    for codec in MediaCodec.allCases { _ = codec.isKeyFrameStart(payload, dependencyDescriptor: payload) }
    guard let before = VP8Descriptor(parsing: payload) else { return }
    var copy = [UInt8](copying: payload)
    let whole = copy.indices
    var elements = copy.mutableSpan
    var raw = elements.raw
    VP8Continuation(pictureID: 0x1234, tl0PictureIndex: 5).apply(to: &raw, payload: whole)
    guard let after = VP8Descriptor(parsing: copy.span.raw) else { fatalError("a descriptor was broken") }
    precondition(after.byteCount == before.byteCount, "a descriptor keeps its length")
    precondition(after.startsKeyFrame == before.startsKeyFrame, "a key frame stays one")
}

private func readRepeated(_ bytes: RawSpan) {
    guard let header = try? RTPHeader(parsing: bytes) else { return }
    if let primary = try? header.primary(in: bytes) { _ = RTPPacket(bytes, checked: primary).payload }
    var copy = [UInt8](copying: bytes)
    var elements = copy.mutableSpan
    var raw = elements.raw
    let (ssrc, payloadType) = (SSRC(rawValue: 5), PayloadType(rawValue: 6))
    guard let start = try? header.restoreRetransmitted(in: &raw, as: ssrc, payloadType: payloadType) else { return }
    guard let restored = try? RTPHeader(parsing: copy.span.raw.extracting(droppingFirst: start)) else {
        fatalError("what was restored cannot be read")
    }
    precondition(restored.payloadByteCount == header.payloadByteCount - 2, "the original number is taken off")
}

/// Four bytes a step: what happens, and to which number.
private func steerStreams(_ steps: RawSpan) {
    var rewriter = StreamRewriter(
        ssrc: SSRC(rawValue: 1), codec: .vp8, firstSequenceNumber: SequenceNumber(rawValue: 65_500),
        firstTimestamp: RTPTimestamp(rawValue: 0), history: 64)
    var detector = LossDetector()
    var feedback = TransportFeedbackBuilder(capacity: 64)
    var statistics = ReceptionStatistics(ssrc: SSRC(rawValue: 2), clockRate: 90_000)
    var ring = PacketRing(capacity: 64)
    var unwrapper = SequenceUnwrapper()
    var sent: Set<Int64> = []
    var now = Instant.zero
    for offset in stride(from: 0, to: steps.byteCount - 3, by: 4) {
        let action = steps.uint8(at: offset)
        let detail = steps.uint8(at: offset + 1)
        let number = SequenceNumber(rawValue: steps.uint16(at: offset + 2))
        now += .milliseconds(Int64(action >> 4))
        if action & 8 != 0 {
            rewriter.switchSource(to: SSRC(rawValue: UInt32(detail & 1)), keepingHistory: detail & 2 != 0)
        }
        var packet: [UInt8] = [0x80, 96, UInt8(number.rawValue >> 8), UInt8(number.rawValue & 0xff), 0, 0, detail, 0]
        packet += [0, 0, 0, detail & 1, 0x90, 0xe0, 0x80, detail >> 1, detail >> 3, 0, detail & 1]
        guard let header = try? RTPHeader(parsing: packet.span.raw) else { fatalError("a good packet") }
        let vp8 = VP8Descriptor(parsing: packet.span.raw.extracting(droppingFirst: 12))
        switch rewriter.rewrite(header, vp8: vp8, isWanted: action & 4 == 0, now: now) {
        case .forward(let outgoing), .fill(let outgoing):
            let isNew = sent.insert(unwrapper.unwrap(outgoing.sequenceNumber).rawValue).inserted
            precondition(isNew, "a number goes out once")
        case .drop: break
        }
        _ = rewriter.retransmission(of: number)
        _ = detector.receive(number, now: now)
        feedback.receive(number, now: now)
        statistics.receive(header, byteCount: packet.count, now: now)
        ring.store(packet.span.raw, sequenceNumber: number)
        precondition(ring.packet(number)?.byteCount ?? packet.count == packet.count, "what is stored is found")
        guard action & 3 == 0 else { continue }
        _ = statistics.nextReport(now: now)
        _ = [UInt8](capacity: 28 + Int(detail)) { output in
            _ = try? detector.writeNACK(
                sender: SSRC(rawValue: 1), media: SSRC(rawValue: 2), roundTrip: .milliseconds(9), now: now, to: &output)
        }
        let report = [UInt8](capacity: 28 + Int(detail)) { output in
            _ = try? feedback.write(sender: SSRC(rawValue: 1), media: SSRC(rawValue: 2), to: &output)
        }
        readRTCP(report.span.raw)
    }
}
