import Bytes
import RTP
import Testing

struct CodecTests {
    func vp8(_ text: String) -> VP8Descriptor? {
        let payload = hex(text)
        return VP8Descriptor(parsing: payload.span.raw)
    }

    func vp9(_ text: String) -> VP9Descriptor? {
        let payload = hex(text)
        return VP9Descriptor(parsing: payload.span.raw)
    }

    func startsKeyFrame(_ codec: MediaCodec, _ text: String, structure: String? = nil) -> Bool {
        let payload = hex(text)
        guard let structure else { return codec.isKeyFrameStart(payload.span.raw) }
        let descriptor = hex(structure)
        return codec.isKeyFrameStart(payload.span.raw, dependencyDescriptor: descriptor.span.raw)
    }

    func replace(in bytes: inout [UInt8], _ payload: Range<Int>) {
        var elements = bytes.mutableSpan
        var raw = elements.raw
        VP8Continuation(pictureID: 0x1234, tl0PictureIndex: 0x77).apply(to: &raw, payload: payload)
    }

    @Test func `a VP8 descriptor is read field by field`() throws {
        let long = try #require(vp8("b0 f0 9234 56 a7 00"))
        #expect(long.byteCount == 6 && long.isNonReference && long.startsPartition && long.partition == 0)
        #expect(long.pictureID == 0x1234 && long.pictureIDIsLong && long.tl0PictureIndex == 0x56)
        #expect(long.temporalLayer == 2 && long.isLayerSync && long.keyIndex == 7)
        #expect(long.startsKeyFrame && long.startsFrame)
        let short = try #require(vp8("91 80 12 00"))
        #expect(short.byteCount == 3 && short.pictureID == 0x12 && !short.pictureIDIsLong && short.partition == 1)
        #expect(!short.startsKeyFrame && !short.startsFrame && short.temporalLayer == nil && short.keyIndex == nil)
        let bare = try #require(vp8("10 01"))
        #expect(bare.byteCount == 1 && bare.startsFrame && !bare.startsKeyFrame && bare.pictureID == nil)
        // Only T or only K (RFC 7741 §4.2: the byte is there for either).
        #expect(vp8("90 20 c0 00")?.temporalLayer == 3)
        #expect(vp8("90 10 c3 00")?.temporalLayer == nil)
        #expect(vp8("90 10 c3 00")?.keyIndex == 3)
    }

    @Test(arguments: ["", "80", "90 80", "90 80 80", "90 40", "90 20", "90 e0 8001", "90 f0 8001 22"])
    func `a cut VP8 descriptor is refused, and no picture id is put into it beyond its end`(text: String) {
        #expect(vp8(text) == nil)
        var bytes = hex(text) + [0xaa, 0xaa]
        replace(in: &bytes, 0..<(bytes.count - 2))
        #expect(Array(bytes.suffix(2)) == [0xaa, 0xaa])
    }

    @Test(
        arguments: [
            ("90 e0 8001 22 40 00", "90 e0 9234 77 40 00"), ("90 c0 01 22 00", "90 c0 34 77 00"),
            ("90 40 22 00", "90 40 77 00"), ("90 80 8001 00", "90 80 9234 00"), ("10 00 00 00", "10 00 00 00"),
        ])
    func `picture ids are replaced in their width`(before: String, after: String) {
        var bytes = hex(before)
        replace(in: &bytes, bytes.indices)
        #expect(bytes == hex(after))
    }

    @Test func `a VP9 key frame is predicted from nothing and begins with its lowest layer`() {
        #expect(startsKeyFrame(.vp9, "88 9234 00"))
        #expect(startsKeyFrame(.vp9, "a8 12 00 00"))
        #expect(!startsKeyFrame(.vp9, "c8 9234 00"))
        #expect(!startsKeyFrame(.vp9, "80 9234 00"))
        #expect(!startsKeyFrame(.vp9, "a8 12 03 00"))
        for cut in ["", "80", "80 80", "a8 12"] { #expect(vp9(cut) == nil) }
        let layered = vp9("ac 9234 55 00")
        #expect(layered?.pictureID == 0x1234 && layered?.endsFrame == true)
        #expect(layered?.temporalLayer == 2 && layered?.isSwitchingPoint == true)
        #expect(layered?.spatialLayer == 2 && layered?.dependsOnLowerLayer == true)
    }

    @Test(
        arguments: [
            ("65 88", true), ("67 42", true), ("41 9a", false), ("68 ce", false), ("78 0002 6742 0002 68ce", true),
            ("78 0001 68 0002 6588", true), ("78 0002 419a", false), ("7c 85 88", true), ("7c 05 88", false),
            ("7c 45 88", false), ("5c 81 9a", false), ("78 0005 67", false), ("78 00", false), ("78 0000", false),
            ("7c", false), ("79 0001", false), ("", false), ("60", false),
        ])
    func `an H264 key frame begins with parameter sets or an IDR slice`(text: String, expected: Bool) {
        #expect(startsKeyFrame(.h264, text) == expected)
    }

    @Test func `an AV1 key frame begins a sequence, or repeats its templates`() {
        #expect(startsKeyFrame(.av1, "18 0a"))
        #expect(!startsKeyFrame(.av1, "10 0a"))
        #expect(!startsKeyFrame(.av1, "98 0a"))
        #expect(!startsKeyFrame(.av1, ""))
        #expect(startsKeyFrame(.av1, "10", structure: "80 0001 80"))
        for other in ["00 0001 80", "80 0001 40", "80 0001", "80 00"] {
            #expect(!startsKeyFrame(.av1, "10", structure: other))
        }
        #expect(startsKeyFrame(.opus, ""))
    }
}
