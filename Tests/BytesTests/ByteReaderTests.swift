import Bytes
import Testing

struct ByteReaderTests {
    let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]

    @Test func `fields are read big-endian from the front`() throws {
        var reader = ByteReader(bytes.span.raw)

        #expect(try reader.uint8() == 0x01)
        #expect(try reader.uint16() == 0x0203)
        #expect(try reader.uint32() == 0x0405_0607)
        #expect(try reader.uint64() == 0x0809_0a0b_0c0d_0e0f)
        #expect(reader.left == 0)
    }

    @Test func `a read beyond the end throws and consumes nothing`() throws {
        var reader = ByteReader(bytes.span.raw)
        try reader.skip(14)

        #expect(throws: BytesError.tooShort(needed: 2, left: 1)) { try reader.uint16() }
        #expect(throws: BytesError.tooShort(needed: 8, left: 1)) { try reader.uint64() }
        #expect(throws: BytesError.tooShort(needed: Int.max, left: 1)) { try reader.skip(Int.max) }
        #expect(reader.offset == 14)
        #expect(try reader.uint8() == 15)
    }

    @Test func `a copy of a reader is a bookmark`() throws {
        var reader = ByteReader(bytes.span.raw)
        var bookmark = reader
        try reader.skip(3)

        #expect(try bookmark.uint8() == 1)
        #expect(try reader.uint8() == 4)
    }

    @Test func `sub-spans are of the same memory, and what is left ends the reading`() throws {
        var reader = ByteReader(bytes.span.raw)
        let first = try reader.bytes(2)
        let rest = reader.rest()

        let firstBytes = [UInt8](copying: first)
        let (restCount, restFirst) = (rest.byteCount, rest.uint8(at: 0))
        let (left, same) = (reader.left, first.hasSameBytes(as: ([1, 2] as [UInt8]).span.raw))
        let (differs, longer) = (first.hasSameBytes(as: ([1, 3] as [UInt8]).span.raw), first.hasSameBytes(as: rest))

        #expect(firstBytes == [1, 2])
        #expect(restCount == 13)
        #expect(restFirst == 3)
        #expect(left == 0)
        #expect(same)
        #expect(!differs && !longer)
    }
}
