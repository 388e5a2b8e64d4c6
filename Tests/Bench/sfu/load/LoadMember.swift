import Addresses
import Bytes
import DTLS
import ICE
import MediaClient
import PacketIO
import RTP
import SDP
import Time

/// One participant, with a socket of its own: of a room on a node, or of the yardstick.
@safe
final class LoadMember {
    /// How `OfferBuilder` numbers RTX of VP8.
    static let repairPayloadType: UInt8 = 97

    enum Failure: Error { case noSuchMember, noOffer, notAnswered(String) }

    let number: UInt32
    let socket: UDPSocket
    var socketID: SocketID?
    private(set) var audio: String?
    private(set) var video: String?
    private let localICE: ICE.ICECredentials
    private let dtls: DTLSContext
    private var offer: SessionDescription?
    private var client: MediaClient?
    /// The yardstick's end; what goes there is not sealed.
    private var bare: Endpoint?
    private var isBareConnected = false
    private(set) var ended: String?

    var arrivals = Arrivals()
    private var streams: [OutgoingStream] = []
    private var transportNumber: UInt16 = 0
    /// When its next frame is due.
    var frameAt = Instant.distantFuture
    private var feedbackAt = Instant.zero
    private var reportAt = Instant.zero
    private var isLeaving = false
    private let packet = UnsafeMutableRawBufferPointer.allocate(byteCount: 2_048, alignment: 16)

    /// `address` is where its socket is bound.
    init(_ number: UInt32, at address: IPAddress, dtls: DTLSContext) throws {
        self.number = number
        self.dtls = dtls
        var options = UDPSocketOptions()
        // What a node sent as one is taken as one: a network card would cut it up, not the node's processor.
        options.mergesDatagrams = true
        socket = try UDPSocket(binding: Endpoint(address: address, port: 0), options: options)
        var random = SystemRandomNumberGenerator()
        localICE = .random(using: &random)
        unsafe packet.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe packet.deallocate() }

    // MARK: Joining

    /// Makes an offer with these m-lines.
    func makeOffer(audio: Bool, video: Bool, audioSlots: Int, videoSlots: Int) -> String {
        let parts = "\(dtls.fingerprint)".split(separator: " ")
        let bytes = parts.last?.split(separator: ":").compactMap { UInt8($0, radix: 16) } ?? []
        let fingerprint = Fingerprint(hash: parts.first.map { String($0) } ?? "", bytes: bytes)
        var builder = OfferBuilder(
            local: LocalTransport(
                ice: SDP.ICECredentials(ufrag: localICE.ufrag, password: localICE.password),
                fingerprints: [fingerprint], candidates: []), sessionID: UInt64(number) + 1)
        let name = "load-\(number)"
        if audio { self.audio = builder.sendAudio(ssrc: ssrc(false), cname: name, stream: name) }
        if video {
            self.video = builder.sendVideo(ssrc: ssrc(true), rtx: ssrc(true) + 1, cname: name, stream: name)
        }
        _ = builder.addSlots(audio: audioSlots, video: videoSlots)
        let offer = builder.offer()
        self.offer = offer
        return offer.text
    }

    /// Takes the node's answer, and begins to connect.
    func take(answer: String, now: Instant) throws {
        guard let offer else { throw Failure.noOffer }
        let answered = try AnsweredSession(offer: offer, answer: try SessionDescription(parsing: answer))
        client = try MediaClient(
            context: dtls, local: localICE, answered: answered, family: .v4, now: now)
        for media in answered.media where media.role == .publish {
            let isVideo = media.kind == .video
            guard let codec = media.codecs.first(where: { $0.kind == (isVideo ? .vp8 : .opus) }) else {
                throw Failure.notAnswered(media.mid)
            }
            streams.append(OutgoingStream(ssrc: ssrc(isVideo), payloadType: codec.payloadType, isVideo: isVideo))
        }
    }

    /// Becomes a member of the yardstick.
    func join(bare endpoint: Endpoint) {
        bare = endpoint
        for isVideo in [false, true] {
            streams.append(
                OutgoingStream(ssrc: ssrc(isVideo), payloadType: isVideo ? 96 : 111, isVideo: isVideo))
        }
    }

    /// Of what it sends; the next one is that of repairs.
    private func ssrc(_ isVideo: Bool) -> UInt32 { 0x1000_0000 + number * 4 + (isVideo ? 1 : 0) }

    var isConnected: Bool { isBareConnected || client?.isConnected ?? false }

    func leave() { isLeaving = true }

    /// Says goodbye, once; then it may be forgotten.
    func goodbye(_ out: inout LoopIO) -> Bool {
        guard isLeaving, let socketID else { return isLeaving }
        client?.close { bytes, to in out.forward(bytes, socket: socketID, from: nil, to: to) }
        return true
    }

    // MARK: What comes

