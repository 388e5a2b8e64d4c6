import SRTP

/// A key that is no secret.
func masterKey(_ profile: SRTPProfile, _ seed: UInt8 = 1) -> SRTPMasterKey? {
    SRTPMasterKey(
        profile, key: (0..<profile.keyLength).map { UInt8($0) &* 7 &+ seed },
        salt: (0..<profile.saltLength).map { UInt8($0) &* 11 &+ seed })
}

/// Master key and salt in a row, as libsrtp2 takes them.
func masterKeyBytes(_ profile: SRTPProfile, _ seed: UInt8 = 1) -> [UInt8] {
    (0..<profile.keyLength).map { UInt8($0) &* 7 &+ seed } + (0..<profile.saltLength).map { UInt8($0) &* 11 &+ seed }
}

/// An RTP packet with `csrcs` CSRCs, perhaps an extension of eight bytes, and a payload that its number makes.
func packet(
    _ sequence: UInt16, ssrc: UInt32 = 0x1234_5678, csrcs: Int = 0, extended: Bool = false, payload: Int = 100
) -> [UInt8] {
    var bytes: [UInt8] = [0x80 | UInt8(csrcs) | (extended ? 0x10 : 0), 96, UInt8(sequence >> 8), UInt8(sequence & 255)]
    bytes += [1, 2, 3, 4] + number(ssrc)
    for csrc in 0..<csrcs { bytes += number(UInt32(csrc)) }
    if extended { bytes += [0xbe, 0xde, 0, 2, 0x10, 1, 0x20, 2, 0, 0, 0, 0] }
    return bytes + (0..<payload).map { UInt8(truncatingIfNeeded: $0 &+ Int(sequence)) }
}

/// A receiver report and a feedback message.
func report(ssrc: UInt32 = 0x1234_5678, _ count: Int = 24) -> [UInt8] {
    [0x81, 201, 0, 7] + number(ssrc) + (0..<count).map { UInt8(truncatingIfNeeded: $0) }
}

func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) } }

extension SRTPSealer {
    mutating func seal(_ packet: [UInt8]) throws(SRTPError) -> [UInt8] {
        try unsafe inPlace(packet) { (buffer, length) throws(SRTPError) in try unsafe sealRTP(buffer, length: length) }
    }

    mutating func sealControl(_ packet: [UInt8]) throws(SRTPError) -> [UInt8] {
        try unsafe inPlace(packet) { (buffer, length) throws(SRTPError) in try unsafe sealRTCP(buffer, length: length) }
    }
}

extension SRTPOpener {
    mutating func open(_ packet: [UInt8]) throws(SRTPError) -> [UInt8] {
        try unsafe inPlace(packet, room: 0) { (buffer, _) throws(SRTPError) in try unsafe openRTP(buffer) }
    }

    mutating func openControl(_ packet: [UInt8]) throws(SRTPError) -> [UInt8] {
        try unsafe inPlace(packet, room: 0) { (buffer, _) throws(SRTPError) in try unsafe openRTCP(buffer) }
    }
}

/// What `body` makes of a packet with room behind it.
func inPlace(
    _ packet: [UInt8], room: Int = 32, _ body: (UnsafeMutableRawBufferPointer, Int) throws(SRTPError) -> Int
) throws(SRTPError) -> [UInt8] {
    var bytes = packet + [UInt8](repeating: 0xaa, count: room)
    var span = bytes.mutableSpan
    let length = try unsafe span.withUnsafeMutableBytes { (buffer) throws(SRTPError) -> Int in
        try unsafe body(buffer, packet.count)
    }
    return Array(bytes[..<length])
}

/// What was thrown, for comparing.
func refusal(_ body: () throws(SRTPError) -> [UInt8]) -> SRTPError? {
    do throws(SRTPError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

/// The same numbers for the same seed.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
