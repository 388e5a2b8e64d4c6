import Addresses
import Bytes
import CongestionControl
import DTLS
import ICE
import LinkSimulator
import MediaClient
import MediaInterface
import RTP
import SDP
import SFUMedia
import Time

/// A member of a room in virtual time: a whole client behind two simulated links, with simulated encoders and slots.
@safe
final class VirtualMember {
    let member: MediaMember
    let endpoint: Endpoint
    private(set) var client: MediaClient
    var up: SimulatedLink<[UInt8]>
    var down: SimulatedLink<[UInt8]>
    private(set) var slots: [SlotReceiver] = []
    /// Which pair each slot belongs to, by its mid.
    private(set) var pairs: [String: String] = [:]
    /// Ids of header extensions as the node agreed to them; 0: not agreed on.
    private(set) var extensions = ExtensionIDs()
    /// Packets of mere padding, on repair streams.
    private(set) var paddingCount = 0
    /// What it sends, lowest first.
    var layers: [LayerSender]
    let tracks: [MediaTrack]
    var sendsSound = true
    /// What its packets of sound are: plain Opus in Chromium's number.
    var sound: (payloadType: UInt8, payload: [UInt8]) = (111, [UInt8](repeating: 0xaa, count: 80))
    /// Of its sound: dB below the loudest possible.
    var soundLevel: UInt8 = 30
    /// Loses a packet on the way up where true; it can be asked for again.
    var loses: (RTPPacket) -> Bool = { _ in false }

    private(set) var ended: String?
    /// What the node told it last.
    private(set) var quality: MediaQuality?
    private(set) var totals: MediaTotals?
    private(set) var activeLayers: [String]?
    private(set) var map: [MediaSlot] = []
    private(set) var keyFrameRequests = 0
    /// Each other one that was told to speak, in turn.
    private(set) var dominants: [String] = []
    /// Numbers of slots for pictures that the node wished for, in turn.
    private(set) var slotsWanted: [Int] = []
    /// What the node said of the packets it sent: how many each feedback tells of, and how many of them were lost.
    private(set) var feedbacks: [(at: Instant, told: Int, lost: Int)] = []
    private(set) var reports: [(at: Instant, block: ReportBlock)] = []
    /// Its newest check of ICE, and the newest datagrams it sent.
    private(set) var lastCheck: [UInt8] = []
    private(set) var lastSent: [[UInt8]] = []

