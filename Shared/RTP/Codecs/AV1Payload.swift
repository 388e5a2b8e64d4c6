internal import Bytes

/// The aggregation header of an AV1 payload (AV1 RTP payload specification §4.4).
public struct AV1AggregationHeader: Hashable, Sendable {
    /// Whether the first element goes on with an OBU of the packet before (Z).
    public let continuesFragment: Bool
    /// Whether the last element is continued in the next packet (Y).
    public let endsInFragment: Bool
    /// How many elements there are; 0 if each has its length before it (W).
    public let elementCount: UInt8
    /// Whether the packet is the first of a coded video sequence, which begins with a key frame (N).
    public let startsCodedVideoSequence: Bool

    /// Reads the header; nil if the payload is empty, or says what the specification forbids (N with Z).
    public init?(parsing payload: RawSpan) {
        guard payload.byteCount >= 1 else { return nil }
        let byte = payload.uint8(at: 0)
        continuesFragment = byte & 0x80 != 0
        endsInFragment = byte & 0x40 != 0
        elementCount = byte >> 4 & 3
        startsCodedVideoSequence = byte & 0x08 != 0
        if startsCodedVideoSequence && continuesFragment { return nil }
    }
}

/// The mandatory fields of a dependency descriptor (AV1 RTP payload specification §A.8.1).
public struct DependencyDescriptorStart: Hashable, Sendable {
    /// Whether the packet is the first of its frame.
    public let startsFrame: Bool
    /// Whether the packet is the last of its frame.
    public let endsFrame: Bool
    /// Which template the frame follows.
    public let templateID: UInt8
    /// The frame's number.
    public let frameNumber: UInt16
    /// Whether the structure of templates follows, as it does on each key frame.
    public let hasStructure: Bool

    /// Reads the fields; nil if they are cut.
    public init?(parsing value: RawSpan) {
        guard value.byteCount >= 3 else { return nil }
        let first = value.uint8(at: 0)
        startsFrame = first & 0x80 != 0
        endsFrame = first & 0x40 != 0
        templateID = first & 0x3f
        frameNumber = value.uint16(at: 1)
        // The extended fields begin with the flag of the structure.
        hasStructure = value.byteCount > 3 && value.uint8(at: 3) & 0x80 != 0
    }
}
