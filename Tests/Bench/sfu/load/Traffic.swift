import Bytes
import RTP
import Time

/// What a member sends, as browsers do: frames of several near-equal packets, or sound.
struct Traffic {
    enum Kind: String { case video, sound }

    var kind: Kind
    /// Frames, or packets of sound, a second.
    var rate: Int
    /// Of a frame; one for sound.
    var packets: Int
    /// How long a packet is on the wire, before it is sealed, about.
    var bytes: Int

    var period: Interval { Interval(nanoseconds: 1_000_000_000 / Int64(rate)) }
    var clockRate: Int { kind == .video ? 90_000 : 48_000 }

    /// The sizes of a frame's packets. As libwebrtc cuts a frame: they differ by one byte at most, the longer ones at the end.
    /// A frame is up to a hundredth longer or shorter than the one before.
    func sizes(of frame: UInt64) -> (small: Int, larger: Int) {
        guard kind == .video else { return (bytes, 0) }
        let spread = bytes * packets / 100
        let total = bytes * packets - Int(frame &* 0x9e37_79b9 % UInt64(max(1, spread)))
        return (total / packets, total % packets)
    }
}

/// What each payload bears behind its codec's head, so that one which went astray, or was damaged, is noticed.
struct Marker: Equatable {
    static let offset = 16
    static let byteCount = 24
    static let magic: UInt32 = 0x524f_4f53

    /// Who sent it.
    var member: UInt32
    /// Its number among all that this member sent of the kind.
    var number: UInt64
    var sentAt: Instant

    /// Nil where there is none.
    init?(in payload: RawSpan) {
        guard payload.byteCount >= Marker.offset + Marker.byteCount,
            payload.uint32(at: Marker.offset) == Marker.magic
        else { return nil }
        member = payload.uint32(at: Marker.offset + 4)
        number = payload.uint64(at: Marker.offset + 8)
        sentAt = Instant(nanoseconds: Int64(bitPattern: payload.uint64(at: Marker.offset + 16)))
    }

    init(member: UInt32, number: UInt64, sentAt: Instant) {
        self.member = member
        self.number = number
        self.sentAt = sentAt
    }

    func write(to output: inout OutputRawSpan) throws(BytesError) {
        try output.write(Marker.magic)
        try output.write(member)
        try output.write(number)
        try output.write(UInt64(bitPattern: sentAt.nanoseconds))
    }
}

/// A stream that a member sends.
struct OutgoingStream {
    let ssrc: UInt32
    let payloadType: UInt8
    let isVideo: Bool
    var sequenceNumber: UInt16
    var timestamp: UInt32
    var frame: UInt64 = 0
    var packetCount: UInt64 = 0
    var octetCount: UInt64 = 0
    /// The next frame is to be one that a decoder can begin with.
    var wantsKeyFrame = true

    init(ssrc: UInt32, payloadType: UInt8, isVideo: Bool) {
        self.ssrc = ssrc
        self.payloadType = payloadType
        self.isVideo = isVideo
        sequenceNumber = .random(in: 0...0x7fff)
        timestamp = .random(in: 0 ... .max)
    }

    /// Extension ids as `OfferBuilder.chromiumExtensions` has them.
    private static let (level, sendTime, transportNumber): (UInt8, UInt8, UInt8) = (1, 2, 3)

    /// Writes the packet that is next, of so many bytes, in a frame whose key is asked for.
    mutating func write(
        _ byteCount: Int, isFirst: Bool, isLast: Bool, transportNumber: UInt16, member: UInt32, now: Instant,
        to output: inout OutputRawSpan
    ) throws(BytesError) {
        try output.write(UInt8(0x90))
        try output.write(payloadType | (isVideo && isLast ? 0x80 : 0))
        try output.write(sequenceNumber)
        try output.write(timestamp)
        try output.write(ssrc)
        try output.write(UInt32(isVideo ? 0xbede_0002 : 0xbede_0003))
        let sendTime = AbsoluteSendTime(now).rawValue
        try output.write(UInt32(OutgoingStream.sendTime << 4 | 2) << 24 | sendTime & 0xff_ffff)
        try output.write(OutgoingStream.transportNumber << 4 | 1)
        try output.write(transportNumber)
        if isVideo {
            try output.write(UInt8(0))
        } else {
            try output.write(OutgoingStream.level << 4)
            // A voice at -30 dBov.
            try output.write(UInt8(0x80 | 30))
            try output.writeZeros(3)
        }
        let head = output.byteCount
        if isVideo { try writeVP8(isFirst: isFirst, to: &output) }
        try output.writeZeros(head + Marker.offset - output.byteCount)
        try Marker(member: member, number: packetCount, sentAt: now).write(to: &output)
        if output.byteCount < byteCount { try output.writeZeros(byteCount - output.byteCount) }
        sequenceNumber &+= 1
        packetCount &+= 1
        octetCount &+= UInt64(output.byteCount - head)
    }

    /// The descriptor as Chromium writes it, with a long picture id (RFC 7741 §4.2), and before a frame its own head (§4.3).
    private func writeVP8(isFirst: Bool, to output: inout OutputRawSpan) throws(BytesError) {
        try output.write(UInt8(isFirst ? 0x90 : 0x80))
        try output.write(UInt8(0x80))
        try output.write(0x8000 | UInt16(truncatingIfNeeded: frame) & 0x7fff)
        guard isFirst else { return }
        guard wantsKeyFrame else { return try output.write(UInt8(1)) }
        // A key frame of 640 by 360.
        for byte: UInt8 in [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01] { try output.write(byte) }
    }
}
