internal import Bytes

/// How loud a packet's sound is (RFC 6464 §3).
public struct AudioLevel: Hashable, Sendable {
    /// Whether the sender takes it for a voice.
    public var isVoice: Bool
    /// Decibels below the loudest possible: 0 is the loudest, 127 is silence.
    public var level: UInt8

    /// A level.
    @inlinable
    public init(isVoice: Bool, level: UInt8) {
        self.isVoice = isVoice
        self.level = level & 0x7f
    }
}

/// Where the values of a packet's extensions are. Valid for the bytes of the packet it was made from.
public struct ExtensionPlaces: Sendable {
    // An offset in the upper sixteen bits, a length plus one in the lower; 0 for none.
    private var places = [10 of UInt32](repeating: 0)

    /// No extensions.
    public init() {}

    mutating func put(_ kind: HeaderExtension, _ range: Range<Int>) {
        let index = Int(kind.rawValue)
        // Of several the first counts. Packets are far shorter than 64 KiB; one that is not loses an extension.
        guard places[index] == 0, range.upperBound <= 0xffff else { return }
        places[index] =
            UInt32(truncatingIfNeeded: range.lowerBound) << 16
            | UInt32(truncatingIfNeeded: range.count &+ 1)
    }

    /// Where the value of an extension is; nil if the packet has none.
    public subscript(kind: HeaderExtension) -> Range<Int>? {
        @inline(__always)
        get {
            let place = places[Int(kind.rawValue)]
            guard place != 0 else { return nil }
            let start = Int(place >> 16)
            return start..<(start &+ Int(place & 0xffff) &- 1)
        }
    }

    /// The value of an extension; nil if the packet has none, or these are not the packet's bytes.
    @_lifetime(copy bytes)
    public func value(_ kind: HeaderExtension, in bytes: RawSpan) -> RawSpan? {
        guard let range = self[kind], range.upperBound <= bytes.byteCount else { return nil }
        return bytes.extracting(range)
    }

    /// The m-line of the stream.
    public func mid(in bytes: RawSpan) -> StreamLabel? { label(.mid, in: bytes) }

    /// The simulcast layer of the stream.
    public func rid(in bytes: RawSpan) -> StreamLabel? { label(.rid, in: bytes) }

    /// The layer that the stream repairs.
    public func repairedRID(in bytes: RawSpan) -> StreamLabel? { label(.repairedRID, in: bytes) }

    private func label(_ kind: HeaderExtension, in bytes: RawSpan) -> StreamLabel? {
        guard let value = value(kind, in: bytes) else { return nil }
        return StreamLabel(value)
    }

    /// How loud the packet is.
    public func audioLevel(in bytes: RawSpan) -> AudioLevel? {
        guard let value = value(.audioLevel, in: bytes), value.byteCount >= 1 else { return nil }
        let byte = value.uint8(at: 0)
        return AudioLevel(isVoice: byte & 0x80 != 0, level: byte & 0x7f)
    }

    /// The number of the packet in its transport.
    public func transportSequenceNumber(in bytes: RawSpan) -> SequenceNumber? {
        guard let value = value(.transportSequenceNumber, in: bytes), value.byteCount >= 2 else { return nil }
        return SequenceNumber(rawValue: value.uint16(at: 0))
    }

    /// When the packet left: 24 bits, 2^-18 seconds each, wrapping around every 64 s.
    public func absoluteSendTime(in bytes: RawSpan) -> AbsoluteSendTime? {
        guard let value = value(.absoluteSendTime, in: bytes), value.byteCount >= 3 else { return nil }
        return AbsoluteSendTime(rawValue: UInt32(value.uint8(at: 0)) << 16 | UInt32(value.uint16(at: 1)))
    }

    /// How the picture must be turned: camera and flip in bits 3 and 2, quarter turns in the lowest two.
    public func videoOrientation(in bytes: RawSpan) -> UInt8? {
        guard let value = value(.videoOrientation, in: bytes), value.byteCount >= 1 else { return nil }
        return value.uint8(at: 0)
    }

    /// When the frame was taken, on the clock of who took it.
    public func absoluteCaptureTime(in bytes: RawSpan) -> NTPTime? {
        guard let value = value(.absoluteCaptureTime, in: bytes), value.byteCount >= 8 else { return nil }
        return NTPTime(rawValue: value.uint64(at: 0))
    }
}
