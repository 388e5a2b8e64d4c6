import Bytes
import Testing

struct ConstantTimeTests {
    @Test func `only the same bytes are the same`() {
        let secret: [UInt8] = Array(0..<20)
        func isSame(_ stated: [UInt8]) -> Bool { stated.span.raw.hasSameBytes(inConstantTimeAs: secret.span.raw) }
        #expect(isSame(Array(0..<20)))
        for bit in 0..<160 {
            var stated = secret
            stated[bit / 8] ^= 1 << (bit % 8)
            #expect(!isSame(stated), "bit \(bit)")
        }
        for count in 0..<20 { #expect(!isSame(Array(secret.prefix(count))), "cut to \(count)") }
        #expect(!isSame(secret + [0]) && !isSame([]))
        #expect(([] as [UInt8]).span.raw.hasSameBytes(inConstantTimeAs: ([] as [UInt8]).span.raw))
    }
}
