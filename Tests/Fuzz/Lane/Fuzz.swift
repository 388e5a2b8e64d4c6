import Addresses
import Bytes
import DTLS
import ICE
import MediaInterface
import RTP
import SDP
import SFUMedia
import SRTP
import STUN
import Time

/// A whole lane with three members who have good keys, and a stranger: the input is a list of steps, each a byte that says what (low four
/// bits) and who (next two), a length, and bytes. What leaves must be well formed and open for whom it goes to; when all have left,
/// nothing is kept.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let table = try? Table() else { preconditionFailure("no lane") }
    var position = 0
    while position + 2 <= input.count {
        let (step, length) = (input[position], Int(input[position + 1]))
        let bytes = Array(input[(position + 2)..<min(position + 2 + length, input.count)])
        position += 2 + length
        table.take(step & 15, who: Int(step >> 4) & 3, bytes)
    }
    table.end()
    return 0
}

/// What is made once: certificates and agreements cost more than all steps of an input.
private struct Agreement: Sendable {
    let setup: ConnectionSetup
    let slots: [UInt32]

    static let dtls: DTLSContext = {
        guard let context = try? DTLSContext() else { preconditionFailure("no certificate") }
        return context
    }()
    static let room = MediaRoom(room: "blue", epoch: 1)
    static let all = (0..<3).map { Agreement(number: $0) }

    private init(number: Int) {
        func ice(_ name: String) -> ICE.ICECredentials {
            .init(ufrag: "\(name)ufr\(number)", password: "\(name)passwordpasswordpass\(number)")
        }
        func transport(_ ice: ICE.ICECredentials) -> LocalTransport {
            LocalTransport(
                ice: SDP.ICECredentials(ufrag: ice.ufrag, password: ice.password),
                fingerprints: [Fingerprint(hash: "sha-256", bytes: [UInt8](repeating: 7, count: 32))], candidates: [])
        }
        var builder = OfferBuilder(local: transport(ice("page")), sessionID: 7)
        _ = builder.sendAudio(ssrc: Agreement.source(number, 0), cname: "c", stream: "s")
        _ = builder.sendVideo(rids: ["q", "h", "f"], stream: "s")
        _ = builder.sendVideo(
            codecs: [.vp9, .vp8], ssrc: Agreement.source(number, 4), rtx: Agreement.source(number, 7), cname: "c",
            stream: "t")
        _ = builder.addSlots(audio: 2, video: 3, codecs: [.vp8, .vp9])
        var next = UInt32(1_000 * (number + 1))
        let answer = try? Negotiator().answer(
            builder.offer(), local: transport(ice("node")), previous: nil, sessionID: 1
        ) { request in
            next += 2
            return SlotSource(request, ssrc: next, rtx: request.kind == .video ? next + 1 : nil)
        }
        guard let answer, let fingerprint = DTLSFingerprint(.sha256, [UInt8](repeating: 7, count: 32)) else {
            preconditionFailure("no answer")
        }
        slots = (1...8).map { UInt32(1_000 * (number + 1) + 2 * $0) }
        setup = ConnectionSetup(
            member: MediaMember(room: Agreement.room, member: "\(number)", stay: 1), kind: .new, number: 1,
            localICE: ice("node"), remoteICE: ice("page"), fingerprint: fingerprint, session: answer.session,
            maySend: true)
    }

    /// Sound is 0, the layers are 1 to 3, their repairs 5 to 7, the screen 4 and 7.
    static func source(_ number: Int, _ kind: Int) -> UInt32 { UInt32(100 * (number + 1) + kind) }

    /// Both ends' keys.
    static func keys(_ number: Int, isClient: Bool) -> SRTPKeys {
        let profile = SRTPProfile.allCases[number % SRTPProfile.allCases.count]
        let exported = (0..<profile.keyingMaterialLength).map { UInt8(truncatingIfNeeded: $0 * 3 + number) }
        guard let keys = SRTPKeys(profile: profile.rawValue, exported: exported, isClient: isClient) else {
            preconditionFailure("no keys")
        }
        return keys
    }
}

