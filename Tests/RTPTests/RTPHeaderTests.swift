import Bytes
import RTP
import Testing

struct RTPHeaderTests {
    @Test func `every field of a packet is found`() throws {
        let bytes = hex(
            """
            b2 e0 1234 89abcdef 01020304  00000011 00000022
            bede 0001 10 85 0000
            aabbcc 0002
            """)
        let packet = try RTPPacket(parsing: bytes.span.raw)
        let header = packet.header
        #expect(header.marker)
        #expect(header.payloadType == PayloadType(rawValue: 96))
        #expect(header.sequenceNumber == SequenceNumber(rawValue: 0x1234))
        #expect(header.timestamp == RTPTimestamp(rawValue: 0x89ab_cdef))
        #expect(header.ssrc == SSRC(rawValue: 0x0102_0304))
        #expect(header.csrcCount == 2)
        let second = packet.csrc(at: 1)
        #expect(second == SSRC(rawValue: 0x22))
        #expect(header.extensionForm == .oneByte)
        #expect(header.extensionOffset == 24 && header.extensionByteCount == 4)
        #expect(header.payloadOffset == 28 && header.payloadByteCount == 3 && header.paddingByteCount == 2)
        let payload = [UInt8](copying: packet.payload)
        #expect(payload == [0xaa, 0xbb, 0xcc])
        let level = packet.element(id: 1)?.uint8(at: 0)
        #expect(level == 0x85)
    }

    @Test(
        arguments: [
            ("", RTPError.notRTP), ("80 60 0001 00000000 000000", .notRTP), ("40 60 0001 00000000 00000001", .notRTP),
            ("c0 60 0001 00000000 00000001", .notRTP), ("81 60 0001 00000000 00000001 000000", .cutPacket),
            ("90 60 0001 00000000 00000001 bede", .cutPacket),
            ("90 60 0001 00000000 00000001 bede0001 000000", .cutPacket),
            ("90 60 0001 00000000 00000001 bedeffff 00000000", .cutPacket),
            ("a0 60 0001 00000000 00000001", .wrongPadding), ("a0 60 0001 00000000 00000001 00", .wrongPadding),
            ("a0 60 0001 00000000 00000001 02", .wrongPadding),
        ])
    func `malformed packets are refused for their reason`(text: String, error: RTPError) {
        let bytes = hex(text)
        #expect(refusal { () throws(RTPError) in _ = try RTPHeader(parsing: bytes.span.raw) } == error)
    }

    @Test func `a packet of mere padding has no payload`() throws {
        let bytes = hex("a0 60 0001 00000000 00000001 000003")
        let header = try RTPHeader(parsing: bytes.span.raw)
        #expect(header.payloadByteCount == 0 && header.paddingByteCount == 3)
    }

    func isRTCP(_ text: String) -> Bool {
        let bytes = hex(text)
        return RTPHeader.isRTCP(bytes.span.raw)
    }

    @Test func `RTCP is told by its second byte`() {
        #expect(isRTCP("80c80000"))
        #expect(isRTCP("8fcd0000"))
        #expect(!isRTCP("80600000"))
        #expect(!isRTCP("80e00000"))
        #expect(!isRTCP("80c8"))
    }

    /// Ids and values of a packet with this extension.
    func elements(_ form: String, _ text: String) throws -> [[UInt8]] {
        var values = hex(text)
        while !values.count.isMultiple(of: 4) { values.append(0) }
        let head = hex("90 60 0001 00000000 00000001" + form) + [0, UInt8(values.count / 4)]
        let bytes = head + values + [0xff]
        let packet = try RTPPacket(parsing: bytes.span.raw)
        var found: [[UInt8]] = []
        packet.forEachElement { id, range in found.append([id] + bytes[range]) }
        return found
    }

