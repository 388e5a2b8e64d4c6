internal import Bytes

/// The descriptor before each VP8 payload (RFC 7741 §4.2), and what the frame's header after it says of key frames.
public struct VP8Descriptor: Hashable, Sendable {
    /// How many bytes it takes.
    public let byteCount: Int
    /// Whether no other frame needs this one.
    public let isNonReference: Bool
    /// Whether the packet begins a partition of the frame.
    public let startsPartition: Bool
    /// Which partition: 0 is the first.
    public let partition: UInt8
    /// The frame's number, seven or fifteen bits; nil if it has none.
    public let pictureID: UInt16?
    /// Whether the picture id has fifteen bits.
    public let pictureIDIsLong: Bool
    /// The count of frames of the lowest temporal layer; nil if it has none.
    public let tl0PictureIndex: UInt8?
    /// The temporal layer; nil if it has none.
    public let temporalLayer: UInt8?
    /// Whether the frame needs only frames of the lowest layer: a receiver may switch up here.
    public let isLayerSync: Bool
    /// The count of key frames that update the same golden frame; nil if it has none.
    public let keyIndex: UInt8?
    /// Whether the packet is the first of a key frame.
    public let startsKeyFrame: Bool

    /// Whether the packet is the first of a frame.
    @inlinable public var startsFrame: Bool { startsPartition && partition == 0 }

    /// Reads the descriptor at the start of a payload; nil if it is cut.
    public init?(parsing payload: RawSpan) {
        guard payload.byteCount >= 1 else { return nil }
        let first = payload.uint8(at: 0)
        isNonReference = first & 0x20 != 0
        startsPartition = first & 0x10 != 0
        partition = first & 0x07
        var offset = 1
        var pictureID: UInt16?
        var isLong = false
        var tl0: UInt8?
        var layer: UInt8?
        var isSync = false
        var key: UInt8?
        if first & 0x80 != 0 {
            guard payload.byteCount > offset else { return nil }
            let fields = payload.uint8(at: offset)
            offset += 1
            if fields & 0x80 != 0 {
                guard payload.byteCount > offset else { return nil }
                let byte = payload.uint8(at: offset)
                if byte & 0x80 != 0 {
                    guard payload.byteCount > offset + 1 else { return nil }
                    pictureID = payload.uint16(at: offset) & 0x7fff
                    isLong = true
                    offset += 2
                } else {
                    pictureID = UInt16(byte)
                    offset += 1
                }
            }
            if fields & 0x40 != 0 {
                guard payload.byteCount > offset else { return nil }
                tl0 = payload.uint8(at: offset)
                offset += 1
            }
            if fields & 0x30 != 0 {
                guard payload.byteCount > offset else { return nil }
                let byte = payload.uint8(at: offset)
                if fields & 0x20 != 0 {
                    layer = byte >> 6
                    isSync = byte & 0x20 != 0
                }
                if fields & 0x10 != 0 { key = byte & 0x1f }
                offset += 1
            }
        }
        byteCount = offset
        self.pictureID = pictureID
        pictureIDIsLong = isLong
        tl0PictureIndex = tl0
        temporalLayer = layer
        isLayerSync = isSync
        keyIndex = key
        // RFC 7741 §4.3: the inverse key frame flag is the lowest bit of the frame's header.
        startsKeyFrame =
            startsPartition && partition == 0 && payload.byteCount > offset && payload.uint8(at: offset) & 1 == 0
    }
}

/// The picture id and the index of the lowest layer that go on with the outgoing stream's count.
public struct VP8Continuation: Hashable, Sendable {
    /// The outgoing picture id; its low seven bits are written where the payload has only seven.
    public var pictureID: UInt16
    /// The outgoing index of the lowest layer.
    public var tl0PictureIndex: UInt8

    /// A continuation.
    @inlinable
    public init(pictureID: UInt16, tl0PictureIndex: UInt8) {
        self.pictureID = pictureID
        self.tl0PictureIndex = tl0PictureIndex
    }

    /// Replaces the fields of the descriptor at the start of `payload`, as far as it has them. A cut one is left alone.
    @_lifetime(bytes: copy bytes)
    public func apply(to bytes: inout MutableRawSpan, payload: Range<Int>) {
        guard payload.lowerBound >= 0, payload.upperBound <= bytes.byteCount else { return }
        var offset = payload.lowerBound
        guard offset &+ 2 < payload.upperBound, bytes.bytes.uint8(at: offset) & 0x80 != 0 else { return }
        let fields = bytes.bytes.uint8(at: offset &+ 1)
        offset &+= 2
        if fields & 0x80 != 0 {
            if bytes.bytes.uint8(at: offset) & 0x80 != 0 {
                guard offset &+ 2 <= payload.upperBound else { return }
                bytes.store(0x8000 | pictureID & 0x7fff, at: offset)
                offset &+= 2
            } else {
                bytes.storeBytes(of: UInt8(truncatingIfNeeded: pictureID & 0x7f), toByteOffset: offset, as: UInt8.self)
                offset &+= 1
            }
        }
        if fields & 0x40 != 0, offset < payload.upperBound {
            bytes.storeBytes(of: tl0PictureIndex, toByteOffset: offset, as: UInt8.self)
        }
    }
}
