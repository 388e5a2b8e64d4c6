import Bytes
import DTLS
import Testing
import Time

/// A ClientHello in the form that Chromium has since 2025: DTLS 1.3 beside 1.2, with a key share of X25519MLKEM768. Built here, as the
/// key share's bytes do not matter to a server that chooses 1.2.
struct BrowserHelloTests {
    private static func extensionBytes(_ type: UInt16, _ body: [UInt8]) -> [UInt8] {
        two(type) + two(UInt16(body.count)) + body
    }

    private static func two(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
    private static func three(_ value: Int) -> [UInt8] {
        [UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }
    private static func list(_ values: [UInt16]) -> [UInt8] {
        let bytes = values.flatMap(two)
        return two(UInt16(bytes.count)) + bytes
    }

    /// The message without its header.
    static let hello: [UInt8] = {
        var body: [UInt8] = [0xfe, 0xfd] + (0..<32).map { UInt8($0) } + [0, 0]
        body +=
            list([0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014]) + [1, 0]
        let shares =
            two(0x11ec) + two(1_216) + (0..<1_216).map { UInt8(truncatingIfNeeded: $0) } + two(0x001d) + two(32)
            + [UInt8](repeating: 9, count: 32)
        var extensions: [UInt8] = []
        extensions += extensionBytes(0x0017, [])
        extensions += extensionBytes(0xff01, [0])
        extensions += extensionBytes(0x000a, list([0x11ec, 0x001d, 0x0017, 0x0018]))
        extensions += extensionBytes(0x000b, [1, 0])
        extensions += extensionBytes(0x000d, list([0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]))
        extensions += extensionBytes(0x000e, list([0x0001, 0x0008, 0x0007]) + [0])
        extensions += extensionBytes(0x0033, two(UInt16(shares.count)) + shares)
        extensions += extensionBytes(0x002d, [1, 1])
        extensions += extensionBytes(0x002b, [4, 0xfe, 0xfc, 0xfe, 0xfd])
        body += two(UInt16(extensions.count)) + extensions
        return body
    }()

    /// A record with bytes `range` of the message, as record number `number`.
    static func fragment(_ range: Range<Int>, number: UInt8) -> [UInt8] {
        let handshake =
            [1] + three(hello.count) + [0, 0] + three(range.lowerBound) + three(range.count) + hello[range]
        return [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number] + two(UInt16(handshake.count)) + handshake
    }

    private static func isServerHello(_ answer: [[UInt8]]) -> Bool {
        guard let first = answer.first, first.count > 13 + 12 + 38 else { return false }
        // Type, version 1.2, no session id, ECDHE-ECDSA-AES128-GCM.
        let session = Int(first[13 + 12 + 34])
        let cipher = 13 + 12 + 35 + session
        guard first.count > cipher + 1 else { return false }
        return first[0] == 22 && first[13] == 2 && first[25] == 0xfe && first[26] == 0xfd && first[cipher] == 0xc0
            && first[cipher + 1] == 0x2b
    }

    @Test func `it takes more than a datagram`() { #expect(BrowserHelloTests.hello.count > 1_400) }

    @Test func `its fragments are put together in any order, however often they come`() throws {
        let end = BrowserHelloTests.hello.count
        let (first, second) = (0..<1_150, 1_150..<end)
        let orders: [[Range<Int>]] = [
            [first, second], [second, first], [first, first, second], [second, second, first],
            [0..<400, 800..<end, 300..<900], [1_000..<end, 500..<1_100, 0..<600],
        ]
        for order in orders {
            let context = try DTLSContext()
            var server = try DTLSConnection(context, role: .server, peer: context.fingerprint, now: .zero)
            for (number, range) in order.enumerated() {
                let bytes = BrowserHelloTests.fragment(range, number: UInt8(number))
                let event = server.receive(bytes.span.raw, now: .zero)
                #expect(event == nil)
                let answer = Link.drain(&server)
                let isLast = number == order.count - 1
                #expect(isLast ? BrowserHelloTests.isServerHello(answer) : answer.isEmpty, "\(order), \(number)")
                #expect(answer.allSatisfy { $0.count <= 1_200 })
            }
        }
    }
}