    private var arrivals = TransportFeedbackBuilder()
    private var feedbackAt: Instant
    private var transportAt: Instant
    private var reportAt: Instant
    private var frameAt: Instant
    private var soundAt: Instant
    private var soundNumber: UInt16 = 65_500
    private var soundTimestamp = UInt32.max - 9_600
    private var transportNumber: UInt16 = 0
    let soundSSRC: UInt32
    private let soundMid: String
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2_048, alignment: 16)

    init(
        _ joining: VirtualRoom.Joining, client: consuming MediaClient, answered: AnsweredSession, seed: UInt64,
        now: Instant
    ) {
        member = joining.member
        endpoint = joining.endpoint
        self.client = client
        layers = joining.layers
        tracks = joining.tracks
        soundSSRC = joining.soundSSRC
        soundMid = joining.tracks.first { !$0.source.isVideo }?.mid ?? ""
        let wide = SimulatedLink<[UInt8]>.Conditions(capacity: .megabitsPerSecond(100), propagation: .milliseconds(10))
        up = SimulatedLink(wide, seed: seed)
        down = SimulatedLink(wide, seed: seed ^ 0x55)
        (feedbackAt, transportAt, reportAt, frameAt, soundAt) = (now, now, now, now, now)
        unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
        take(answered)
    }

    /// Makes the slots that an answer added.
    func take(_ answered: AnsweredSession) {
        for media in answered.media where media.role == .slot && !slots.contains(where: { $0.mid == media.mid }) {
            guard let source = media.sources.first else { continue }
            slots.append(
                SlotReceiver(mid: media.mid, isVideo: media.kind == .video, ssrc: source.ssrc, rtx: source.rtx))
            pairs[media.mid] = media.stream?.stream
            extensions = media.extensions
        }
    }

    deinit { unsafe buffer.deallocate() }

    var isConnected: Bool { client.isConnected }

    /// When something is to do.
    var nextDeadline: Instant {
        let due = [
            client.nextDeadline, up.nextDeadline ?? .distantFuture, down.nextDeadline ?? .distantFuture, feedbackAt,
            frameAt, soundAt,
        ]
        return due.reduce(.distantFuture) { min($0, $1) }
    }

    func slot(_ kind: MediaSource, of name: String) -> SlotReceiver? {
        guard let mid = map.first(where: { $0.member == name && $0.source == kind })?.mid else { return nil }
        return slots.first { $0.mid == mid }
    }

    func hear(_ notice: MediaNotice) {
        switch notice {
        case .map(_, let slots): map = slots
        case .quality(let told): quality = told
        case .totals(let told): totals = told
        case .layers(_, let active):
            activeLayers = active
            for index in layers.indices {
                layers[index].isActive = layers[index].rid.map { active.contains($0) } ?? true
            }
        case .lost(let reason): ended = reason
        case .slotsWanted(let count): slotsWanted.append(count)
        case .speakers(let dominant, _):
            if let dominant, dominant != dominants.last { dominants.append(dominant) }
        case .mutedBy: break
        }
    }

    // MARK: What comes

    func receive(now: Instant) {
        while let arrival = down.receive(now: now) {
            let count = arrival.packet.count
            unsafe buffer.copyBytes(from: arrival.packet)
            let datagram = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[0..<count])
            switch unsafe client.receive(
                datagram, from: VirtualRoom.node, now: now, send: { bytes, _ in post(bytes, now) })
            {
            case .rtp(let length): receiveRTP(length, now)
            case .rtcp(let length):
                let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[0..<length]))
                receiveRTCP(Array(bytes), now)
            case .ended(let reason): ended = reason
            case .nothing, .connected: break
            }
        }
    }

    private func receiveRTP(_ length: Int, _ now: Instant) {
        let opened = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[0..<length])
        let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(opened))
        guard let packet = try? RTPPacket(parsing: bytes) else { return }
        if let element = packet.element(id: extensions[.transportSequenceNumber]),
            element.byteCount == 2
        {
            arrivals.receive(SequenceNumber(rawValue: element.uint16(at: 0)), now: now)
        }
        let ssrc = packet.header.ssrc.rawValue
        slots.first { $0.ssrc == ssrc || $0.rtx == ssrc }?.check(packet, extensions)
        if packet.header.payloadByteCount == 0 { paddingCount += 1 }
        if let slot = slots.first(where: { $0.ssrc == ssrc }) {
            slot.receive(packet, isRepair: false, now: now)
        } else if let slot = slots.first(where: { $0.rtx == ssrc }), packet.header.payloadByteCount > 2 {
            var span = unsafe MutableRawSpan(_unsafeBytes: opened)
            guard
                let start = try? packet.header.restoreRetransmitted(
                    in: &span, as: SSRC(rawValue: slot.ssrc), payloadType: PayloadType(rawValue: 96)),
                let restored = try? RTPPacket(
                    parsing: unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: opened[start...])))
            else { return }
            slot.receive(restored, isRepair: true, now: now)
        }
    }

    private func receiveRTCP(_ bytes: [UInt8], _ now: Instant) {
        var reader = unsafe RTCPReader(bytes.span.bytes)
        while let packet = try? reader.next() {
            switch packet.kind {
            case .pictureLoss:
                for index in layers.indices where layers[index].ssrc == packet.media?.rawValue {
                    layers[index].wantsKeyFrame = true
                    keyFrameRequests += 1
                }
            case .nack:
                var repairs: [[UInt8]] = []
                for index in layers.indices where layers[index].ssrc == packet.media?.rawValue {
                    packet.forEachNACK { number in
                        if let repair = layers[index].repair(of: number.rawValue) { repairs.append(repair) }
                    }
                }
                for repair in repairs { send(repair, now) }
            case .receiverReport:
                for index in 0..<packet.reportBlockCount { reports.append((now, packet.reportBlock(at: index))) }
            case .transportWide:
                guard let feedback = try? packet.transportFeedback() else { continue }
                var (told, lost) = (0, 0)
                feedback.forEach { _, arrival in
                    told += 1
                    if arrival == nil { lost += 1 }
                }
                feedbacks.append((now, told, lost))
            case .senderReport:
                guard let report = packet.senderReport() else { continue }
                slots.first { $0.ssrc == report.ssrc.rawValue }?.statistics.receive(report, now: now)
            default: break
            }
        }
    }

    // MARK: What goes

    func timeout(now: Instant) {
        client.poll(now: now) { bytes, _ in post(bytes, now) }
        if soundAt <= now {
            soundAt = now + .milliseconds(20)
            if sendsSound { sendSound(now) }
        }
        if frameAt <= now {
            frameAt = now + .microseconds(33_333)
            for index in layers.indices { for packet in layers[index].nextFrame(now: now) { send(packet, now) } }
        }
        if feedbackAt <= now {
            // As browsers do: feedback, and NACK when it is due, which here is each 10 ms.
            feedbackAt = now + .milliseconds(10)
            feedBack(now)
        }
    }

    /// Says goodbye, as who closes a page.
    func close(now: Instant) { client.close { bytes, _ in post(bytes, now) } }

    /// Seals a packet and sends it.
    func send(_ packet: [UInt8], _ now: Instant) {
        if let parsed = try? unsafe RTPPacket(parsing: packet.span.bytes), loses(parsed) { return }
        let sealed = seal(packet)
        lastSent = lastSent.suffix(19) + [sealed]
        up.send(sealed, size: ByteCount(sealed.count + 28), now: now)
    }

    /// A packet as it would leave; empty where it cannot.
    func seal(_ packet: [UInt8]) -> [UInt8] {
        guard client.isConnected, packet.count <= 1_900 else { return [] }
        unsafe buffer.copyBytes(from: packet)
        let length = unsafe client.sealRTP(buffer, length: packet.count)
        return unsafe [UInt8](UnsafeRawBufferPointer(rebasing: buffer[0..<length]))
    }

    /// The same for RTCP, whatever the bytes say.
    func sealRTCP(_ packet: [UInt8]) -> [UInt8] {
        guard client.isConnected, packet.count <= 1_900 else { return [] }
        unsafe buffer.copyBytes(from: packet)
        let length = unsafe client.sealRTCP(buffer, length: packet.count)
        return unsafe [UInt8](UnsafeRawBufferPointer(rebasing: buffer[0..<length]))
    }

    /// The same for RTCP.
    func sendRTCP(_ now: Instant, _ write: (inout OutputRawSpan) throws -> Void) {
        guard client.isConnected else { return }
        var output = unsafe OutputRawSpan(
            buffer: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<1_200]), initializedCount: 0)
        try? write(&output)
        let count = unsafe output.finalize(for: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<1_200]))
        guard count > 0 else { return }
        let length = unsafe client.sealRTCP(buffer, length: count)
        guard length > 0 else { return }
        post(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[0..<length])), now)
    }

    /// Puts a datagram on its way.
    func post(_ bytes: RawSpan, _ now: Instant) {
        if bytes.byteCount > 20, unsafe bytes.unsafeLoad(as: UInt8.self) == 0 { lastCheck = Array(bytes) }
        // IPv4 and UDP take 28 bytes.
        up.send(Array(bytes), size: ByteCount(bytes.byteCount + 28), now: now)
    }

    private func sendSound(_ now: Instant) { send(nextSound(), now) }

    /// The next packet of its microphone.
    func nextSound() -> [UInt8] {
        soundNumber &+= 1
        soundTimestamp &+= 960
        transportNumber &+= 1
        return RTPBytes.packet(
            payloadType: sound.payloadType, number: soundNumber, timestamp: soundTimestamp, ssrc: soundSSRC,
            elements: [
                (.mid, Array(soundMid.utf8)), (.audioLevel, [0x80 | soundLevel]),
                (.transportSequenceNumber, RTPBytes.bytes(transportNumber)),
            ], payload: sound.payload)
    }

    private func feedBack(_ now: Instant) {
        let sender = SSRC(rawValue: soundSSRC)
        for slot in slots where slot.isVideo {
            slot.timeout(now: now)
            let media = SSRC(rawValue: slot.ssrc)
            if slot.wantsKeyFrame {
                slot.wantsKeyFrame = false
                sendRTCP(now) { try RTCPWriter.pictureLoss(sender: sender, media: media, to: &$0) }
            }
            sendRTCP(now) {
                _ = try slot.losses.writeNACK(
                    sender: sender, media: media, roundTrip: .milliseconds(80), now: now, to: &$0)
            }
        }
        for slot in slots where !slot.isVideo { slot.timeout(now: now) }
        if now >= transportAt, !arrivals.isEmpty {
            transportAt = now + .milliseconds(100)
            sendRTCP(now) { _ = try arrivals.write(sender: sender, media: sender, to: &$0) }
        }
        guard now >= reportAt else { return }
        reportAt = now + .seconds(1)
        var blocks: [ReportBlock] = []
        for slot in slots { if let block = slot.statistics.nextReport(now: now) { blocks.append(block) } }
        guard !blocks.isEmpty else { return }
        sendRTCP(now) { try RTCPWriter.receiverReport(sender: sender, blocks: blocks.span, to: &$0) }
    }
}

extension Array where Element == UInt8 {
    /// A copy.
    init(_ bytes: RawSpan) { self = unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }
}
