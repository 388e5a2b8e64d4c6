internal import Bytes

/// The CRC of ISO 3309, as FINGERPRINT uses it (RFC 8489 §14.7).
enum CRC32 {
    /// The checksum of the first `count` bytes.
    static func checksum(of bytes: RawSpan, first count: Int) -> UInt32 {
        var crc: UInt32 = 0xffff_ffff
        for offset in 0..<count {
            crc = crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ bytes.uint8(at: offset))]
        }
        return ~crc
    }

    /// The remainder of each byte, for the reflected polynomial 0xEDB88320.
    private static let table: [256 of UInt32] = {
        var table = [256 of UInt32](repeating: 0)
        for byte in 0..<256 {
            var remainder = UInt32(byte)
            for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0xedb8_8320 : 0) }
            table[byte] = remainder
        }
        return table
    }()
}