    func receive(
        _ buffer: UnsafeMutableRawBufferPointer, from remote: Endpoint, _ window: inout Window, _ out: inout LoopIO,
        now: Instant
    ) {
        guard let socketID else { return }
        if bare != nil {
            isBareConnected = true
            let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(buffer))
            if bytes.byteCount > 4 { arrivals.receive(bytes, isSealed: true, &window, now: now) }
            return
        }
        let received = unsafe client?.receive(buffer, from: remote, now: now) { bytes, to in
            out.forward(bytes, socket: socketID, from: nil, to: to)
        }
        switch received {
        case .rtp(let length):
            let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[0..<length]))
            arrivals.receive(bytes, isSealed: false, &window, now: now)
        case .rtcp(let length):
            let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[0..<length]))
            receiveRTCP(bytes, now: now)
        case .ended(let reason): ended = reason
        case .nothing, .connected, nil: break
        }
    }

    private func receiveRTCP(_ bytes: RawSpan, now: Instant) {
        var reader = RTCPReader(bytes)
        while let packet = try? reader.next() {
            switch packet.kind {
            case .senderReport: if let report = packet.senderReport() { arrivals.receive(report, now: now) }
            case .pictureLoss, .fullIntra:
                for index in streams.indices where streams[index].isVideo { streams[index].wantsKeyFrame = true }
            default: break
            }
        }
    }

    // MARK: What goes

    /// Sends what the connection wants to, and reports. Returns when it is due again.
    func poll(_ out: inout LoopIO, now: Instant) -> Instant {
        guard let socketID else { return now }
        if let bare {
            guard !isBareConnected, now >= reportAt else { return .distantFuture }
            reportAt = now + .milliseconds(50)
            send(Array("JOIN".utf8), to: bare, &out)
            return reportAt
        }
        client?.poll(now: now) { bytes, to in out.forward(bytes, socket: socketID, from: nil, to: to) }
        guard isConnected else { return client?.nextDeadline ?? .distantFuture }
        let sender = SSRC(rawValue: ssrc(false))
        if now >= feedbackAt {
            feedbackAt = now + .milliseconds(50)
            var more = client?.path != nil
            while more {
                sealRTCP(&out) { member, output in more = member.arrivals.writeFeedback(sender, to: &output) }
            }
        }
        if now >= reportAt {
            reportAt = now + .seconds(1)
            sealRTCP(&out) { member, output in
                member.arrivals.writeReport(sender, to: &output, now: now)
            }
            for stream in streams where stream.packetCount > 0 {
                sealRTCP(&out) { _, output in
                    let report = SenderReport(
                        ssrc: SSRC(rawValue: stream.ssrc), ntp: NTPTime(now),
                        timestamp: RTPTimestamp(rawValue: stream.timestamp),
                        packetCount: UInt32(truncatingIfNeeded: stream.packetCount),
                        octetCount: UInt32(truncatingIfNeeded: stream.octetCount))
                    try? RTCPWriter.senderReport(report, to: &output)
                }
            }
        }
        return min(client?.nextDeadline ?? .distantFuture, min(feedbackAt, reportAt))
    }

    /// Sends a frame, or a packet of sound.
    func sendFrame(_ traffic: Traffic, _ window: inout Window, _ out: inout LoopIO, now: Instant) {
        guard let to = bare ?? client?.path?.remote,
            let index = streams.firstIndex(where: { $0.isVideo == (traffic.kind == .video) })
        else { return }
        if streams[index].wantsKeyFrame { window.keyFrames += 1 }
        let (small, larger) = traffic.sizes(of: streams[index].frame)
        for place in 0..<traffic.packets {
            let size = small + (place >= traffic.packets - larger ? 1 : 0)
            var output = unsafe OutputRawSpan(buffer: packet, initializedCount: 0)
            transportNumber &+= 1
            let sentAt = MonotonicTime.now
            do throws(BytesError) {
                try streams[index].write(
                    size, isFirst: place == 0, isLast: place == traffic.packets - 1, transportNumber: transportNumber,
                    member: number, now: sentAt, to: &output)
            } catch { return }
            var length = unsafe output.finalize(for: packet)
            if bare == nil { length = unsafe client?.sealRTP(packet, length: length) ?? 0 }
            guard length > 0, let socketID else { return }
            let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: packet[0..<length]))
            out.forward(bytes, socket: socketID, from: nil, to: to)
            window.sent += 1
        }
        streams[index].frame &+= 1
        streams[index].wantsKeyFrame = false
        streams[index].timestamp &+= UInt32(traffic.clockRate / traffic.rate)
    }

    private func sealRTCP(_ out: inout LoopIO, _ write: (LoadMember, inout OutputRawSpan) -> Void) {
        guard let path = client?.path, let socketID else { return }
        // Room for the trailer behind it.
        let room = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[0..<1_200])
        var output = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
        write(self, &output)
        let length = unsafe output.finalize(for: room)
        guard length > 0, let sealed = unsafe client?.sealRTCP(packet, length: length), sealed > 0 else { return }
        let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: packet[0..<sealed]))
        out.forward(bytes, socket: socketID, from: nil, to: path.remote)
    }

    private func send(_ bytes: [UInt8], to: Endpoint, _ out: inout LoopIO) {
        guard let socketID else { return }
        out.forward(unsafe bytes.span.bytes, socket: socketID, from: nil, to: to)
    }
}
