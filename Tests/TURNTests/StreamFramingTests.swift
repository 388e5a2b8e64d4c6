import Bytes
import STUN
import TURN
import Testing

func bindingRequest(software: String) throws(STUNError) -> [UInt8] {
    try [UInt8](capacity: 1_000) { (output) throws(STUNError) in
        let header = STUNHeader(.request, .binding, TransactionID(high: 1, low: 2))
        let writer = try STUNWriter(header, to: &output)
        try writer.add(.software, text: software, to: &output)
    }
}

struct StreamFramingTests {
    @Test func `a stream is split into its messages, however it is cut`() throws {
        let messages = [
            try bindingRequest(software: "a"), try channelData(1, [1, 2, 3], padded: true),
            try channelData(2, [], padded: true), try bindingRequest(software: ""),
            try channelData(3, [UInt8](repeating: 9, count: 1_200), padded: true),
        ]
        let stream = messages.flatMap { $0 }

        for piece in 1...40 {
            var kept: [UInt8] = []
            var seen: [[UInt8]] = []
            for start in stride(from: 0, to: stream.count, by: piece) {
                kept += stream[start..<min(start + piece, stream.count)]
                while let count = try StreamFraming.next(in: kept.span.raw, limit: 1_204).consumed {
                    seen.append(Array(kept.prefix(count)))
                    kept.removeFirst(count)
                }
            }
            #expect(seen == messages)
            #expect(kept.isEmpty)
        }
    }

    @Test func `it says how many bytes it waits for`() throws {
        let request = try bindingRequest(software: "abcd")
        let data = try channelData(1, [1, 2, 3, 4, 5], padded: true)

        func next(_ bytes: [UInt8], _ count: Int) throws -> StreamFrame {
            try StreamFraming.next(in: Array(bytes.prefix(count)).span.raw)
        }
        #expect(
            try (0...28).map { try next(request, $0) } == [StreamFrame](repeating: .incomplete(needed: 4), count: 4)
                + [StreamFrame](repeating: .incomplete(needed: 8), count: 4)
                + [StreamFrame](repeating: .incomplete(needed: 28), count: 20) + [.stun(byteCount: 28)])
        #expect(
            try (0...12).map { try next(data, $0) } == [StreamFrame](repeating: .incomplete(needed: 4), count: 4)
                + [StreamFrame](repeating: .incomplete(needed: 12), count: 8) + [.channelData(byteCount: 9, padding: 3)]
        )
    }

    @Test(
        arguments: [
            ([0x80], .notTURN(firstByte: 0x80)),
            ([0x80, 0, 0, 0], .notTURN(firstByte: 0x80)),
            ([4], .notTURN(firstByte: 4)),
            // A TLS ClientHello and an HTTP request, at a plain port. "GE" is a channel number, and the length "T " too long.
            ([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc], .notTURN(firstByte: 0x16)),
            (Array("GET / HTTP/1.1".utf8), .tooLong(bytes: 4 + 0x5420)),
            ([0, 1, 0, 3], .impossibleLength(3)),
            ([0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x43], .noMagicCookie(0x2112_a443)),
            ([0x40, 0, 4, 0xb1], .tooLong(bytes: 1_208)),
            ([0, 1, 4, 0xa4], .tooLong(bytes: 1_208)),
        ] as [([UInt8], TURNError)])
    func `what cannot be a message is refused as soon as it shows`(bytes: [UInt8], error: TURNError) {
        #expect(throws: error) { try StreamFraming.next(in: bytes.span.raw, limit: 1_204) }
    }

    @Test func `the longest messages pass unless the limit is lower`() throws {
        var request: [UInt8] = [0, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42]
        request += [UInt8](repeating: 0, count: StreamFraming.longest - request.count)
        let data = try channelData(0, [UInt8](repeating: 0, count: 65_535), padded: true)

        #expect(try StreamFraming.next(in: request.span.raw) == .stun(byteCount: 65_552))
        #expect(try StreamFraming.next(in: data.span.raw) == .channelData(byteCount: 65_539, padding: 1))
        #expect(throws: TURNError.tooLong(bytes: 65_540)) {
            try StreamFraming.next(in: data.span.raw, limit: 65_539)
        }
    }
}
