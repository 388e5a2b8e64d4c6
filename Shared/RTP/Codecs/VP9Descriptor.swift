internal import Bytes

/// The first bytes of a VP9 payload descriptor (RFC 9628 §4.2), as far as forwarding needs them.
public struct VP9Descriptor: Hashable, Sendable {
    /// Whether the frame is predicted from frames before it.
    public let isInterPicturePredicted: Bool
    /// Whether the packet begins a layer's frame.
    public let startsFrame: Bool
    /// Whether the packet ends a layer's frame.
    public let endsFrame: Bool
    /// The frame's number, seven or fifteen bits; nil if it has none.
    public let pictureID: UInt16?
    /// The temporal layer; nil without layer indices.
    public let temporalLayer: UInt8?
    /// The spatial layer; nil without layer indices.
    public let spatialLayer: UInt8?
    /// Whether a receiver may switch up to this temporal layer here.
    public let isSwitchingPoint: Bool
    /// Whether the frame needs the frame of the next lower spatial layer.
    public let dependsOnLowerLayer: Bool

    /// Whether the packet is the first of a key frame: of the lowest spatial layer, predicted from nothing.
    @inlinable public var startsKeyFrame: Bool {
        !isInterPicturePredicted && startsFrame && (spatialLayer ?? 0) == 0 && !dependsOnLowerLayer
    }

    /// Reads the descriptor at the start of a payload; nil if it is cut.
    public init?(parsing payload: RawSpan) {
        guard payload.byteCount >= 1 else { return nil }
        let first = payload.uint8(at: 0)
        isInterPicturePredicted = first & 0x40 != 0
        startsFrame = first & 0x08 != 0
        endsFrame = first & 0x04 != 0
        var offset = 1
        if first & 0x80 != 0 {
            guard payload.byteCount > offset else { return nil }
            let byte = payload.uint8(at: offset)
            if byte & 0x80 != 0 {
                guard payload.byteCount > offset + 1 else { return nil }
                pictureID = payload.uint16(at: offset) & 0x7fff
                offset += 2
            } else {
                pictureID = UInt16(byte)
                offset += 1
            }
        } else {
            pictureID = nil
        }
        if first & 0x20 != 0 {
            guard payload.byteCount > offset else { return nil }
            let byte = payload.uint8(at: offset)
            temporalLayer = byte >> 5
            isSwitchingPoint = byte & 0x10 != 0
            spatialLayer = byte >> 1 & 0x7
            dependsOnLowerLayer = byte & 1 != 0
        } else {
            temporalLayer = nil
            isSwitchingPoint = false
            spatialLayer = nil
            dependsOnLowerLayer = false
        }
    }
}
