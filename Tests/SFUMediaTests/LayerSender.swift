import Bytes
import RTP
import SDP
import Time

/// One layer of pictures as a browser sends it, VP8-shaped: frames of near-equal packets, a key frame when asked, repairs over RTX.
struct LayerSender {
    let mid: String
    /// Nil without simulcast.
    let rid: String?
    let ssrc: UInt32
    let rtx: UInt32
    let width: Int
    let height: Int
    let bitsPerSecond: Int
    /// Told by the node: nobody takes it where false.
    var isActive = true {
        didSet { if isActive, !oldValue { wantsKeyFrame = true } }
    }
    var wantsKeyFrame = true
    /// Beside each packet (AV1 RTP payload specification, appendix A); empty: none.
    var dependencyDescriptor: [UInt8] = []

    private(set) var keyFrames = 0
    private(set) var frames = 0
    /// What was sent, by number, for whoever asks again.
    private var sent: [UInt16: [UInt8]] = [:]
    private var number: UInt16
    private var rtxNumber: UInt16 = 7
    private var pictureID: UInt16
    private var layerIndex: UInt8 = 250
    private let firstTimestamp: UInt32

    init(
        mid: String, rid: String?, ssrc: UInt32, width: Int, height: Int, bitsPerSecond: Int,
        using random: inout some RandomNumberGenerator
    ) {
        self.mid = mid
        self.rid = rid
        self.ssrc = ssrc
        rtx = ssrc + 1
        self.width = width
        self.height = height
        self.bitsPerSecond = bitsPerSecond
        number = .random(in: 0...0x7fff, using: &random)
        pictureID = .random(in: 0...0x7fff, using: &random)
        firstTimestamp = .random(in: 0 ... .max, using: &random)
    }

    /// The packets of the frame that is due each 1/30 s; none while nobody takes the layer.
    mutating func nextFrame(now: Instant) -> [[UInt8]] {
        guard isActive else { return [] }
        let isKey = wantsKeyFrame
        wantsKeyFrame = false
        frames += 1
        if isKey { keyFrames += 1 }
        pictureID = (pictureID + 1) & 0x7fff
        layerIndex &+= 1
        // A key frame takes about four times what another does.
        let frameBytes = bitsPerSecond / 8 / 30 * (isKey ? 4 : 1)
        let count = max(1, (frameBytes + 1_099) / 1_100)
        let timestamp = firstTimestamp &+ UInt32(truncatingIfNeeded: now.nanoseconds / 1_000 * 9 / 100)
        return (0..<count).map { index in
            number &+= 1
            // X, and S on the first packet; picture id, TL0PICIDX and TID follow (RFC 7741 §4.2).
            var payload: [UInt8] = [index == 0 ? 0x90 : 0x80, 0xe0]
            payload += [0x80 | UInt8(pictureID >> 8), UInt8(pictureID & 0xff), layerIndex, 0]
            // The frame tag, whose lowest bit is clear in a key frame, then start code and size (RFC 6386 §9.1).
            payload += [isKey ? 0x10 : 0x11, 0, 0]
            if isKey, index == 0 {
                payload += [0x9d, 0x01, 0x2a]
                payload += [UInt8(width & 0xff), UInt8(width >> 8), UInt8(height & 0xff), UInt8(height >> 8)]
            }
            payload += [UInt8](repeating: 0x55, count: max(20, frameBytes / count))
            let packet = RTPBytes.packet(
                payloadType: 96, marker: index == count - 1, number: number, timestamp: timestamp, ssrc: ssrc,
                elements: labels(repaired: false), payload: payload)
            sent[number] = packet
            sent[number &- 1_000] = nil
            return packet
        }
    }

    /// The repair of a packet; nil if it is forgotten.
    mutating func repair(of number: UInt16) -> [UInt8]? {
        guard let packet = sent[number], let header = try? unsafe RTPHeader(parsing: packet.span.bytes) else {
            return nil
        }
        rtxNumber &+= 1
        return RTPBytes.packet(
            payloadType: 97, marker: header.marker, number: rtxNumber, timestamp: header.timestamp.rawValue, ssrc: rtx,
            elements: labels(repaired: true),
            payload: [UInt8(number >> 8), UInt8(number & 0xff)] + packet[header.payloadOffset...])
    }

    private func labels(repaired: Bool) -> [(ExtensionKind, [UInt8])] {
        let layer = rid.map { [(repaired ? ExtensionKind.repairedRID : .rid, Array($0.utf8))] } ?? []
        let descriptor: [(ExtensionKind, [UInt8])] =
            dependencyDescriptor.isEmpty ? [] : [(.dependencyDescriptor, dependencyDescriptor)]
        return [(.mid, Array(mid.utf8))] + layer + descriptor
    }
}

/// Packets of RTP, byte by byte, with ids of extensions as Chromium numbers them.
enum RTPBytes {
    static func packet(
        payloadType: UInt8, marker: Bool = false, number: UInt16, timestamp: UInt32, ssrc: UInt32,
        elements: [(ExtensionKind, [UInt8])] = [], payload: [UInt8]
    ) -> [UInt8] {
        var packet: [UInt8] = [elements.isEmpty ? 0x80 : 0x90, payloadType | (marker ? 0x80 : 0)]
        packet += bytes(number) + bytes(timestamp) + bytes(ssrc)
        if !elements.isEmpty {
            var block: [UInt8] = []
            // Over sixteen bytes need the two-byte form (RFC 8285 §4.3).
            let isTwoByte = elements.contains { $0.1.count > 16 }
            for (kind, value) in elements {
                let id = OfferBuilder.chromiumExtensions[kind] ?? 15
                block += isTwoByte ? [id, UInt8(value.count)] : [id << 4 | UInt8(value.count - 1)]
                block += value
            }
            block += [UInt8](repeating: 0, count: -block.count & 3)
            packet += isTwoByte ? [0x10, 0x00] : [0xbe, 0xde]
            packet += bytes(UInt16(block.count / 4)) + block
        }
        return packet + payload
    }

    static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        stride(from: value.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
