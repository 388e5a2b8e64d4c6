import Bytes
import RTP
import Testing
import Time

struct RTCPTests {
    let sender = SSRC(rawValue: 1)
    let media = SSRC(rawValue: 0xabcd)

    /// The kinds of a compound's packets, and the error that ends them.
    func kinds(_ bytes: [UInt8]) -> ([RTCPKind], RTPError?) {
        var found: [RTCPKind] = []
        var reader = RTCPReader(bytes.span.raw)
        let error = refusal { () throws(RTPError) in
            while let packet = try reader.next() { found.append(packet.kind) }
        }
        let afterwards = refusal { () throws(RTPError) in if try reader.next() != nil { found.append(.other) } }
        #expect(afterwards == nil)
        return (found, error)
    }

    @Test func `a compound is read packet by packet`() throws {
        let block = ReportBlock(
            ssrc: media, fractionLost: 3, cumulativeLost: -5, highestSequenceNumber: 0x1_0002, jitter: 7,
            lastSenderReport: 8, delaySinceLastSenderReport: 9)
        let report = SenderReport(
            ssrc: sender, ntp: NTPTime(rawValue: 0x0102_0304_0506_0708), timestamp: RTPTimestamp(rawValue: 10),
            packetCount: 11, octetCount: 12)
        let name: [UInt8] = Array("roost".utf8)
        let bytes = try [UInt8](capacity: 500) { (output) throws(RTPError) in
            try RTCPWriter.senderReport(report, blocks: [block].span, to: &output)
            try RTCPWriter.sourceDescription(sender, cname: name.span.raw, to: &output)
            try RTCPWriter.pictureLoss(sender: sender, media: media, to: &output)
            try RTCPWriter.goodbye(media, to: &output)
        }
        #expect(
            bytes
                == hex(
                    """
                    81c8000c 00000001 0102030405060708 0000000a 0000000b 0000000c
                    0000abcd 03fffffb 00010002 00000007 00000008 00000009
                    81ca0003 00000001 0105 726f6f7374 00
                    81ce0002 00000001 0000abcd
                    81cb0001 0000abcd
                    """))
        var reader = RTCPReader(bytes.span.raw)
        let first = try reader.next()
        let (read, count, readBlock) = (first?.senderReport(), first?.reportBlockCount, first?.reportBlock(at: 0))
        #expect(read == report && count == 1 && readBlock == block)
        let second = try reader.next()
        var names: [String] = []
        second?.forEachCNAME { ssrc, name in
            names.append("\(ssrc.rawValue) \(String(decoding: [UInt8](copying: name), as: UTF8.self))")
        }
        #expect(names == ["1 roost"])
        let third = try reader.next()
        let (kind, about, from) = (third?.kind, third?.media, third?.sender)
        #expect(kind == .pictureLoss && about == media && from == sender)
        let fourth = try reader.next()
        var ended: [SSRC] = []
        fourth?.forEachGoodbye { ended.append($0) }
        #expect(ended == [media])
        let end = try reader.next() == nil
        #expect(end)
    }

    @Test func `a reduced-size packet needs no report before it`() {
        #expect(kinds(hex("81ce0002 00000001 0000abcd")) == ([.pictureLoss], nil))
        #expect(kinds(hex("")) == ([], nil))
        #expect(kinds(hex("80cf0001 00000001 80d10000")) == ([.other, .other], nil))
    }

    @Test(
        arguments: [
            ("80", RTPError.notRTCP), ("41c80000", .notRTCP), ("80c80001", .cutCompound(.senderReport)),
            ("80c90000", .malformed(.receiverReport)), ("81c90001 00000001", .malformed(.receiverReport)),
            ("80c80001 00000001", .malformed(.senderReport)), ("82cb0001 00000001", .malformed(.goodbye)),
            ("81cd0002 00000001 00000002", .malformed(.transportFeedback)),
            ("8fcd0003 00000001 00000002 00010001", .malformed(.transportFeedback)),
            ("82cd0001 00000001", .malformed(.transportFeedback)), ("81ce0001 00000001", .malformed(.payloadFeedback)),
            ("84ce0003 00000001 00000000 0000abcd", .malformed(.payloadFeedback)),
            ("8fce0004 00000001 00000000 52454d42 01000000", .malformed(.payloadFeedback)),
            ("a1ce0002 00000001 00000000", .wrongPadding), ("a0c90000", .wrongPadding),
            ("a0c90001 00000009", .wrongPadding),
        ])
    func `malformed packets are refused for their reason`(text: String, error: RTPError) {
        #expect(kinds(hex(text)) == ([], error))
        // What came before them counts.
        #expect(kinds(hex("80c90001 00000001" + text)) == ([.receiverReport], error))
    }

    @Test func `padding of the last packet is taken off`() {
        let bytes = hex("80c90001 00000001 a1ce0003 00000001 0000abcd 00000004")
        #expect(kinds(bytes) == ([.receiverReport, .pictureLoss], nil))
    }

    @Test func `the packets of a NACK are named in order, around the end`() throws {
        var entry = NACKEntry(first: SequenceNumber(rawValue: 65_534), following: 0)
        for (number, fits) in [(65_535, true), (2, true), (14, true), (15, false), (65_533, false), (65_534, true)] {
            #expect(entry.insert(SequenceNumber(rawValue: UInt16(number))) == fits)
        }
        let entries = [entry, NACKEntry(first: SequenceNumber(rawValue: 500), following: 0x8001)]
        let bytes = try [UInt8](capacity: 100) { (output) throws(RTPError) in
            try RTCPWriter.nack(sender: sender, media: media, entries: entries.span, to: &output)
        }
        #expect(bytes == hex("81cd0004 00000001 0000abcd fffe 8009 01f4 8001"))
        var reader = RTCPReader(bytes.span.raw)
        var numbers: [UInt16] = []
        let packet = try reader.next()
        packet?.forEachNACK { numbers.append($0.rawValue) }
        #expect(numbers == [65_534, 65_535, 2, 14, 500, 501, 516])
    }

    @Test func `FIR and REMB are written and read`() throws {
        let bytes = try [UInt8](capacity: 100) { (output) throws(RTPError) in
            try RTCPWriter.fullIntra(sender: sender, media: media, number: 5, to: &output)
            try RTCPWriter.receiverBitRate(
                sender: sender, bitsPerSecond: 2_500_000, sources: [media, sender].span, to: &output)
        }
        // 2,500,000 is 156,250 shifted by 4.
        #expect(
            bytes
                == hex(
                    """
                    84ce0004 00000001 00000000 0000abcd 05000000
                    8fce0006 00000001 00000000 52454d42 0212625a 0000abcd 00000001
                    """))
        var reader = RTCPReader(bytes.span.raw)
        let fir = try reader.next()
        fir?.forEachFullIntra { ssrc, number in
            #expect(ssrc == media)
            #expect(number == 5)
        }
        let remb = try reader.next()
        let rate = remb?.receiverBitRate()
        #expect(rate?.bitsPerSecond == 2_500_000)
        #expect(rate?.sourceCount == 2)
        let second = remb?.receiverBitRateSource(at: 1)
        #expect(second == sender)
    }

    @Test(arguments: [0, 1, 0x3_ffff, 0x4_0000, 1_000_000_007, UInt64.max])
    func `a bit rate loses at most its small digits`(rate: UInt64) throws {
        let bytes = try [UInt8](capacity: 100) { (output) throws(RTPError) in
            try RTCPWriter.receiverBitRate(sender: sender, bitsPerSecond: rate, sources: Span(), to: &output)
        }
        var reader = RTCPReader(bytes.span.raw)
        let read = try reader.next()?.receiverBitRate()?.bitsPerSecond ?? 0
        #expect(read <= rate && rate - read <= rate >> 17)
    }

    @Test func `a bit rate beyond 64 bits is the most there is`() throws {
        let bytes = hex("8fce0004 00000001 00000000 52454d42 00ffffff")
        var reader = RTCPReader(bytes.span.raw)
        let rate = try reader.next()?.receiverBitRate()
        #expect(rate?.bitsPerSecond == .max)
    }

    @Test func `cut names end the list and do not trap`() throws {
        for text in [
            "81ca0001 00000001", "81ca0002 00000001 01ff6161", "82ca0002 00000001 01016100",
            "9fca0002 00000001 00000000", "81ca0000",
        ] {
            let bytes = hex(text)
            var reader = RTCPReader(bytes.span.raw)
            var count = 0
            let packet = try reader.next()
            packet?.forEachCNAME { _, _ in count += 1 }
            #expect(count <= 1)
        }
    }

    @Test func `a round trip is what lies between, less the delay of the answer`() {
        let sent = NTPTime(Instant.zero + .seconds(100))
        var block = ReportBlock(ssrc: media, lastSenderReport: sent.middle, delaySinceLastSenderReport: 1 << 15)
        #expect(block.roundTrip(now: NTPTime(Instant.zero + .milliseconds(100_750))) == .milliseconds(250))
        #expect(block.roundTrip(now: NTPTime(Instant.zero + .milliseconds(100_250))) == nil)
        block.lastSenderReport = 0
        #expect(block.roundTrip(now: sent) == nil)
    }

    @Test func `without room nothing is written`() {
        for capacity in 0..<12 {
            var left = -1
            let bytes = [UInt8](capacity: capacity) { output in
                let error = refusal { () throws(RTPError) in
                    try RTCPWriter.pictureLoss(sender: sender, media: media, to: &output)
                }
                #expect(error == .noRoom(needed: 12, left: capacity))
                left = output.freeCapacity
            }
            #expect(bytes.isEmpty && left == capacity)
        }
    }
}
