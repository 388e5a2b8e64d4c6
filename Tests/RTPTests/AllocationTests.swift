import Bytes
import CAllocations
import RTP
import Testing
import Time

@Suite(.enabled(if: allocation_counts_are_exact(), "a sanitizer allocates and retains by itself"))
struct AllocationTests {
    /// A worker's way of a video packet: read, remembered, rewritten for each of some receivers, and asked for again.
    struct Forwarder: ~Copyable {
        let ids = HeaderExtensionMap.chromium
        let receiver = ReceiverExtensions(ids: .firefox, mid: StreamLabel("12"))
        var ring = PacketRing(capacity: 256)
        var detector = LossDetector()
        var feedback = TransportFeedbackBuilder(capacity: 256)
        var statistics = ReceptionStatistics(ssrc: SSRC(rawValue: 1), clockRate: 90_000)
        var rewriter = StreamRewriter(
            ssrc: SSRC(rawValue: 7), codec: .vp8, firstSequenceNumber: SequenceNumber(rawValue: 1),
            firstTimestamp: RTPTimestamp(rawValue: 1), history: 256)
        var rtx = RTXStream(
            ssrc: SSRC(rawValue: 8), payloadType: PayloadType(rawValue: 97),
            firstSequenceNumber: SequenceNumber(rawValue: 1))
        var written = 0

        init() { rewriter.switchSource(to: SSRC(rawValue: 1), keepingHistory: false) }

        mutating func receive(_ bytes: RawSpan, now: Instant, output: inout OutputRawSpan) {
            guard let packet = try? RTPPacket(parsing: bytes) else { return }
            let header = packet.header
            let places = packet.extensions(ids)
            let vp8 = VP8Descriptor(parsing: packet.payload)
            _ = detector.receive(header.sequenceNumber, now: now)
            if let number = places.transportSequenceNumber(in: bytes) { feedback.receive(number, now: now) }
            statistics.receive(header, byteCount: bytes.byteCount, now: now)
            ring.store(bytes, sequenceNumber: header.sequenceNumber)
            guard case .forward(let outgoing) = rewriter.rewrite(header, vp8: vp8, now: now),
                let sent = try? packet.write(outgoing, from: places, for: receiver, to: &output)
            else { return }
            written += sent.byteCount
        }

        mutating func repeatPacket(_ number: SequenceNumber, output: inout OutputRawSpan) {
            guard case .packet(let origin) = rewriter.retransmission(of: number),
                let header = ring.header(origin.sequenceNumber)
            else { return }
            let wrapped = rtx.wrap(origin.outgoing(for: header))
            var count = 0
            if let bytes = ring.packet(origin.sequenceNumber) {
                let packet = RTPPacket(bytes, checked: header)
                let places = packet.extensions(ids)
                count = (try? packet.write(wrapped, from: places, for: receiver, to: &output).byteCount) ?? 0
            }
            written += count
        }

        mutating func report(now: Instant, output: inout OutputRawSpan) {
            guard let block = statistics.nextReport(now: now) else { return }
            let blocks: [1 of ReportBlock] = [block]
            try? RTCPWriter.receiverReport(sender: SSRC(rawValue: 9), blocks: blocks.span, to: &output)
            _ = try? feedback.write(sender: SSRC(rawValue: 9), media: SSRC(rawValue: 1), to: &output)
            _ = try? detector.writeNACK(
                sender: SSRC(rawValue: 9), media: SSRC(rawValue: 1), roundTrip: .milliseconds(20), now: now, to: &output
            )
            var reader = RTCPReader(output.bytes)
            while let packet = try? reader.next() {
                if let feedback = try? packet.transportFeedback() { feedback.forEach { _, _ in } }
                packet.forEachNACK { _ in }
            }
        }
    }

    /// Packets of 1,100 bytes, each hundredth lost.
    func run(_ forwarder: inout Forwarder, packets: Range<Int>, counting: Bool) {
        var bytes = hex("90 e0 0000 00000000 00000001 bede0003 411234 9030 3001 22aaaaaa 00 90e0 8001 22 40 01")
        bytes += [UInt8](repeating: 5, count: 1100 - bytes.count)
        let out = UnsafeMutableRawBufferPointer.allocate(byteCount: 1500, alignment: 16)
        defer { unsafe out.deallocate() }
        if counting { allocation_counts_begin() }
        for index in packets {
            let now = Instant.zero + .milliseconds(Int64(index))
            bytes[2] = UInt8(truncatingIfNeeded: index >> 8)
            bytes[3] = UInt8(truncatingIfNeeded: index)
            bytes[17] = bytes[2]
            bytes[18] = bytes[3]
            guard index % 100 != 50 else { continue }
            var output = unsafe OutputRawSpan(buffer: out, initializedCount: 0)
            forwarder.receive(bytes.span.raw, now: now, output: &output)
            if index % 50 == 1 {
                output.removeAll()
                forwarder.repeatPacket(SequenceNumber(rawValue: UInt16(truncatingIfNeeded: index)), output: &output)
                output.removeAll()
                forwarder.report(now: now, output: &output)
            }
            unsafe _ = output.finalize(for: out)
        }
        if counting { allocation_counts_end() }
    }

    @Test func `nothing is allocated or retained on a packet's way, or for what is said of it`() {
        var forwarder = Forwarder()
        run(&forwarder, packets: 0..<1000, counting: false)
        run(&forwarder, packets: 1000..<3000, counting: true)
        let counts = allocation_counts_now()
        let written = forwarder.written
        #expect(written > 3_000_000)
        #expect(counts.allocations == 0, "\(counts)")
        #expect(counts.objects == 0, "\(counts)")
        #expect(counts.retains < 20, "\(counts)")
    }

    /// No limit, as machines differ: 400 ns here, of which two copies of 1,100 bytes are a fifth.
    @Test func `how long a packet takes is printed`() {
        var forwarder = Forwarder()
        let time = ContinuousClock().measure { run(&forwarder, packets: 0..<100_000, counting: false) }
        print("RTP: \(Interval(time).nanoseconds / 100_000) ns a packet received, remembered and written once")
    }
}
