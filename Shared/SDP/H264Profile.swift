/// The profile that an H.264 `profile-level-id` means (RFC 6184 §8.1, table 5).
public enum H264Profile: Sendable, Hashable {
    /// What every browser and phone decodes.
    case constrainedBaseline
    /// With tools that nobody uses.
    case baseline
    /// With B pictures.
    case main
    /// High without B pictures.
    case constrainedHigh
    /// With 8x8 transforms.
    case high
    /// 4:4:4.
    case highPredictive444
    /// Anything else.
    case other

    /// The profile of six hexadecimal digits; nil if they are none. Without the parameter it is baseline (§8.1).
    public init?(profileLevelID: String?) {
        guard let profileLevelID else {
            self = .baseline
            return
        }
        // The conversion alone would take a sign.
        guard profileLevelID.utf8.count == 6, profileLevelID.utf8.first != 0x2b,
            let number = UInt32(profileLevelID, radix: 16)
        else { return nil }
        let flags = UInt8(truncatingIfNeeded: number >> 8)
        self =
            switch number >> 16 {
            // Constrained baseline: 42 x1xx0000, 4D 1xxx0000, 58 11xx0000. Baseline: 42 x0xx0000, 58 10xx0000.
            case 0x42 where flags & 0x4f == 0x40: .constrainedBaseline
            case 0x42 where flags & 0x4f == 0x00: .baseline
            case 0x4d where flags & 0x8f == 0x80: .constrainedBaseline
            case 0x4d where flags & 0xaf == 0x00: .main
            case 0x58 where flags & 0xcf == 0xc0: .constrainedBaseline
            case 0x58 where flags & 0xcf == 0x80: .baseline
            case 0x64 where flags == 0x00: .high
            case 0x64 where flags == 0x0c: .constrainedHigh
            case 0xf4 where flags == 0x00: .highPredictive444
            default: .other
            }
    }
}
