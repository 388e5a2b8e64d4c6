import Bytes
import Testing

private func isSame(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    one.span.raw.hasSameBytes(inConstantTimeAs: other.span.raw)
}

struct ConstantTimeTests {
    @Test func `only the same bytes are the same`() {
        let secret: [UInt8] = Array(0..<20)
        #expect(isSame(secret, Array(0..<20)))
        for bit in 0..<160 {
            var stated = secret
            stated[bit / 8] ^= 1 << (bit % 8)
            #expect(!isSame(stated, secret), "bit \(bit)")
        }
        for count in 0..<20 { #expect(!isSame(Array(secret.prefix(count)), secret), "cut to \(count)") }
        #expect(!isSame(secret + [0], secret))
        #expect(isSame([], []))
    }
}
