internal import Bytes

/// What an H.264 payload holds, as far as forwarding needs it (RFC 6184 §5).
public struct H264Payload: Hashable, Sendable {
    /// Whether it has an IDR slice, or the first part of one.
    public private(set) var hasIDR = false
    /// Whether it has a sequence parameter set, with which browsers begin each key frame.
    public private(set) var hasSequenceParameterSet = false

    /// Whether decoding can begin with the packet.
    ///
    /// A key frame begins with its parameter sets or, where those are not repeated, with the first IDR slice. What comes
    /// after parameter sets that were sent as packets of their own starts nothing new.
    public var startsKeyFrame: Bool { hasSequenceParameterSet || hasIDR }

    /// Reads the NAL units of a payload; nil if it is cut, or of a kind that browsers never send (STAP-B, MTAP, FU-B).
    public init?(parsing payload: RawSpan) {
        guard payload.byteCount >= 1 else { return nil }
        switch payload.uint8(at: 0) & 0x1f {
        case let type where (1...23).contains(type):
            add(type)
        case 24:
            // STAP-A (§5.7.1): a length of two bytes before each unit.
            var offset = 1
            while offset < payload.byteCount {
                guard payload.byteCount - offset >= 2 else { return nil }
                let length = Int(payload.uint16(at: offset))
                guard length > 0, length <= payload.byteCount - offset - 2 else { return nil }
                add(payload.uint8(at: offset + 2) & 0x1f)
                offset += 2 + length
            }
        case 28:
            // FU-A (§5.8): only the fragment with the start bit begins a unit.
            guard payload.byteCount >= 2 else { return nil }
            let head = payload.uint8(at: 1)
            if head & 0x80 != 0 { add(head & 0x1f) }
        default:
            return nil
        }
    }

    private mutating func add(_ type: UInt8) {
        if type == 5 { hasIDR = true }
        if type == 7 { hasSequenceParameterSet = true }
    }
}
