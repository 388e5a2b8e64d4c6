import Bytes
import RTP

extension VP8Descriptor {
    /// Width and height in the key frame that this payload begins (RFC 6386 §9.1); nil where it begins none.
    func pictureSize(in payload: RawSpan) -> (width: Int, height: Int)? {
        // Three bytes of frame tag, the start code, then two little-endian numbers of 14 bits.
        guard startsKeyFrame, payload.byteCount >= byteCount + 10 else { return nil }
        let start = byteCount + 3
        guard payload.uint8(at: start) == 0x9d, payload.uint8(at: start + 1) == 0x01,
            payload.uint8(at: start + 2) == 0x2a
        else { return nil }
        let width = payload.uint16(at: start + 3).byteSwapped & 0x3fff
        let height = payload.uint16(at: start + 5).byteSwapped & 0x3fff
        guard width > 0, height > 0 else { return nil }
        return (Int(width), Int(height))
    }
}