/// What a member's page holds.
private final class Member {
    var opener: SRTPOpener?
    var sealer: SRTPSealer?
    var number: UInt64 = 1

    func begin(_ keys: SRTPKeys) {
        opener = try? SRTPOpener(keys.remote)
        sealer = try? SRTPSealer(keys.local)
        number = 1
    }
}

/// The lane, and what its members hold.
@safe
private final class Table {
    private var stage: LaneStage
    private var now = Instant.zero + .seconds(1)
    private let members = (0..<3).map { _ in Member() }
    private var sequence: UInt16 = 65_000
    private var timestamp: UInt32 = 0
    private let notices = MediaNotices()
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2_048, alignment: 16)

    init() throws {
        stage = try LaneStage(dtls: Agreement.dtls, notices: notices, seed: 1, now: now)
        unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
        for who in 0..<3 {
            join(who)
            publish(who, [0, 1, 2])
            try? stage.answered(1, by: Agreement.all[who].setup.member, now: now)
            check(who, port: 0)
            view(who, [0x04, 0x14, 0x24])
        }
        pass(.milliseconds(20))
    }

    deinit { unsafe buffer.deallocate() }

    func take(_ step: UInt8, who: Int, _ bytes: [UInt8]) {
        switch step {
        case 0: pass(.milliseconds(Int64(bytes.first ?? 1) * 4))
        case 1, 2, 3: structuredRTP(who, bytes)
        case 4: structuredRTCP(who, bytes)
        case 5: seal(who, bytes, isControl: false)
        case 6: seal(who, bytes, isControl: true)
        case 7: deliver(bytes, from: endpoint(who, port: 0))
        case 8: check(who, port: bytes.first ?? 0)
        case 9: view(who, bytes)
        case 10: restart(who, bytes.first ?? 0)
        case 11:
            guard who < 3 else { return }
            stage.remove(Agreement.all[who].setup.member)
        case 12: join(who)
        case 13: publish(who, bytes)
        case 14:
            guard who < 3 else { return }
            try? stage.answered(UInt64(bytes.first ?? 1), by: Agreement.all[who].setup.member, now: now)
        default: feedback(who, bytes)
        }
        takeSent()
    }

    /// All leave, and nothing may be kept.
    func end() {
        for agreement in Agreement.all { stage.remove(agreement.setup.member) }
        pass(.milliseconds(100))
        precondition(stage.sizes == LaneStage.Sizes(), "something is kept: \(stage.sizes)")
    }

    // MARK: Control

    private func join(_ who: Int) {
        guard who < 3 else { return }
        let setup = Agreement.all[who].setup
        try? stage.connect(setup, now: now)
        stage.connected(setup.member, keys: Agreement.keys(who, isClient: false), now: now)
        members[who].begin(Agreement.keys(who, isClient: true))
    }

    private func restart(_ who: Int, _ what: UInt8) {
        guard who < 3 else { return }
        var setup = Agreement.all[who].setup
        setup.kind = what & 1 == 0 ? .restart : .more
        members[who].number += 1
        setup.number = members[who].number
        setup.maySend = what & 2 == 0
        try? stage.connect(setup, now: now)
    }

    /// A byte a track: which m-line, of what, muted or not.
    private func publish(_ who: Int, _ bytes: [UInt8]) {
        guard who < 3 else { return }
        let sources: [MediaSource] = [.microphone, .camera, .screen, .screenAudio]
        let tracks = bytes.prefix(16).map {
            MediaTrack(
                mid: "\($0 & 7)", source: $0 < 8 ? sources[Int($0 & 3)] : sources[Int($0 >> 4) & 3],
                muted: $0 & 0x80 != 0)
        }
        try? stage.publish(tracks, by: Agreement.all[who].setup.member, now: now)
    }

    /// A byte a tile: whose, of what, how large.
    private func view(_ who: Int, _ bytes: [UInt8]) {
        guard who < 3 else { return }
        let sizes = [0, 1, 90, 180, 360, 720, 2_160, Int.max]
        let tiles = bytes.prefix(16).map {
            let size = sizes[Int($0 & 7)]
            return MediaTile(
                member: "\(Int($0 >> 4) & 3)", source: $0 & 0x80 == 0 ? .camera : .screen, width: size, height: size)
        }
        try? stage.view(tiles, by: Agreement.all[who].setup.member, now: now)
    }

    // MARK: Packets

    private func endpoint(_ who: Int, port: UInt8) -> Endpoint {
        Endpoint(address: IPAddress(v4: 0x7f00_0002), port: UInt16(2_000 + who * 256) + UInt16(port))
    }

    /// A check that nominates, with good credentials.
    private func check(_ who: Int, port: UInt8) {
        guard who < 3 else { return }
        let setup = Agreement.all[who].setup
        let id = TransactionID(high: UInt32(port), low: UInt64(bitPattern: now.nanoseconds))
        let nothing: [UInt8] = []
        let tieBreaker: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 1]
        let bytes = try? [UInt8](capacity: 256) { (output) throws(STUNError) in
            let writer = try STUNWriter(STUNHeader(.request, .binding, id), to: &output)
            try writer.add(
                .username, text: "\(setup.localICE.ufrag):\(setup.remoteICE.ufrag)", to: &output)
            try writer.add(.priority, uint32: 1_000 &+ UInt32(port), to: &output)
            try writer.add(.iceControlling, bytes: tieBreaker.span.raw, to: &output)
            try writer.add(.useCandidate, bytes: nothing.span.raw, to: &output)
            try writer.addIntegrity(.sha1, STUNKey(password: setup.localICE.password), to: &output)
            try writer.addFingerprint(to: &output)
        }
        guard let bytes else { preconditionFailure("no check") }
        deliver(bytes, from: endpoint(who, port: port))
    }

    /// A packet of one of the own sources, or another's: which, payload type, steps of number and time, then its payload.
    private func structuredRTP(_ who: Int, _ bytes: [UInt8]) {
        guard who < 3, bytes.count >= 4 else { return }
        let kind = Int(bytes[0] & 7)
        let owner = bytes[0] & 0x80 == 0 ? who : Int(bytes[0] >> 4) & 3
        sequence &+= UInt16(truncatingIfNeeded: Int(Int8(bitPattern: bytes[2])) / 16 + 1)
        timestamp &+= UInt32(bytes[3]) * 16
        let types: [UInt8] = [111, 96, 97, 98, 99, 63, 127, 13]
        var elements: [(UInt8, [UInt8])] = [(4, Array((kind == 0 ? "0" : kind == 4 ? "2" : "1").utf8))]
        if (1...3).contains(kind) { elements.append((10, Array(["q", "h", "f"][kind - 1].utf8))) }
        if (5...7).contains(kind) { elements.append((11, Array(["q", "h", "f"][kind - 5].utf8))) }
        if kind == 0 { elements.append((1, [bytes[3]])) }
        elements.append((3, [UInt8(sequence >> 8), UInt8(sequence & 255)]))
        var packet: [UInt8] = [0x90, types[Int(bytes[1] & 7)] | (bytes[1] & 0x80)]
        packet += big(sequence) + big(timestamp) + big(Agreement.source(owner, kind))
        var block = elements.flatMap { [$0.0 << 4 | UInt8($0.1.count - 1)] + $0.1 }
        block += [UInt8](repeating: 0, count: -block.count & 3)
        packet += [0xbe, 0xde] + big(UInt16(block.count / 4)) + block + bytes[4...]
        seal(who, packet, isControl: false)
    }

    /// A report or a wish: format, type, whose source it is about, then its body.
    private func structuredRTCP(_ who: Int, _ bytes: [UInt8]) {
        guard who < 3, bytes.count >= 3 else { return }
        let slot = Agreement.all[who].slots[Int(bytes[2]) & 7]
        let about = bytes[2] & 0x80 == 0 ? slot : Agreement.source(who, Int(bytes[2]) & 7)
        let isSenderReport = bytes[1] & 7 == 0
        var body = big(isSenderReport ? about : 1)
        if !isSenderReport { body += big(about) }
        body += bytes[3...]
        body += [UInt8](repeating: 0, count: -body.count & 3)
        seal(who, [0x80 | bytes[0] & 31, 200 + (bytes[1] & 7)] + big(UInt16(body.count / 4)) + body, isControl: true)
    }

    /// Transport-wide feedback as a browser sends it: first number, count, then chunks and deltas as they come.
    private func feedback(_ who: Int, _ bytes: [UInt8]) {
        guard who < 3, bytes.count >= 4 else { return }
        var body = big(UInt32(1)) + big(UInt32(2)) + bytes
        body += [UInt8](repeating: 0, count: -body.count & 3)
        seal(who, [0x8f, 205] + big(UInt16(body.count / 4)) + body, isControl: true)
    }

    private func seal(_ who: Int, _ packet: [UInt8], isControl: Bool) {
        guard who < 3, packet.count <= 1_900 else { return }
        unsafe buffer.copyBytes(from: packet)
        let sealed =
            isControl
            ? try? unsafe members[who].sealer?.sealRTCP(buffer, length: packet.count)
            : try? unsafe members[who].sealer?.sealRTP(buffer, length: packet.count)
        guard let sealed else { return }
        deliver(unsafe Array(buffer[..<sealed]), from: endpoint(who, port: 0))
    }

    private func deliver(_ bytes: [UInt8], from remote: Endpoint) {
        // Exactly as long as it may be, so that AddressSanitizer sees a byte too far.
        let datagram = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        defer { unsafe datagram.deallocate() }
        unsafe datagram.copyBytes(from: bytes)
        unsafe stage.receive(datagram, from: remote, now: now)
        takeSent()
    }

    // MARK: Time, and what leaves

    private func pass(_ duration: Interval) {
        let end = now + duration
        while stage.nextDeadline <= end {
            let due = stage.nextDeadline
            now = max(now, due)
            stage.timeout(now: now)
            precondition(stage.nextDeadline > due, "a deadline that was met did not move on")
            takeSent()
        }
        now = end
        _ = notices.take()
    }

    private func takeSent() {
        unsafe stage.takeSent { remote, datagram in
            precondition(unsafe datagram.count > 0 && datagram.count <= 1_500, "nothing, or more than fits")
            let who = (Int(remote.port) - 2_000) / 256
            let first = unsafe datagram[0]
            guard first >= 128 else { return precondition(first < 64, "no STUN, DTLS or RTP") }
            precondition(who < 3, "a stranger is sent media")
            do throws(SRTPError) {
                let isControl = unsafe (192...223).contains(datagram[1])
                let length =
                    isControl
                    ? try unsafe members[who].opener?.openRTCP(datagram)
                    : try unsafe members[who].opener?.openRTP(datagram)
                guard let length else { return }
                let opened = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: datagram[..<length]))
                if isControl {
                    var reader = RTCPReader(opened)
                    do {
                        while try reader.next() != nil {}
                    } catch {
                        preconditionFailure("RTCP that does not parse: \(error)")
                    }
                } else {
                    precondition((try? RTPPacket(parsing: opened)) != nil, "RTP that does not parse")
                }
            } catch {
                // A sender may go back as far as it likes, and what is forwarded goes back with it.
                precondition(error == .tooOld, "what left does not open: \(error)")
            }
        }
    }
}

private func big(_ value: some FixedWidthInteger) -> [UInt8] {
    stride(from: value.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
}
