import Bytes
import Testing

struct OutputRawSpanTests {
    @Test func `what is written is read again`() throws {
        let bytes = try [UInt8](capacity: 32) { (output) throws(BytesError) in
            try output.write(UInt8(1))
            try output.write(UInt16(0x0203))
            try output.write(UInt32(0x0405_0607))
            try output.write(UInt64(0x0809_0a0b_0c0d_0e0f))
            try output.write("é")
            try output.write(([0xff, 0xfe] as [UInt8]).span.raw)
            try output.writeZeros(3)
            output.replace(UInt16(0xabcd), at: 1)
        }
        #expect(
            bytes == [1, 0xab, 0xcd, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xc3, 0xa9, 0xff, 0xfe, 0, 0, 0])
    }

    @Test func `a write that does not fit throws and leaves the output as it was`() throws {
        let bytes = try [UInt8](capacity: 3) { (output) throws(BytesError) in
            try output.write(UInt16(7))
            func refuses(_ needed: Int, _ body: (inout OutputRawSpan) throws(BytesError) -> Void) {
                do throws(BytesError) {
                    try body(&output)
                    Issue.record("\(needed) bytes were written into one")
                } catch {
                    #expect(error == .noRoom(needed: needed, left: 1))
                }
            }
            refuses(2) { (output) throws(BytesError) in try output.write(UInt16(1)) }
            refuses(4) { (output) throws(BytesError) in try output.write(UInt32(1)) }
            refuses(8) { (output) throws(BytesError) in try output.write(UInt64(1)) }
            refuses(2) { (output) throws(BytesError) in try output.write("ab") }
            refuses(2) { (output) throws(BytesError) in try output.writeZeros(2) }
            refuses(2) { (output) throws(BytesError) in try output.write(([1, 2] as [UInt8]).span.raw) }
        }
        #expect(bytes == [0, 7])
    }

    @Test func `fields in the middle are replaced in place`() {
        var bytes = [UInt8](repeating: 0, count: 8)
        var span = bytes.mutableSpan
        var raw = span.raw
        raw.store(UInt16(0x0102), at: 1)
        raw.store(UInt32(0x0304_0506), at: 4)
        #expect(bytes == [0, 1, 2, 0, 3, 4, 5, 6])
    }
}
