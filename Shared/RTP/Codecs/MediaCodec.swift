/// The codecs that are forwarded.
public enum MediaCodec: UInt8, CaseIterable, Sendable {
    /// Sound (RFC 7587).
    case opus
    /// Video (RFC 7741).
    case vp8
    /// Video (RFC 9628).
    case vp9
    /// Video (RFC 6184).
    case h264
    /// Video (AV1 RTP payload specification).
    case av1

    /// Whether it codes pictures.
    @inlinable public var isVideo: Bool { self != .opus }

    /// Ticks a second of its timestamps.
    @inlinable public var clockRate: UInt32 { self == .opus ? 48_000 : 90_000 }

    /// Whether decoding can begin with the packet of this payload. Sound can begin anywhere.
    ///
    /// - Parameter dependencyDescriptor: the header extension of AV1, where the packet has it.
    public func isKeyFrameStart(_ payload: RawSpan, dependencyDescriptor: RawSpan? = nil) -> Bool {
        switch self {
        case .opus: return true
        case .vp8: return VP8Descriptor(parsing: payload)?.startsKeyFrame ?? false
        case .vp9: return VP9Descriptor(parsing: payload)?.startsKeyFrame ?? false
        case .h264: return H264Payload(parsing: payload)?.startsKeyFrame ?? false
        case .av1:
            guard let header = AV1AggregationHeader(parsing: payload) else { return false }
            if header.startsCodedVideoSequence { return true }
            // An encoder may begin anew without a new sequence; the templates are repeated then.
            guard let dependencyDescriptor, let start = DependencyDescriptorStart(parsing: dependencyDescriptor) else {
                return false
            }
            return start.startsFrame && start.hasStructure
        }
    }
}
