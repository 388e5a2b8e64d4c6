import Bytes
import RTP
import Time

/// The first byte says as what the others are read. Whatever parses can be asked for everything, and written again.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let kind = bytes.first else { return 0 }
    let input = bytes.span.raw.extracting(droppingFirst: 1)
    switch kind % 3 {
    case 0: readRTP(input)
    case 1: readRTCP(input)
    default: readPayload(input)
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
