import Bytes
import RTP
import SDP
import Time

/// One slot as a browser receives it: puts packets in order, asks for what is missing, and looks whether the stream is valid.
final class SlotReceiver {
    struct Packet {
        var number: Int64
        var timestamp: RTPTimestamp
        var marker: Bool
        var payloadByteCount: Int
        var vp8: VP8Descriptor?
        var size: (width: Int, height: Int)?
    }

    /// A picture that could be shown.
    struct Frame {
        var at: Instant
        var width: Int
        var isKey: Bool
    }

    let mid: String
    let isVideo: Bool
    let ssrc: UInt32
    let rtx: UInt32?
    var statistics: ReceptionStatistics
    var losses: LossDetector

    /// When each packet with something in it came first.
    private(set) var arrivals: [(at: Instant, bytes: Int, payloadType: UInt8)] = []
    private(set) var frames: [Frame] = []
    /// What no valid stream does.
    private(set) var faults: [String] = []
    /// Packets that came by RTX, and numbers that were given up.
    private(set) var repaired = 0
    private(set) var givenUp: [(at: Instant, count: Int)] = []
    var wantsKeyFrame = false

    private var unwrapper = SequenceUnwrapper()
    private var seen: Set<Int64> = []
    private var waiting: [Int64: Packet] = [:]
    private var next: Int64?
    private var gapSince: Instant?
    private var last: Packet?
    private var width = 0
    private var isDecodable = false
    private var isKeyFrame = false

    init(mid: String, isVideo: Bool, ssrc: UInt32, rtx: UInt32?) {
        self.mid = mid
        self.isVideo = isVideo
        self.ssrc = ssrc
        self.rtx = rtx
        statistics = ReceptionStatistics(ssrc: SSRC(rawValue: ssrc), clockRate: isVideo ? 90_000 : 48_000)
        losses = LossDetector()
    }

    func receive(_ packet: RTPPacket, isRepair: Bool, now: Instant) {
        let header = packet.header
        statistics.receive(header, byteCount: packet.bytes.byteCount, isRetransmitted: isRepair, now: now)
        if isVideo { _ = losses.receive(header.sequenceNumber, now: now) }
        let number = unwrapper.unwrap(header.sequenceNumber).rawValue
        if isRepair { repaired += 1 }
        // RTX may repeat what came meanwhile; the stream itself says a number once.
        let isNew = seen.insert(number).inserted
        if !isNew, !isRepair { faults.append("number \(number) came again") }
        // What was given up may come late.
        guard isNew, number >= next ?? number else { return }
        let vp8 = isVideo ? VP8Descriptor(parsing: packet.payload) : nil
        if isVideo, header.payloadByteCount > 0, vp8 == nil { faults.append("no VP8 in \(number)") }
        var size: (width: Int, height: Int)?
        if let vp8, vp8.startsKeyFrame, packet.payload.byteCount >= vp8.byteCount + 10 {
            let at = vp8.byteCount + 6
            size = (
                Int(packet.payload.uint16(at: at).byteSwapped), Int(packet.payload.uint16(at: at + 2).byteSwapped)
            )
        }
        if header.payloadByteCount > 0 { arrivals.append((now, header.payloadByteCount, header.payloadType.rawValue)) }
        if next == nil { next = number }
        waiting[number] = Packet(
            number: number, timestamp: header.timestamp, marker: header.marker,
            payloadByteCount: header.payloadByteCount, vp8: vp8, size: size)
        drain(now)
    }

    /// Looks at what each packet of the slot and of its repairs must have, padding too: without the mid a browser would not know
    /// whose it is. The dependency descriptor counts another stream's frames.
    func check(_ packet: RTPPacket, _ extensions: ExtensionIDs) {
        if extensions[.mid] != 0 {
            var label: StreamLabel?
            if let element = packet.element(id: extensions[.mid]) { label = StreamLabel(element) }
            if label != StreamLabel(mid) { faults.append("mid \(label.map { "\($0)" } ?? "missing") in \(mid)") }
        }
        let descriptor = OfferBuilder.chromiumExtensions[.dependencyDescriptor] ?? 0
        if packet.element(id: descriptor) != nil { faults.append("a dependency descriptor") }
    }

