import Addresses
import Bytes
import DTLS
import ICE
import MediaClient
import MediaInterface
import PacketIO
import RTP
import SDP
import SFUMedia
import Testing
import Time

/// A participant of a test: a client machine on a real socket.
@safe
struct Participant: ~Copyable {
    var client: MediaClient
    var socket: any LoopbackWay
    let member: MediaMember
    let answered: AnsweredSession
    var rtp: [SSRC: Int] = [:]
    var sizes: [Int] = []
    var ended: String?
    let packet = UnsafeMutableRawBufferPointer.allocate(byteCount: 2_048, alignment: 16)
    var number: UInt16 = 1

    private init(
        client: consuming MediaClient, socket: any LoopbackWay, member: MediaMember, answered: AnsweredSession
    ) {
        self.client = client
        self.socket = socket
        self.member = member
        self.answered = answered
    }

    /// A member that knows only one transport and one family of addresses.
    static func join(
        _ name: String, in room: MediaRoom, of media: MediaHost, family: IPAddress.Family = .v4,
        over transport: CandidateDescription.Transport = .udp
    ) async throws -> Participant {
        let member = MediaMember(room: room, member: name, stay: 1)
        let context = try DTLSContext()
        var random = SystemRandomNumberGenerator()
        let ice = ICE.ICECredentials.random(using: &random)
        let parts = "\(context.fingerprint)".split(separator: " ")
        let fingerprint = Fingerprint(
            hash: String(parts[0]), bytes: parts[1].split(separator: ":").compactMap { UInt8($0, radix: 16) })
        var builder = OfferBuilder(
            local: LocalTransport(
                ice: SDP.ICECredentials(ufrag: ice.ufrag, password: ice.password), fingerprints: [fingerprint],
                candidates: []), sessionID: 7)
        let audio = builder.sendAudio(ssrc: 1_111, cname: name, stream: "s")
        let video = builder.sendVideo(ssrc: 2_222, rtx: 2_223, cname: name, stream: "s")
        _ = builder.addSlots(audio: 2, video: 2)
        let offer = builder.offer()
        let answer = try await media.offer(1, sdp: offer.text, from: member, maySend: true)
        let answered = try AnsweredSession(offer: offer, answer: try SessionDescription(parsing: answer))
        let client = try MediaClient(
            context: context, local: ice, answered: answered, family: family, transport: transport,
            now: PacketIO.MonotonicClock.now)
        try await media.publish(
            [
                MediaTrack(mid: audio, source: .microphone, muted: false),
                MediaTrack(mid: video, source: .camera, muted: false),
            ], by: member)
        try await media.answered(1, by: member)
        let socket: any LoopbackWay = transport == .udp ? LoopbackSocket(family) : LoopbackStream()
        return Participant(client: client, socket: socket, member: member, answered: answered)
    }

    deinit { unsafe packet.deallocate() }

    /// Takes what came and sends what is due.
    mutating func turn() {
        let now = PacketIO.MonotonicClock.now
        let socket = socket
        client.poll(now: now) { socket.send($0, to: $1) }
        while let (buffer, remote) = unsafe socket.receive() {
            switch unsafe client.receive(buffer, from: remote, now: now, send: { socket.send($0, to: $1) }) {
            case .rtp(let length):
                let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[0..<length]))
                guard let parsed = try? RTPPacket(parsing: bytes) else { continue }
                rtp[parsed.header.ssrc, default: 0] += 1
                sizes.append(parsed.header.payloadByteCount)
            case .ended(let reason): ended = reason
            case .nothing, .connected, .rtcp: break
            }
        }
    }

    /// Sends a packet: sound, or a key frame of VP8 in one packet.
    mutating func send(video: Bool, count: Int) {
        guard let path = client.path, client.isConnected else { return }
        number &+= 1
        unsafe packet.initializeMemory(as: UInt8.self, repeating: 0)
        unsafe packet[0] = 0x80
        let kind: CodecKind = video ? .vp8 : .opus
        let mediaKind: MediaKind = video ? .video : .audio
        let codec = answered.media.first { $0.role == .publish && $0.kind == mediaKind }?.codecs.first {
            $0.kind == kind
        }
        unsafe packet[1] = (codec?.payloadType ?? 0) | (video ? 0x80 : 0)
        unsafe packet.storeBytes(of: number.bigEndian, toByteOffset: 2, as: UInt16.self)
        unsafe packet.storeBytes(of: (UInt32(number) * 3_000).bigEndian, toByteOffset: 4, as: UInt32.self)
        unsafe packet.storeBytes(of: UInt32(video ? 2_222 : 1_111).bigEndian, toByteOffset: 8, as: UInt32.self)
        if video {
            // A descriptor that starts a partition, then a key frame's tag, start code and size.
            for (offset, byte) in ([0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0] as [UInt8]).enumerated() {
                unsafe packet[12 + offset] = byte
            }
        }
        let length = unsafe client.sealRTP(packet, length: 12 + count)
        guard length > 0 else { return }
        socket.send(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: packet[0..<length])), to: path.remote)
    }
}

@Suite(.serialized)
struct ForwardingTests {
    /// Runs a node of one worker for as long as `body` takes.
    func withNode(
        listen: [Endpoint] = [Endpoint(address: IPAddress(v4: 0x7f00_0001), port: 0)], announced: [IPAddress] = [],
        _ body: (MediaHost) async throws -> Void
    ) async throws {
        let notices = MediaNotices()
        let media = try MediaHost(
            MediaHost.Places(listen: listen, announced: announced, workers: 1),
            notices: notices)
        let running = Task { try await media.run() }
        defer { running.cancel() }
        try await body(media)
        running.cancel()
        _ = await running.result
    }

    @Test func soundAndPicturesOfEachGoToTheOthers() async throws {
        try await withNode { media in
            let room = MediaRoom(room: "blue", epoch: 1)
            var ann = try await Participant.join("ann", in: room, of: media)
            var bob = try await Participant.join("bob", in: room, of: media)
            _ = try await exchange(&ann, &bob, turns: 400)
            let ended = ann.ended
            #expect(ended == nil)
            let areConnected = ann.client.isConnected && bob.client.isConnected
            #expect(areConnected)
            let (annSizes, bobSizes) = (ann.sizes, bob.sizes)
            #expect(annSizes.count { $0 == 81 } > 30, "sound: \(annSizes.count)")
            #expect(annSizes.count { $0 == 901 } > 30)
            #expect(bobSizes.count { $0 == 80 } > 30)
            #expect(bobSizes.count { $0 == 900 } > 30)
            let counters = media.counters[0]
            #expect(counters.dropped[MediaCounters.Drop.forged.rawValue] == 0)
            #expect(counters.dropped[MediaCounters.Drop.malformed.rawValue] == 0)
            let refused = ann.client.refused
            #expect(refused == 0)
        }
    }
}
