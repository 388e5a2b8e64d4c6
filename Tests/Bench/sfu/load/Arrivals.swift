import Bytes
import RTP
import Time

/// What one member receives: checked, and what it owes the node for it.
struct Arrivals: ~Copyable {
    struct Stream {
        var statistics: ReceptionStatistics
        var last: SequenceNumber
        var member: UInt32
        var number: UInt64
        var heardAt: Instant
    }

    private(set) var streams: [UInt32: Stream] = [:]
    private var feedback = TransportFeedbackBuilder(capacity: 4_096)
    private let extensions: HeaderExtensionMap

    init() {
        var map = HeaderExtensionMap()
        map[.absoluteSendTime] = 2
        map[.transportSequenceNumber] = 3
        map[.mid] = 4
        extensions = map
    }

    /// Streams of which something came lately.
    func flows(_ now: Instant) -> Int { streams.values.count { now - $0.heardAt < .milliseconds(500) } }

    /// Takes an opened packet.
    mutating func receive(_ bytes: RawSpan, isSealed: Bool, _ window: inout Window, now: Instant) {
        guard let packet = try? RTPPacket(parsing: bytes) else {
            window.wrong += 1
            return
        }
        if !isSealed, let number = packet.extensions(extensions).transportSequenceNumber(in: bytes) {
            feedback.receive(number, now: now)
        }
        let header = packet.header
        // Padding and repairs come on streams of their own.
        guard header.payloadType.rawValue != LoadMember.repairPayloadType, header.payloadByteCount > 0 else {
            window.padding += 1
            return
        }
        window.received += 1
        var stream =
            streams[header.ssrc.rawValue]
            ?? Stream(
                statistics: ReceptionStatistics(ssrc: header.ssrc, clockRate: 90_000),
                last: header.sequenceNumber.advanced(by: -1), member: .max, number: 0, heardAt: now)
        stream.statistics.receive(header, byteCount: bytes.byteCount, now: now)
        if stream.last.distance(to: header.sequenceNumber) != 1 { window.gaps += 1 }
        stream.last = header.sequenceNumber
        stream.heardAt = now
        // What the yardstick sealed is not opened: nobody knows its keys.
        if !isSealed { check(packet, &stream, &window) }
        streams[header.ssrc.rawValue] = stream
    }

    private func check(_ packet: RTPPacket, _ stream: inout Stream, _ window: inout Window) {
        guard let marker = Marker(in: packet.payload) else {
            window.wrong += 1
            return
        }
        if stream.member == marker.member, marker.number != stream.number &+ 1 { window.wrong += 1 }
        stream.member = marker.member
        stream.number = marker.number
        window.delays.append(MonotonicTime.now - marker.sentAt)
    }

    /// Takes a sender's report.
    mutating func receive(_ report: SenderReport, now: Instant) {
        streams[report.ssrc.rawValue]?.statistics.receive(report, now: now)
    }

    /// Writes transport-wide feedback; false where there is nothing (more) to tell.
    mutating func writeFeedback(_ sender: SSRC, to output: inout OutputRawSpan) -> Bool {
        guard !feedback.isEmpty, let media = streams.keys.first else { return false }
        return (try? feedback.write(sender: sender, media: SSRC(rawValue: media), to: &output)) ?? false
    }

    /// Writes what a receiver reports once a second.
    mutating func writeReport(_ sender: SSRC, to output: inout OutputRawSpan, now: Instant) {
        var blocks: [ReportBlock] = []
        for ssrc in streams.keys where blocks.count < RTCPWriter.blockLimit {
            if let block = streams[ssrc]?.statistics.nextReport(now: now) { blocks.append(block) }
        }
        try? RTCPWriter.receiverReport(sender: sender, blocks: blocks.span, to: &output)
    }
}
