internal import Bytes

/// Writes RTCP packets, each appended to what is written already: a compound is a few calls on one output.
///
/// A packet that does not fit throws `.noRoom` and leaves the output as it was.
public enum RTCPWriter {
    /// How many blocks a report can have: its count has five bits.
    public static let blockLimit = 31

    /// SR, with blocks about streams that its sender receives.
    public static func senderReport(
        _ report: SenderReport, blocks: Span<ReportBlock> = Span(), to output: inout OutputRawSpan
    ) throws(RTPError) {
        guard blocks.count <= blockLimit else { throw .tooMany(blocks.count) }
        try packet(.senderReport, UInt8(blocks.count), byteCount: 24 + blocks.count * 24, to: &output) {
            (output) throws(BytesError) in
            try output.write(report.ssrc.rawValue)
            try output.write(report.ntp.rawValue)
            try output.write(report.timestamp.rawValue)
            try output.write(report.packetCount)
            try output.write(report.octetCount)
            for index in blocks.indices { try write(blocks[index], to: &output) }
        }
    }

    /// RR. Without blocks it is what begins a compound of who has nothing to report.
    public static func receiverReport(
        sender: SSRC, blocks: Span<ReportBlock> = Span(), to output: inout OutputRawSpan
    ) throws(RTPError) {
        guard blocks.count <= blockLimit else { throw .tooMany(blocks.count) }
        try packet(.receiverReport, UInt8(blocks.count), byteCount: 4 + blocks.count * 24, to: &output) {
            (output) throws(BytesError) in
            try output.write(sender.rawValue)
            for index in blocks.indices { try write(blocks[index], to: &output) }
        }
    }

    /// SDES with the CNAME of one source, up to 255 bytes (RFC 3550 §6.5.1).
    public static func sourceDescription(
        _ ssrc: SSRC, cname: RawSpan, to output: inout OutputRawSpan
    ) throws(RTPError) {
        guard cname.byteCount <= 255 else { throw .tooMany(cname.byteCount) }
        // One zero at least ends the items, up to the next word.
        let items = (2 + cname.byteCount + 4) & ~3
        try packet(.sourceDescription, 1, byteCount: 4 + items, to: &output) { (output) throws(BytesError) in
            try output.write(ssrc.rawValue)
            try output.write(UInt8(1))
            try output.write(UInt8(cname.byteCount))
            try output.write(cname)
            try output.writeZeros(items - 2 - cname.byteCount)
        }
    }

    /// BYE of one source.
    public static func goodbye(_ ssrc: SSRC, to output: inout OutputRawSpan) throws(RTPError) {
        try packet(.goodbye, 1, byteCount: 4, to: &output) { (output) throws(BytesError) in
            try output.write(ssrc.rawValue)
        }
    }

    /// NACK: at least one entry.
    public static func nack(
        sender: SSRC, media: SSRC, entries: Span<NACKEntry>, to output: inout OutputRawSpan
    ) throws(RTPError) {
        precondition(!entries.isEmpty, "a NACK without entries is malformed (RFC 4585 §6.2.1)")
        let byteCount = 8 + entries.count * 4
        try packet(.transportFeedback, FeedbackFormat.nack, byteCount: byteCount, to: &output) {
            (output) throws(BytesError) in
            try output.write(sender.rawValue)
            try output.write(media.rawValue)
            for index in entries.indices {
                try output.write(entries[index].first.rawValue)
                try output.write(entries[index].following)
            }
        }
    }

    /// PLI.
    public static func pictureLoss(sender: SSRC, media: SSRC, to output: inout OutputRawSpan) throws(RTPError) {
        try packet(.payloadFeedback, FeedbackFormat.pictureLoss, byteCount: 8, to: &output) {
            (output) throws(BytesError) in
            try output.write(sender.rawValue)
            try output.write(media.rawValue)
        }
    }

    /// FIR about one stream; `number` goes up by one for each new wish (RFC 5104 §4.3.1.2).
    public static func fullIntra(
        sender: SSRC, media: SSRC, number: UInt8, to output: inout OutputRawSpan
    ) throws(RTPError) {
        try packet(.payloadFeedback, FeedbackFormat.fullIntra, byteCount: 16, to: &output) {
            (output) throws(BytesError) in
            try output.write(sender.rawValue)
            try output.write(UInt32(0))
            try output.write(media.rawValue)
            try output.write(UInt32(number) << 24)
        }
    }

    /// REMB about up to 255 streams; the bit rate is rounded down to 18 significant bits.
    public static func receiverBitRate(
        sender: SSRC, bitsPerSecond: UInt64, sources: Span<SSRC>, to output: inout OutputRawSpan
    ) throws(RTPError) {
        guard sources.count <= 255 else { throw .tooMany(sources.count) }
        let exponent = UInt32(max(0, 64 - bitsPerSecond.leadingZeroBitCount - 18))
        let mantissa = UInt32(truncatingIfNeeded: bitsPerSecond >> UInt64(exponent))
        let byteCount = 16 + sources.count * 4
        try packet(.payloadFeedback, FeedbackFormat.application, byteCount: byteCount, to: &output) {
            (output) throws(BytesError) in
            try output.write(sender.rawValue)
            try output.write(UInt32(0))
            try output.write(FeedbackFormat.remb)
            try output.write(UInt32(sources.count) << 24 | exponent << 18 | mantissa)
            for index in sources.indices { try output.write(sources[index].rawValue) }
        }
    }

    private static func write(_ block: ReportBlock, to output: inout OutputRawSpan) throws(BytesError) {
        try output.write(block.ssrc.rawValue)
        // RFC 3550 §6.4.1: 24 bits; a count beyond stays at the end of its range (appendix A.3).
        let lost = UInt32(bitPattern: min(max(block.cumulativeLost, -0x80_0000), 0x7f_ffff)) & 0xff_ffff
        try output.write(UInt32(block.fractionLost) << 24 | lost)
        try output.write(block.highestSequenceNumber)
        try output.write(block.jitter)
        try output.write(block.lastSenderReport)
        try output.write(block.delaySinceLastSenderReport)
    }

    /// The four bytes before each packet, then its body of `byteCount` bytes, a multiple of four, padding among them.
    static func packet(
        _ type: RTCPType, _ format: UInt8, byteCount: Int, hasPadding: Bool = false, to output: inout OutputRawSpan,
        body: (inout OutputRawSpan) throws(BytesError) -> Void
    ) throws(RTPError) {
        let left = output.freeCapacity
        guard byteCount + 4 <= left else { throw .noRoom(needed: byteCount + 4, left: left) }
        do throws(BytesError) {
            let first: UInt32 = hasPadding ? 0xa000_0000 : 0x8000_0000
            try output.write(first | UInt32(format) << 24 | UInt32(type.rawValue) << 16 | UInt32(byteCount / 4))
            try body(&output)
        } catch {
            throw .noRoom(needed: byteCount + 4, left: left)
        }
    }
}
