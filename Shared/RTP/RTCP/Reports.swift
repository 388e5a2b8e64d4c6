internal import Bytes
public import Time

/// What a sender says of its stream (RFC 3550 §6.4.1).
public struct SenderReport: Hashable, Sendable {
    /// The stream.
    public var ssrc: SSRC
    /// The sender's clock at the moment of the report.
    public var ntp: NTPTime
    /// The same moment on the stream's clock.
    public var timestamp: RTPTimestamp
    /// How many packets were sent.
    public var packetCount: UInt32
    /// How many bytes of payload were sent.
    public var octetCount: UInt32

    /// A report.
    public init(ssrc: SSRC, ntp: NTPTime, timestamp: RTPTimestamp, packetCount: UInt32, octetCount: UInt32) {
        self.ssrc = ssrc
        self.ntp = ntp
        self.timestamp = timestamp
        self.packetCount = packetCount
        self.octetCount = octetCount
    }
}

/// How well a stream arrives (RFC 3550 §6.4.1).
public struct ReportBlock: Hashable, Sendable {
    /// The stream.
    public var ssrc: SSRC
    /// The share of packets lost since the last report, in 1/256.
    public var fractionLost: UInt8
    /// How many packets were lost in all; 24 bits on the wire, negative where duplicates came.
    public var cumulativeLost: Int32
    /// The newest sequence number, with its cycles in the upper half.
    public var highestSequenceNumber: UInt32
    /// The jitter of arrivals, in ticks of the stream's clock.
    public var jitter: UInt32
    /// The middle of the NTP time of the newest sender report; 0 if none came.
    public var lastSenderReport: UInt32
    /// How long ago that report came, in 1/65,536 s.
    public var delaySinceLastSenderReport: UInt32

    /// A block.
    public init(
        ssrc: SSRC, fractionLost: UInt8 = 0, cumulativeLost: Int32 = 0, highestSequenceNumber: UInt32 = 0,
        jitter: UInt32 = 0, lastSenderReport: UInt32 = 0, delaySinceLastSenderReport: UInt32 = 0
    ) {
        self.ssrc = ssrc
        self.fractionLost = fractionLost
        self.cumulativeLost = cumulativeLost
        self.highestSequenceNumber = highestSequenceNumber
        self.jitter = jitter
        self.lastSenderReport = lastSenderReport
        self.delaySinceLastSenderReport = delaySinceLastSenderReport
    }

    /// The round trip as its sender of reports sees it, who gives its clock at arrival (RFC 3550 §6.4.1, figure 2). Nil
    /// if no report came there, or if the numbers would make it negative or longer than a minute: both are lies.
    public func roundTrip(now: NTPTime) -> Interval? {
        guard lastSenderReport != 0 else { return nil }
        let ticks = now.middle &- lastSenderReport &- delaySinceLastSenderReport
        guard ticks < 60 << 16 else { return nil }
        return Interval(nanoseconds: (Int64(ticks) * 1_000_000_000) >> 16)
    }
}

extension RTCPPacket {
    /// The sender's part of an SR; nil for another kind.
    public func senderReport() -> SenderReport? {
        guard kind == .senderReport else { return nil }
        return SenderReport(
            ssrc: SSRC(rawValue: body.uint32(at: 0)), ntp: NTPTime(rawValue: body.uint64(at: 4)),
            timestamp: RTPTimestamp(rawValue: body.uint32(at: 12)), packetCount: body.uint32(at: 16),
            octetCount: body.uint32(at: 20))
    }

    /// How many report blocks an SR or RR has; 0 for another kind.
    public var reportBlockCount: Int {
        switch kind {
        case .senderReport, .receiverReport: Int(format)
        default: 0
        }
    }

    /// The report block at an index below `reportBlockCount`.
    public func reportBlock(at index: Int) -> ReportBlock {
        precondition(index >= 0 && index < reportBlockCount, "only \(reportBlockCount) blocks are listed")
        let offset = (kind == .senderReport ? 24 : 4) + index * RTCPPacket.blockByteCount
        let lost = body.uint32(at: offset + 4)
        return ReportBlock(
            ssrc: SSRC(rawValue: body.uint32(at: offset)), fractionLost: UInt8(truncatingIfNeeded: lost >> 24),
            cumulativeLost: Int32(bitPattern: lost << 8) >> 8, highestSequenceNumber: body.uint32(at: offset + 8),
            jitter: body.uint32(at: offset + 12), lastSenderReport: body.uint32(at: offset + 16),
            delaySinceLastSenderReport: body.uint32(at: offset + 20))
    }

    /// Calls `body` with each source of an SDES and its CNAME (RFC 3550 §6.5.1). A cut chunk ends the list.
    public func forEachCNAME(_ visit: (SSRC, RawSpan) -> Void) {
        guard kind == .sourceDescription else { return }
        var offset = 0
        for _ in 0..<format {
            guard body.byteCount - offset >= 4 else { return }
            let ssrc = SSRC(rawValue: body.uint32(at: offset))
            offset += 4
            while true {
                guard offset < body.byteCount else { return }
                let item = body.uint8(at: offset)
                guard item != 0 else { break }
                guard body.byteCount - offset >= 2 else { return }
                let length = Int(body.uint8(at: offset + 1))
                guard body.byteCount - offset - 2 >= length else { return }
                if item == 1 { visit(ssrc, body.extracting((offset + 2)..<(offset + 2 + length))) }
                offset += 2 + length
            }
            // The list of items ends with one zero at least, up to the next word (§6.5).
            offset = (offset + 4) & ~3
        }
    }

    /// Calls `body` with each source that a BYE ends.
    public func forEachGoodbye(_ visit: (SSRC) -> Void) {
        guard kind == .goodbye else { return }
        for index in 0..<Int(format) { visit(SSRC(rawValue: body.uint32(at: index * 4))) }
    }
}
