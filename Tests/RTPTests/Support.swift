import Bytes
import RTP

/// The bytes of a hex text; blanks and line breaks are for the reader.
func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    precondition(digits.count.isMultiple(of: 2), "an odd number of hex digits")
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// The error of a call, nil if it succeeds.
func refusal(_ body: () throws(RTPError) -> Void) -> RTPError? {
    do throws(RTPError) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// Random numbers that are the same in each run (SplitMix64), so that a failure can be looked at again.
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

extension HeaderExtensionMap {
    /// The ids that Chromium offers for video.
    static var chromium: HeaderExtensionMap {
        var ids = HeaderExtensionMap()
        ids[.absoluteSendTime] = 2
        ids[.videoOrientation] = 3
        ids[.transportSequenceNumber] = 4
        ids[.playoutDelay] = 5
        ids[.mid] = 9
        ids[.rid] = 10
        ids[.repairedRID] = 11
        ids[.dependencyDescriptor] = 13
        return ids
    }

    /// The ids that Firefox offers.
    static var firefox: HeaderExtensionMap {
        var ids = HeaderExtensionMap()
        ids[.audioLevel] = 1
        ids[.mid] = 3
        ids[.absoluteSendTime] = 4
        ids[.videoOrientation] = 5
        ids[.transportSequenceNumber] = 7
        ids[.dependencyDescriptor] = 12
        return ids
    }
}

/// A packet that goes out, of small numbers.
func outgoing(marker: Bool = false) -> OutgoingRTP {
    OutgoingRTP(
        marker: marker, payloadType: PayloadType(rawValue: 100), sequenceNumber: SequenceNumber(rawValue: 7),
        timestamp: RTPTimestamp(rawValue: 9), ssrc: SSRC(rawValue: 0xabcd))
}
