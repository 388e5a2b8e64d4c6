import Bytes
import RTP
import Testing

struct RTPWriterTests {
    /// What comes out for one that came in.
    func rewrite(
        _ text: String, _ outgoing: OutgoingRTP, from source: HeaderExtensionMap = .chromium,
        to ids: HeaderExtensionMap, mid: String?, capacity: Int = 200
    ) throws(RTPError) -> (bytes: [UInt8], written: WrittenRTP?) {
        let received = hex(text)
        let packet = try RTPPacket(parsing: received.span.raw)
        let receiver = ReceiverExtensions(ids: ids, mid: mid.flatMap { StreamLabel($0) })
        var written: WrittenRTP?
        let bytes = try [UInt8](capacity: capacity) { (output) throws(RTPError) in
            written = try packet.write(outgoing, from: packet.extensions(source), for: receiver, to: &output)
        }
        return (bytes, written)
    }

    @Test func `extensions get the receiver's ids, mid is the slot's, rid stays behind`() throws {
        var packet = outgoing(marker: true)
        packet.transportSequenceNumber = SequenceNumber(rawValue: 0x0a0b)
        packet.absoluteSendTime = AbsoluteSendTime(rawValue: 0x01_0203)
        // Came with mid "0", rid "h", transport number, orientation, send time, and an extension unknown here.
        let (bytes, written) = try rewrite(
            "92 60 0001 00000000 00000001 00000011 00000012 bede0004 9030 a068 411234 3001 22aaaaaa 6077 00 ccdd",
            packet, to: .firefox, mid: "12")
        #expect(
            bytes == hex("90 e4 0007 00000009 0000abcd bede0003 71 0a0b 31 3132 42 010203 5001 ccdd"))
        #expect(written?.byteCount == bytes.count)
        #expect(written?.payloadOffset == 28)
        #expect(written?.transportSequenceNumberOffset == 17)
        #expect(written?.absoluteSendTimeOffset == 23)
    }

    @Test func `a receiver without extensions gets none, and padding is not passed on`() throws {
        let (bytes, _) = try rewrite(
            "b0 60 0001 00000000 00000001 bede0001 9030 0000 ccdd 0002", outgoing(), to: HeaderExtensionMap(), mid: "1")
        #expect(bytes == hex("80 64 0007 00000009 0000abcd ccdd"))
    }

    @Test func `a long dependency descriptor takes the two-byte form where that is allowed, else it is left out`()
        throws
    {
        let text = "90 60 0001 00000000 00000001 10000005 0d12 000102030405060708090a0b0c0d0e0f1011 ee"
        var ids = HeaderExtensionMap()
        ids[.dependencyDescriptor] = 12
        ids[.mid] = 3
        #expect(
            try rewrite(text, outgoing(), to: ids, mid: "1").bytes
                == hex("90 64 0007 00000009 0000abcd bede0001 3031 0000 ee"))
        ids.allowsTwoByteForm = true
        #expect(
            try rewrite(text, outgoing(), to: ids, mid: "1").bytes
                == hex(
                    """
                    90 64 0007 00000009 0000abcd 10000006 030131 0c12 000102030405060708090a0b0c0d0e0f1011 00 ee
                    """))
    }

    @Test func `an id over 14 takes the two-byte form if allowed, else stays behind`() throws {
        let text = "80 60 0001 00000000 00000001 ee"
        var ids = HeaderExtensionMap()
        ids[.mid] = 20
        #expect(try rewrite(text, outgoing(), to: ids, mid: "1").bytes == hex("80 64 0007 00000009 0000abcd ee"))
        ids.allowsTwoByteForm = true
        #expect(
            try rewrite(text, outgoing(), to: ids, mid: "1").bytes
                == hex("90 64 0007 00000009 0000abcd 10000001 140131 00 ee"))
    }

    @Test func `a retransmission has the number it had before its payload`() throws {
        var packet = outgoing()
        packet.originalSequenceNumber = SequenceNumber(rawValue: 0xfffe)
        let (bytes, _) = try rewrite(
            "80 60 0001 00000000 00000001 ee", packet, to: HeaderExtensionMap(), mid: nil)
        #expect(bytes == hex("80 64 0007 00000009 0000abcd fffe ee"))
    }

    @Test func `a VP8 payload goes on with the outgoing picture ids, also in a retransmission`() throws {
        var packet = outgoing()
        packet.originalSequenceNumber = SequenceNumber(rawValue: 1)
        packet.vp8 = VP8Continuation(pictureID: 0x1234, tl0PictureIndex: 0x77)
        let (bytes, _) = try rewrite(
            "80 60 0001 00000000 00000001 90e0 8001 22 40 5500", packet, to: HeaderExtensionMap(), mid: nil)
        #expect(bytes == hex("80 64 0007 00000009 0000abcd 0001 90e0 9234 77 40 5500"))
    }

    @Test func `without room nothing is written`() throws {
        let text = "80 60 0001 00000000 00000001 eeee"
        for capacity in 0..<22 {
            var ids = HeaderExtensionMap()
            ids[.mid] = 3
            let error = RTPError.noRoom(needed: 22, left: capacity)
            #expect(throws: error) { try rewrite(text, outgoing(), to: ids, mid: "1", capacity: capacity) }
        }
    }

    @Test func `padding has the receiver's extensions, and its length in the last byte`() throws {
        let receiver = ReceiverExtensions(ids: .firefox, mid: StreamLabel("5"))
        for count in 1...255 {
            let bytes = try [UInt8](capacity: 300) { (output) throws(RTPError) in
                _ = try RTPPacket.writePadding(outgoing(), byteCount: count, for: receiver, to: &output)
            }
            let header = try RTPHeader(parsing: bytes.span.raw)
            #expect(header.payloadByteCount == 0 && header.paddingByteCount == count)
            let packet = try RTPPacket(parsing: bytes.span.raw)
            let mid = packet.extensions(.firefox).mid(in: bytes.span.raw)
            #expect(mid == StreamLabel("5"))
        }
    }

    @Test func `whatever comes in, what goes out says the same`() throws {
        var random = SeededRandom(seed: 3)
        for _ in 0..<3000 {
            var source = HeaderExtensionMap()
            var target = HeaderExtensionMap()
            var free = Array(1...UInt8(Bool.random(using: &random) ? 14 : 40)).shuffled(using: &random)
            for kind in HeaderExtension.allCases where Bool.random(using: &random) { source[kind] = free.popLast() }
            free = Array(1...14).shuffled(using: &random)
            for kind in HeaderExtension.allCases where Bool.random(using: &random) { target[kind] = free.popLast() }
            target.allowsTwoByteForm = true
            var elements: [UInt8] = []
            for kind in HeaderExtension.allCases {
                guard let id = source[kind], Bool.random(using: &random) else { continue }
                let length = UInt8.random(in: 1...20, using: &random)
                elements += [id, length] + (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            while !elements.count.isMultiple(of: 4) { elements.append(0) }
            let payload = (0..<Int.random(in: 0...50, using: &random)).map { UInt8($0) }
            let bytes =
                hex("90 60 0001 00000000 00000001 1000") + [0, UInt8(elements.count / 4)] + elements + payload
            let packet = try RTPPacket(parsing: bytes.span.raw)
            let places = packet.extensions(source)
            let receiver = ReceiverExtensions(ids: target, mid: StreamLabel("slot"))
            let sent = try [UInt8](capacity: 500) { (output) throws(RTPError) in
                _ = try packet.write(outgoing(), from: places, for: receiver, to: &output)
            }
            let arrived = try RTPPacket(parsing: sent.span.raw)
            let arrivedPayload = [UInt8](copying: arrived.payload)
            #expect(arrivedPayload == payload)
            let found = arrived.extensions(target)
            let mid = found.mid(in: sent.span.raw)
            #expect(mid == (target[.mid] == nil ? nil : StreamLabel("slot")))
            for kind in [
                HeaderExtension.audioLevel, .videoOrientation, .playoutDelay, .absoluteCaptureTime,
                .dependencyDescriptor,
            ] {
                let before = target[kind] == nil ? nil : places[kind].map { Array(bytes[$0]) }
                #expect(found[kind].map { Array(sent[$0]) } == before)
            }
            #expect(found[.rid] == nil && found[.repairedRID] == nil)
        }
    }
}
