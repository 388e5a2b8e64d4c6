import Bytes
import RTP
import Testing

struct RetransmissionTests {
    @Test func `a packet that is wrapped and unwrapped is the same`() throws {
        let bytes = hex("b0 e0 1234 00000009 0000abcd bede0001 3031 0000 90e08001 22 40 0002")
        let packet = try RTPPacket(parsing: bytes.span.raw)
        var ids = HeaderExtensionMap()
        ids[.mid] = 3
        var stream = RTXStream(
            ssrc: SSRC(rawValue: 0x99), payloadType: PayloadType(rawValue: 97),
            firstSequenceNumber: SequenceNumber(rawValue: 65_535))
        let header = packet.header
        let plain = OutgoingRTP(
            marker: header.marker, payloadType: header.payloadType, sequenceNumber: header.sequenceNumber,
            timestamp: header.timestamp, ssrc: header.ssrc)
        let receiver = ReceiverExtensions(ids: ids, mid: StreamLabel("1"))
        let wrapped = stream.wrap(plain)
        var sent = try [UInt8](capacity: 100) { (output) throws(RTPError) in
            _ = try packet.write(wrapped, from: ExtensionPlaces(), for: receiver, to: &output)
        }
        #expect(sent == hex("90 e1 ffff 00000009 00000099 bede0001 3031 0000 1234 90e08001 22 40"))
        #expect(stream.nextSequenceNumber == SequenceNumber(rawValue: 0))
        let start = try restore(&sent)
        #expect(start == 2)
        #expect(Array(sent.dropFirst(2)) == hex("90 e0 1234 00000009 0000abcd bede0001 3031 0000 90e08001 22 40"))
    }

    func restore(_ bytes: inout [UInt8]) throws(RTPError) -> Int {
        let header = try RTPHeader(parsing: bytes.span.raw)
        var elements = bytes.mutableSpan
        var raw = elements.raw
        return try header.restoreRetransmitted(
            in: &raw, as: SSRC(rawValue: 0xabcd), payloadType: PayloadType(rawValue: 96))
    }

    @Test(arguments: [
        "80 61 0001 00000009 00000099", "80 61 0001 00000009 00000099 12", "80 61 0001 00000009 00000099 1234",
        "a0 61 0001 00000009 00000099 0002",
    ]) func `what repeats nothing is refused, and left as it is`(text: String) {
        var bytes = hex(text)
        #expect(refusal { () throws(RTPError) in _ = try restore(&bytes) } == .emptyRetransmission)
        #expect(bytes == hex(text))
    }

    @Test func `padding that fills a number is wrapped too`() throws {
        var stream = RTXStream(
            ssrc: SSRC(rawValue: 0x99), payloadType: PayloadType(rawValue: 97),
            firstSequenceNumber: SequenceNumber(rawValue: 1))
        let receiver = ReceiverExtensions(ids: HeaderExtensionMap(), mid: nil)
        let wrapped = stream.wrap(outgoing())
        let padding = stream.nextPadding(timestamp: RTPTimestamp(rawValue: 3))
        let bytes = try [UInt8](capacity: 100) { (output) throws(RTPError) in
            _ = try RTPPacket.writePadding(wrapped, byteCount: 1, for: receiver, to: &output)
            _ = try RTPPacket.writePadding(padding, byteCount: 2, for: receiver, to: &output)
        }
        #expect(bytes == hex("a0 61 0001 00000009 00000099 0007 01 a0 61 0002 00000003 00000099 0002"))
    }

    @Test func `redundant sound is stripped to its primary block`() throws {
        // Opus (111) twice before: five and three bytes; then the primary of two (RFC 2198 §3).
        let bytes = hex("80 3f 0001 00000009 00000099 ef 0f0005 ef 078003 6f 0102030405 060708 aabb")
        let header = try RTPHeader(parsing: bytes.span.raw).primary(in: bytes.span.raw)
        let packet = RTPPacket(bytes.span.raw, checked: header)
        let payload = [UInt8](copying: packet.payload)
        #expect(payload == [0xaa, 0xbb])
        #expect(header.payloadType == PayloadType(rawValue: 111))
        let receiver = ReceiverExtensions(ids: HeaderExtensionMap(), mid: nil)
        let sent = try [UInt8](capacity: 100) { (output) throws(RTPError) in
            _ = try packet.write(outgoing(), from: ExtensionPlaces(), for: receiver, to: &output)
        }
        #expect(sent == hex("80 64 0007 00000009 0000abcd aabb"))
    }

    @Test(arguments: ["", "ef", "ef 0f0005", "ef 0f0005 6f 01020304", "ef 0f0005 ef 078003"])
    func `cut redundancy is refused`(text: String) throws {
        let bytes = hex("80 3f 0001 00000009 00000099" + text)
        let header = try RTPHeader(parsing: bytes.span.raw)
        let error = refusal { () throws(RTPError) in _ = try header.primary(in: bytes.span.raw) }
        #expect(error == .malformedRedundancy)
    }
}
