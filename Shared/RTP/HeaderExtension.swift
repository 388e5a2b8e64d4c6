/// The header extensions that are understood here, each negotiated by its URI.
public enum HeaderExtension: UInt8, CaseIterable, Sendable {
    /// The m-line that a stream belongs to (RFC 9143 §15).
    case mid
    /// The simulcast layer of a stream (RFC 8852 §3.1).
    case rid
    /// The layer that a stream of retransmissions repairs (RFC 8852 §3.2).
    case repairedRID
    /// How loud the sound in the packet is (RFC 6464).
    case audioLevel
    /// The number of a packet among all of its transport (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).
    case transportSequenceNumber
    /// When the packet left: seconds in 6.18 bits.
    case absoluteSendTime
    /// How the camera is held (3GPP TS 26.114 §7.4.5).
    case videoOrientation
    /// The least and the most delay that a receiver may choose.
    case playoutDelay
    /// When the frame was taken, on the clock of who took it.
    case absoluteCaptureTime
    /// How a frame depends on others (AV1 RTP payload specification, appendix A).
    case dependencyDescriptor

    /// What `a=extmap` says.
    public var uri: String {
        switch self {
        case .mid: "urn:ietf:params:rtp-hdrext:sdes:mid"
        case .rid: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
        case .repairedRID: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
        case .audioLevel: "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
        case .transportSequenceNumber:
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
        case .absoluteSendTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
        case .videoOrientation: "urn:3gpp:video-orientation"
        case .playoutDelay: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
        case .absoluteCaptureTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
        case .dependencyDescriptor:
            "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
        }
    }

    /// The extension of a URI; nil for one that is not understood.
    public init?(uri: String) {
        for kind in HeaderExtension.allCases where kind.uri == uri {
            self = kind
            return
        }
        return nil
    }

    /// How many there are.
    static let count = 10
}

/// The ids that one end has agreed on for its extensions, in one direction of a transport.
public struct HeaderExtensionMap: Hashable, Sendable {
    private var ids = Ids(repeating: 0)
    /// Whether the two-byte form may be used where the one-byte form does not do (`a=extmap-allow-mixed`, RFC 8285 §6).
    /// If not, values of over sixteen bytes are left out.
    public var allowsTwoByteForm = false

    /// No extension.
    public init() {}

    /// The id of an extension, 1 to 255; nil if it was not agreed on. Setting 0 is the same as setting nil.
    public subscript(kind: HeaderExtension) -> UInt8? {
        get {
            let id = ids[Int(kind.rawValue)]
            return id == 0 ? nil : id
        }
        set { ids[Int(kind.rawValue)] = newValue ?? 0 }
    }

    /// The id, or 0 if there is none.
    @inline(__always)
    func id(_ kind: HeaderExtension) -> UInt8 { ids[Int(kind.rawValue)] }

    /// The extension of an id; nil if there is none.
    public func kind(of id: UInt8) -> HeaderExtension? {
        guard id != 0 else { return nil }
        for index in 0..<HeaderExtension.count where ids[index] == id {
            return HeaderExtension(rawValue: UInt8(truncatingIfNeeded: index))
        }
        return nil
    }

    /// Whether both have the same ids and the same form.
    public static func == (left: HeaderExtensionMap, right: HeaderExtensionMap) -> Bool {
        for index in 0..<HeaderExtension.count where left.ids[index] != right.ids[index] { return false }
        return left.allowsTwoByteForm == right.allowsTwoByteForm
    }

    /// Hashes the ids and the form.
    public func hash(into hasher: inout Hasher) {
        for index in 0..<HeaderExtension.count { hasher.combine(ids[index]) }
        hasher.combine(allowsTwoByteForm)
    }

    private typealias Ids = [10 of UInt8]
}

/// A mid or a rid: one to sixteen bytes, kept inline, so that it can be compared and written for each packet.
public struct StreamLabel: Hashable, Sendable, CustomStringConvertible {
    /// How long it can be: what a one-byte element holds (RFC 8285 §4.2).
    public static let limit = 16

    // Big-endian, zeros behind the end: two registers to compare.
    private let high: UInt64
    private let low: UInt64
    /// How many bytes it has.
    public let count: Int

    /// The label of these bytes; nil if there are none, or over sixteen.
    public init?(_ bytes: RawSpan) {
        guard (1...StreamLabel.limit).contains(bytes.byteCount) else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for index in 0..<bytes.byteCount {
            let byte = UInt64(unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))
            if index < 8 { high |= byte << UInt64(56 - index * 8) } else { low |= byte << UInt64(120 - index * 8) }
        }
        self.high = high
        self.low = low
        count = bytes.byteCount
    }

    /// The label of a text; nil if it is empty or has over sixteen bytes.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(unsafe bytes.span.bytes)
    }

    /// The byte at an index below `count`.
    public subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count, "a label of \(count) bytes")
        return UInt8(truncatingIfNeeded: index < 8 ? high >> UInt64(56 - index * 8) : low >> UInt64(120 - index * 8))
    }

    /// The label as text.
    public var description: String {
        String(decoding: (0..<count).map { self[$0] }, as: UTF8.self)
    }
}