    @Test func `elements of one byte: padding between, id 15 ends, a cut one ends`() throws {
        #expect(try elements("bede", "10aa 00 00 21bbcc") == [[1, 0xaa], [2, 0xbb, 0xcc]])
        #expect(try elements("bede", "10aa f0bb 20cc") == [[1, 0xaa]])
        #expect(try elements("bede", "10aa 2fbb") == [[1, 0xaa]])
        // Id 0 with a length is padding of one byte (RFC 8285 §4.2).
        #expect(try elements("bede", "01 10aa") == [[1, 0xaa]])
        #expect(try elements("bede", "") == [])
    }

    @Test func `elements of two bytes: may be empty, may be long`() throws {
        #expect(try elements("1000", "0100 ff01aa 00 0202bbcc") == [[1], [255, 0xaa], [2, 0xbb, 0xcc]])
        #expect(try elements("100f", "0101aa") == [[1, 0xaa]])
        #expect(try elements("1000", "0101aa 0205bb") == [[1, 0xaa]])
        #expect(try elements("1000", "0102aabb 010000 01") == [[1, 0xaa, 0xbb], [1]])
        #expect(try elements("1234", "0101aa00") == [])
    }

    @Test func `values of known extensions are read by their meaning`() throws {
        var ids = HeaderExtensionMap()
        ids[.mid] = 1
        ids[.rid] = 2
        ids[.audioLevel] = 3
        ids[.transportSequenceNumber] = 4
        ids[.absoluteSendTime] = 5
        ids[.videoOrientation] = 6
        ids[.absoluteCaptureTime] = 7
        let bytes = hex(
            "90 60 0001 00000000 00000001 bede0007 1161 62 2068 30ff 41 1234 52 010203 6009 77 0102030405060708 000000")
        let packet = try RTPPacket(parsing: bytes.span.raw)
        let places = packet.extensions(ids)
        let mid = places.mid(in: bytes.span.raw)
        #expect(mid?.description == "ab")
        let rid = places.rid(in: bytes.span.raw)
        #expect(rid == StreamLabel("h"))
        let repairedRID = places.repairedRID(in: bytes.span.raw)
        #expect(repairedRID == nil)
        let audioLevel = places.audioLevel(in: bytes.span.raw)
        #expect(audioLevel == AudioLevel(isVoice: true, level: 127))
        let transportSequenceNumber = places.transportSequenceNumber(in: bytes.span.raw)
        #expect(transportSequenceNumber == SequenceNumber(rawValue: 0x1234))
        let absoluteSendTime = places.absoluteSendTime(in: bytes.span.raw)
        #expect(absoluteSendTime == AbsoluteSendTime(rawValue: 0x01_0203))
        let videoOrientation = places.videoOrientation(in: bytes.span.raw)
        #expect(videoOrientation == 9)
        let absoluteCaptureTime = places.absoluteCaptureTime(in: bytes.span.raw)
        #expect(absoluteCaptureTime == NTPTime(rawValue: 0x0102_0304_0506_0708))
        // Other bytes than the packet's give nothing, and do not trap.
        let other = hex("0000")
        let nothing = places.absoluteCaptureTime(in: other.span.raw)
        #expect(nothing == nil)
    }

    @Test func `each extension has a URI, by which it is found`() {
        for kind in HeaderExtension.allCases { #expect(HeaderExtension(uri: kind.uri) == kind) }
        #expect(HeaderExtension(uri: "urn:ietf:params:rtp-hdrext:toffset") == nil)
        #expect(HeaderExtensionMap.chromium.kind(of: 9) == .mid)
        #expect(HeaderExtensionMap.chromium.kind(of: 0) == nil)
        #expect(HeaderExtensionMap.chromium != .firefox)
    }

    @Test func `a label has one to sixteen bytes`() {
        #expect(StreamLabel("") == nil)
        #expect(StreamLabel("0123456789abcdefg") == nil)
        for text in ["0", "h", "01234567", "0123456789abcdef"] {
            let label = StreamLabel(text)
            #expect(label?.description == text)
            #expect(label?.count == text.utf8.count)
        }
        #expect(StreamLabel("a") != StreamLabel("a\0"))
    }
}