    /// What waits too long for what is missing goes on without it: sound after 120 ms, pictures at a key frame after 1 s.
    func timeout(now: Instant) {
        guard let since = gapSince, let next, now - since >= (isVideo ? .seconds(1) : .milliseconds(120)) else {
            return
        }
        let later = waiting.values.filter { !isVideo || $0.vp8?.startsKeyFrame == true }.map(\.number)
        guard let from = later.min() else {
            wantsKeyFrame = true
            return
        }
        givenUp.append((now, Int(from - next) - waiting.keys.count { $0 < from }))
        for number in waiting.keys where number < from { waiting[number] = nil }
        self.next = from
        last = nil
        isDecodable = false
        gapSince = nil
        drain(now)
    }

    /// Numbers below the newest that neither came nor were given up.
    var missingCount: Int {
        guard let next, let newest = waiting.keys.max() else { return 0 }
        return Int(newest - next) + 1 - waiting.count
    }

    private func drain(_ now: Instant) {
        while let number = next, let packet = waiting.removeValue(forKey: number) {
            next = number + 1
            gapSince = nil
            guard packet.payloadByteCount > 0 else { continue }
            check(packet)
            last = packet
            if isVideo { decode(packet, now) }
        }
        if !waiting.isEmpty, gapSince == nil { gapSince = now }
    }

    private func check(_ packet: Packet) {
        guard let last else { return }
        let step = last.timestamp.distance(to: packet.timestamp)
        guard let old = last.vp8, let new = packet.vp8 else {
            if step <= 0, !isVideo { faults.append("time goes \(step) at \(packet.number)") }
            return
        }
        if step < 0 { faults.append("time goes \(step) at \(packet.number)") }
        let pictures = Int(((new.pictureID ?? 0) &- (old.pictureID ?? 0)) & 0x7fff)
        let layers = Int((new.tl0PictureIndex ?? 0) &- (old.tl0PictureIndex ?? 0))
        // Nothing is missing between the two, so it is the same picture or the next one.
        if pictures != (step == 0 ? 0 : 1) { faults.append("picture goes \(pictures) at \(packet.number)") }
        if layers != (step == 0 ? 0 : 1) { faults.append("layer index goes \(layers) at \(packet.number)") }
        if last.marker != new.startsFrame {
            // The part of another layer's picture that a key frame follows has no end.
            if !new.startsKeyFrame { faults.append("a picture is torn at \(packet.number)") }
        }
    }

    private func decode(_ packet: Packet, _ now: Instant) {
        if packet.vp8?.startsKeyFrame == true {
            isDecodable = true
            isKeyFrame = true
            if let size = packet.size { width = size.width }
        }
        guard packet.marker else { return }
        if isDecodable { frames.append(Frame(at: now, width: width, isKey: isKeyFrame)) } else { wantsKeyFrame = true }
        isKeyFrame = false
    }
}

extension SlotReceiver {
    /// Of some stretch of time: pictures shown.
    func shown(from start: Instant, to end: Instant) -> [Frame] { frames.filter { $0.at >= start && $0.at < end } }

    /// The longest time without a new picture in it.
    func longestFreeze(from start: Instant, to end: Instant) -> Interval {
        var longest = Interval.zero
        var before = start
        for at in shown(from: start, to: end).map(\.at) + [end] {
            longest = max(longest, at - before)
            before = at
        }
        return longest
    }

    /// How long pictures stood still in it, as browsers count it: gaps of three frames or 150 ms over the usual one. A browser shows
    /// what it has a little later, so that what is sent again is in time; here 100 ms after the first picture's pace.
    func frozen(from start: Instant, to end: Instant) -> Interval {
        let usual = Interval.microseconds(33_333)
        let frames = shown(from: start, to: end)
        guard let first = frames.first else { return end - start }
        var total = Interval.zero
        var before = start
        for (index, frame) in frames.enumerated() {
            let at = max(frame.at, first.at + usual * Int64(index) + .milliseconds(100))
            if at - before > max(usual * 3, usual + .milliseconds(150)) { total += at - before }
            before = at
        }
        return total + (end - before > .milliseconds(183) ? end - before : .zero)
    }

    /// Packets that came in it.
    func packets(from start: Instant, to end: Instant) -> Int { arrivals.count { $0.at >= start && $0.at < end } }
}
