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

/// A room in virtual time: a lane without a thread, and whole clients behind simulated links. A seed repeats what it decides; keys
/// are new each time.
@safe
final class VirtualRoom {
    static let node = Endpoint(address: IPAddress(v4: 0x7f00_0001), port: 20_000)

    /// What a member that comes is like.
    struct Joining {
        var member: MediaMember
        var endpoint: Endpoint
        var layers: [LayerSender]
        var tracks: [MediaTrack]
        var soundSSRC: UInt32
    }

    let room = MediaRoom(room: "blue", epoch: 1)
    var stage: LaneStage
    private(set) var members: [VirtualMember] = []
    private var comers = 0
    private(set) var now = Instant.zero + .seconds(1_000)
    private let notices = MediaNotices()
    private let dtls: DTLSContext
    private var random: SeededGenerator
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2_048, alignment: 16)

    init(seed: UInt64) throws {
        dtls = try DTLSContext()
        random = SeededGenerator(seed: seed)
        stage = try LaneStage(dtls: dtls, notices: notices, seed: seed, now: now)
        unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe buffer.deallocate() }

    /// A room that Ann sends three layers to, and where Bob, who sends sound only, shows her large.
    static func watched(seed: UInt64) throws -> (room: VirtualRoom, ann: VirtualMember, bob: VirtualMember) {
        let room = try VirtualRoom(seed: seed)
        let ann = try room.join("ann")
        let bob = try room.join("bob", pictures: [])
        room.settle()
        try room.view(bob, [("ann", 1_280, 720)])
        return (room, ann, bob)
    }

    private var setups: [MediaMember: ConnectionSetup] = [:]
    private var builders: [MediaMember: OfferBuilder] = [:]

    /// Three layers as Chromium makes them of a camera of 720 lines.
    static let simulcast: [(rid: String?, width: Int, height: Int, bitsPerSecond: Int)] = [
        ("q", 320, 180, 150_000), ("h", 640, 360, 500_000), ("f", 1_280, 720, 1_700_000),
    ]

    /// Lets a member come. `pictures`: the layers of its camera; empty: no camera. `sharing`: what it sends is its screen, with
    /// sound, instead. `changing`: its offer before it is answered.
    func join(
        _ name: String, pictures: [(rid: String?, width: Int, height: Int, bitsPerSecond: Int)] = simulcast,
        sharing: Bool = false, videoSlots: Int = 4, changing: (inout SessionDescription) -> Void = { _ in }
    ) throws -> VirtualMember {
        let member = MediaMember(room: room, member: name, stay: 1)
        let context = try DTLSContext()
        let ice = ICE.ICECredentials.random(using: &random)
        var builder = OfferBuilder(local: try VirtualRoom.transport(ice, context, candidates: []), sessionID: 7)
        let soundSSRC = UInt32.random(in: 1 ... .max, using: &random)
        var tracks = [
            MediaTrack(
                mid: builder.sendAudio(ssrc: soundSSRC, cname: name, stream: name),
                source: sharing ? .screenAudio : .microphone, muted: false)
        ]
        var layers: [LayerSender] = []
        if let first = pictures.first {
            let ssrcs = pictures.map { _ in UInt32.random(in: 1...(.max - 1), using: &random) }
            let mid =
                first.rid == nil
                ? builder.sendVideo(ssrc: ssrcs[0], rtx: ssrcs[0] + 1, cname: name, stream: name)
                : builder.sendVideo(rids: pictures.compactMap(\.rid), stream: name)
            tracks.append(MediaTrack(mid: mid, source: sharing ? .screen : .camera, muted: false))
            layers = zip(pictures, ssrcs).map { picture, ssrc in
                LayerSender(
                    mid: mid, rid: picture.rid, ssrc: ssrc, width: picture.width, height: picture.height,
                    bitsPerSecond: picture.bitsPerSecond, using: &random)
            }
        }
        _ = builder.addSlots(audio: 3, video: videoSlots)
        var offer = builder.offer()
        changing(&offer)
        let answered = try agree(offer, member)
        builders[member] = builder
        let joining = Joining(
            member: member,
            endpoint: Endpoint(address: IPAddress(v4: 0x7f00_0002), port: UInt16(1_000 + comers)),
            layers: layers, tracks: tracks, soundSSRC: soundSSRC)
        let client = try MediaClient(context: context, local: ice, answered: answered, family: .v4, now: now)
        let virtual = VirtualMember(
            joining, client: client, answered: answered, seed: .random(in: 0 ... .max, using: &random), now: now)
        members.append(virtual)
        comers += 1
        try stage.publish(tracks, by: member, now: now)
        try stage.answered(1, by: member, now: now)
        return virtual
    }

    /// Lets a member go, whom nothing reaches any more.
    func leave(_ member: VirtualMember) {
        stage.remove(member.member)
        members.removeAll { $0 === member }
        setups[member.member] = nil
    }

    /// Answers an offer as the host does, and tells the lane.
    func agree(_ offer: SessionDescription, _ member: MediaMember) throws -> AnsweredSession {
        let localICE = ICE.ICECredentials.random(using: &random)
        let candidate = CandidateDescription(
            foundation: "1", transport: .udp, priority: 1, address: "\(VirtualRoom.node.address)",
            port: VirtualRoom.node.port, tcpType: nil)
        let answer = try Negotiator().answer(
            offer, local: try VirtualRoom.transport(localICE, dtls, candidates: [candidate]), previous: nil,
            sessionID: 1
        ) { request in
            SlotSource(
                request, ssrc: .random(in: 1 ... .max, using: &random),
                rtx: request.kind == .video ? .random(in: 1 ... .max, using: &random) : nil)
        }
        let remote = answer.session.remoteICE
        guard let strong = answer.session.remoteFingerprints.first,
            let fingerprint = DTLSFingerprint("\(strong.hash) \(VirtualRoom.hex(strong.bytes))")
        else { throw MediaRefusal.invalid("fingerprint") }
        let setup = ConnectionSetup(
            member: member, kind: .new, number: 1, localICE: localICE,
            remoteICE: ICE.ICECredentials(ufrag: remote.ufrag, password: remote.password), fingerprint: fingerprint,
            session: answer.session, maySend: true)
        setups[member] = setup
        try stage.connect(setup, now: now)
        return try AnsweredSession(offer: offer, answer: answer.description)
    }

    /// ICE begins anew under credentials that the client does not follow.
    func restart(_ member: MediaMember) throws {
        guard var setup = setups[member] else { return }
        setup.kind = .restart
        setup.number += 1
        setup.localICE = .random(using: &random)
        setups[member] = setup
        try stage.connect(setup, now: now)
        try stage.answered(setup.number, by: member, now: now)
    }

    /// Offers as many slots for pictures as the node wished for, and applies the answer.
    func grow(_ member: VirtualMember) throws {
        let there = member.slots.count { $0.isVideo }
        guard let wanted = member.slotsWanted.last, wanted > there else { return }
        try offerMore(wanted - there, by: member.member)
        guard let number = setups[member.member]?.number else { return }
        try stage.answered(number, by: member.member, now: now)
    }

    /// Offers more slots for pictures on the same connection. The client has yet to say that it applied the answer.
    func offerMore(_ count: Int, by member: MediaMember) throws {
        guard var setup = setups[member] else { return }
        _ = builders[member]?.addSlots(audio: 0, video: count)
        guard let offer = builders[member]?.offer() else { return }
        let local = try VirtualRoom.transport(setup.localICE, dtls, candidates: [])
        let answer = try Negotiator().answer(offer, local: local, previous: setup.session, sessionID: 1) { request in
            SlotSource(
                request, ssrc: .random(in: 1 ... .max, using: &random), rtx: .random(in: 1 ... .max, using: &random))
        }
        setup.kind = .more
        setup.number += 1
        setup.session = answer.session
        setups[member] = setup
        try stage.connect(setup, now: now)
        members.first { $0.member == member }?.take(try AnsweredSession(offer: offer, answer: answer.description))
    }

    func view(_ member: VirtualMember, _ tiles: [(name: String, width: Int, height: Int)]) throws {
        // Who sends a screen here sends no camera.
        let sharing = Set(members.filter { $0.tracks.contains { $0.source == .screen } }.map(\.member.member))
        try stage.view(
            tiles.map {
                MediaTile(
                    member: $0.name, source: sharing.contains($0.name) ? .screen : .camera, width: $0.width,
                    height: $0.height)
            },
            by: member.member, now: now)
    }

    // MARK: Time

    /// Lets time pass.
    func run(for duration: Interval) {
        let end = now + duration
        while true {
            let due = members.reduce(stage.nextDeadline) { min($0, $1.nextDeadline) }
            guard due <= end else { break }
            now = max(now, due)
            turn()
        }
        now = end
    }

    /// Runs until all are connected, and a second more.
    func settle() {
        for _ in 0..<100 where !members.allSatisfy(\.isConnected) { run(for: .milliseconds(100)) }
        run(for: .seconds(1))
    }

    private func turn() {
        var isDue = stage.nextDeadline <= now
        for member in members {
            while let arrival = member.up.receive(now: now) {
                deliver(arrival.packet, from: member.endpoint)
                takeSent()
                isDue = true
            }
        }
        if isDue { stage.timeout(now: now) }
        takeSent()
        for (key, notice) in notices.take() {
            members.first { $0.member == key }?.hear(notice)
        }
        for member in members {
            member.receive(now: now)
            member.timeout(now: now)
        }
    }

    /// Gives the lane a datagram.
    func deliver(_ datagram: [UInt8], from endpoint: Endpoint) {
        guard datagram.count <= 2_048 else { return }
        unsafe buffer.copyBytes(from: datagram)
        unsafe stage.receive(
            UnsafeMutableRawBufferPointer(rebasing: buffer[0..<datagram.count]), from: endpoint, now: now)
    }

    /// Puts what the lane sent on its way.
    func takeSent() {
        unsafe stage.takeSent { remote, datagram in
            guard let member = members.first(where: { $0.endpoint == remote }) else { return }
            let bytes = unsafe [UInt8](UnsafeRawBufferPointer(datagram))
            member.down.send(bytes, size: ByteCount(bytes.count + 28), now: now)
        }
    }

    private static func transport(
        _ ice: ICE.ICECredentials, _ context: DTLSContext, candidates: [CandidateDescription]
    ) throws -> LocalTransport {
        let parts = "\(context.fingerprint)".split(separator: " ")
        let fingerprint = Fingerprint(
            hash: String(parts[0]), bytes: parts[1].split(separator: ":").compactMap { UInt8($0, radix: 16) })
        return LocalTransport(
            ice: SDP.ICECredentials(ufrag: ice.ufrag, password: ice.password), fingerprints: [fingerprint],
            candidates: candidates)
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789ABCDEF")
        return bytes.map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined(separator: ":")
    }
}
