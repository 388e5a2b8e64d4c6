/// Continues the picture ids and lowest-layer indices of VP8 across sources, and closes up where pictures are left out.
///
/// A receiver that finds a picture id missing waits for it; so what is left out must not leave a gap (RFC 7741 §4.2).
struct PictureMapper: Sendable {
    private static let mask: UInt16 = 0x7fff

    // The newest picture of the source, and the outgoing id of the newest one that was not left out.
    private var newestSource: UInt16 = 0
    private var newestOutgoing: UInt16
    private var idMask = PictureMapper.mask
    // Which of the last 64 pictures were left out, the newest in the lowest bit.
    private var skipped: UInt64 = 0
    private var layerOffset: UInt8 = 0
    private var newestLayerIndex: UInt8

    init(firstPictureID: UInt16 = 0, firstLayerIndex: UInt8 = 0) {
        newestOutgoing = (firstPictureID &- 1) & PictureMapper.mask
        newestLayerIndex = firstLayerIndex &- 1
    }

    /// A new source begins with this picture, which follows the last one.
    mutating func begin(_ picture: VP8Descriptor) {
        idMask = picture.pictureIDIsLong ? PictureMapper.mask : 0x7f
        // One before the picture, so that the picture itself is one ahead of it.
        newestSource = ((picture.pictureID ?? 0) &- 1) & idMask
        skipped = 0
        layerOffset = newestLayerIndex &+ 1 &- (picture.tl0PictureIndex ?? 0)
    }

    /// Whether the packets of this picture go out, if that is decided: a picture goes out whole or not at all, and one whose
    /// id is given away already goes out, as the receiver waits for it. Nil for a picture that is newer than all so far.
    func isDecided(_ picture: VP8Descriptor) -> Bool? {
        guard let id = picture.pictureID else { return nil }
        let behind = (newestSource &- id) & idMask
        return behind < 64 ? skipped >> UInt64(behind) & 1 == 0 : nil
    }

    /// What a packet of this picture says when it goes out; nil where the payload has no such fields.
    mutating func map(_ picture: VP8Descriptor, isWanted: Bool) -> VP8Continuation? {
        guard picture.pictureID != nil || picture.tl0PictureIndex != nil else { return nil }
        var outgoing = newestOutgoing
        if let id = picture.pictureID { outgoing = map(id, isWanted: isWanted) }
        var layerIndex: UInt8 = 0
        if let index = picture.tl0PictureIndex {
            layerIndex = index &+ layerOffset
            if Int8(bitPattern: layerIndex &- newestLayerIndex) > 0 { newestLayerIndex = layerIndex }
        }
        return VP8Continuation(pictureID: outgoing, tl0PictureIndex: layerIndex)
    }

    private mutating func map(_ id: UInt16, isWanted: Bool) -> UInt16 {
        let ahead = (id &- newestSource) & idMask
        guard ahead != 0, ahead <= idMask >> 1 else {
            // This picture, or one before it: behind the newest by those between that were not left out.
            let behind = (newestSource &- id) & idMask
            let after = behind >= 64 ? skipped : skipped & (1 << UInt64(behind) &- 1)
            return (newestOutgoing &- (behind &- UInt16(after.nonzeroBitCount))) & PictureMapper.mask
        }
        skipped = ahead >= 64 ? 0 : skipped << UInt64(ahead)
        newestSource = id
        if isWanted {
            newestOutgoing = (newestOutgoing &+ ahead) & PictureMapper.mask
        } else {
            newestOutgoing = (newestOutgoing &+ ahead &- 1) & PictureMapper.mask
            skipped |= 1
        }
        return newestOutgoing
    }
}
