import Foundation
import Messages
import Signal
import Testing
import Time

private func request(_ text: String) throws -> ClientRequest? {
    guard case .request(_, let request) = try ClientMessage(parsing: Array(text.utf8)) else { return nil }
    return request
}

private func refusal(_ text: String) -> ErrorCode? {
    do throws(FrameError) {
        _ = try ClientMessage(parsing: Array(text.utf8))
        return nil
    } catch {
        switch error {
        case .cut(let code, _): return code
        case .refused(_, let error): return error.code
        }
    }
}

private func text(_ bytes: [UInt8]?) -> String { String(decoding: bytes ?? [], as: UTF8.self) }

@Test func `an offer and what follows it are read as they were said`() throws {
    let offer = try request(#"{"type":"offer","id":1,"room":"blue.1","n":2,"sdp":"v=0\r\n"}"#)
    #expect(offer == .offer(room: "blue.1", number: 2, sdp: "v=0\r\n"))
    let answered = try request(#"{"type":"answered","id":2,"room":"blue","n":2}"#)
    #expect(answered == .answered(room: "blue", number: 2))
    let publish = try request(
        #"{"type":"publish","id":3,"room":"blue","tracks":[{"mid":"0","source":"screen-audio","muted":true},{"mid":"1","source":"camera"}]}"#
    )
    #expect(
        publish
            == .publish(
                room: "blue",
                tracks: [
                    TrackReport(mid: "0", source: .screenAudio, muted: true),
                    TrackReport(mid: "1", source: .camera, muted: false),
                ]))
    let view = try request(
        #"{"type":"view","id":4,"room":"blue","tiles":[{"member":"m-1","source":"camera","width":320,"height":99999999999}]}"#
    )
    #expect(
        view
            == .view(
                room: "blue",
                tiles: [TileReport(member: "m-1", source: .camera, width: 320, height: .max)]))
    let remove = try request(#"{"type":"moderate","id":5,"room":"blue","member":"m-1","action":"remove"}"#)
    #expect(remove == .moderate(room: "blue", member: "m-1", action: .remove))
    let lock = try request(#"{"type":"moderate","id":6,"room":"blue","member":null,"action":"lock"}"#)
    #expect(lock == .moderate(room: "blue", member: nil, action: .lock))
    let listen = try request(#"{"type":"moderate","id":6,"room":"blue","member":"m-1","action":"listen"}"#)
    #expect(listen == .moderate(room: "blue", member: "m-1", action: .listen))
    let join = try request(
        #"{"type":"join","id":6,"room":"blue","role":"listener","media":{"audio":true,"video":true,"screen":false}}"#)
    #expect(join == .join(room: "blue", media: MediaFlags(), isCall: false, topology: "auto", listens: true))
    let topology = try request(#"{"type":"topology","id":6,"room":"blue","topology":"mesh"}"#)
    #expect(topology == .topology(room: "blue", topology: "mesh"))
    for type in ["hand", "reaction", "chat"] {
        let send = try request(
            #"{"type":"send","id":7,"room":"blue","to":null,"message":{"type":"\#(type)","body":{"up":true}}}"#)
        #expect(send == .send(room: "blue", to: nil, type: type, body: Array(#"{"up":true}"#.utf8)))
    }
}

@Test(arguments: [
    #"{"type":"offer","id":1,"room":"b","n":0,"sdp":"v=0"}"#, #"{"type":"offer","id":1,"room":"b","n":1}"#,
    #"{"type":"offer","id":1,"room":"b","n":-1,"sdp":"v=0"}"#, #"{"type":"offer","id":1,"room":"b","n":1,"sdp":7}"#,
    #"{"type":"offer","id":1,"room":"b b","n":1,"sdp":"v=0"}"#, #"{"type":"answered","id":1,"room":"b"}"#,
    #"{"type":"publish","id":1,"room":"b"}"#, #"{"type":"publish","id":1,"room":"b","tracks":[{"mid":"0"}]}"#,
    #"{"type":"publish","id":1,"room":"b","tracks":[{"mid":"","source":"camera"}]}"#,
    #"{"type":"publish","id":1,"room":"b","tracks":[{"mid":"12345678901234567","source":"camera"}]}"#,
    #"{"type":"view","id":1,"room":"b","tiles":[{"member":"m","source":"microphone","width":1,"height":1}]}"#,
    #"{"type":"view","id":1,"room":"b","tiles":[{"member":"m","source":"camera","width":1.5,"height":1}]}"#,
    #"{"type":"moderate","id":1,"room":"b","action":"promote"}"#,
    #"{"type":"moderate","id":1,"room":"b","action":"mute"}"#,
    #"{"type":"moderate","id":1,"room":"b","action":"listen"}"#,
    #"{"type":"join","id":1,"room":"b","role":"host"}"#, #"{"type":"topology","id":1,"room":"b"}"#,
    #"{"type":"topology","id":1,"room":"b","topology":"star"}"#,
    #"{"type":"send","id":1,"room":"b","message":{"type":"joke"}}"#,
])
func `a request about media with a wrong field is refused`(text: String) {
    #expect(refusal(text) == .badRequest)
}

@Test func `more tracks and tiles than any page has are refused`() {
    let tracks = (0...ClientMessage.trackLimit).map { #"{"mid":"\#($0)","source":"camera"}"# }.joined(separator: ",")
    #expect(refusal(#"{"type":"publish","id":1,"room":"b","tracks":[\#(tracks)]}"#) == .badRequest)
    let tiles = (0...ClientMessage.tileLimit)
        .map { #"{"member":"m\#($0)","source":"camera","width":1,"height":1}"# }.joined(separator: ",")
    #expect(refusal(#"{"type":"view","id":1,"room":"b","tiles":[\#(tiles)]}"#) == .badRequest)
}

@Test func `only an offer of a signed-in client may be long, and a few of them are a flood`() {
    func long(_ type: String) -> [UInt8] {
        let sdp = String(repeating: "a", count: 200_000)
        return Array(#"{"type":"\#(type)","id":1,"room":"b","n":1,"sdp":"\#(sdp)"}"#.utf8)
    }
    func code(_ action: ConnectionMachine.Action) -> ErrorCode? {
        if case .cut(let code, _) = action { code } else { nil }
    }
    var machine = ConnectionMachine(now: .zero)
    let early = code(machine.receive(long("offer"), now: .zero))
    #expect(early == .oversize)

    func signedIn() -> ConnectionMachine {
        var machine = ConnectionMachine(now: .zero)
        let key = String(repeating: "k", count: 24)
        _ = machine.receive(
            Array(#"{"type":"hello","id":1,"v":1,"name":"Ann","key":"\#(key)"}"#.utf8), now: .zero)
        machine.entered(true, now: .zero)
        return machine
    }
    machine = signedIn()
    let other = code(machine.receive(long("leave"), now: .zero))
    #expect(other == .oversize)
    machine = signedIn()
    let garbage = code(machine.receive(Array(repeating: 0x20, count: 100_000), now: .zero))
    #expect(garbage == .oversize)
    machine = signedIn()
    let taken = (1...20).prefix { _ in
        if case .request(_, .offer) = machine.receive(long("offer"), now: .zero) { true } else { false }
    }
    #expect((5...15).contains(taken.count))
}

@Test func `news of media read as docs say`() {
    func message(_ make: (inout Roost_Rooms_V1_MediaNotice) -> Void) -> String {
        var notice = Roost_Rooms_V1_MediaNotice()
        notice.memberID = "m-1"
        make(&notice)
        return text(RoomTexts.mediaMessage(notice, room: "blue"))
    }
    var slot = Roost_Rooms_V1_MediaSlot()
    (slot.mid, slot.memberID, slot.source) = ("3", "m-2", .screenAudio)
    #expect(
        message {
            $0.map.version = 4
            $0.map.slots = [slot]
        }
            == #"{"type":"media","room":"blue","kind":"map","version":4,"slots":[{"mid":"3","member":"m-2","source":"screen-audio"}]}"#
    )
    #expect(message { $0.slotsWanted.video = 9 } == #"{"type":"media","room":"blue","kind":"slots-wanted","video":9}"#)
    var levels: [Roost_Rooms_V1_MediaLevel] = []
    for value in [0.0625, 1.5, -1, .nan, .infinity, 0.9999] {
        var level = Roost_Rooms_V1_MediaLevel()
        (level.memberID, level.level) = ("m", value)
        levels.append(level)
    }
    #expect(
        message { $0.speakers.levels = levels }
            == #"{"type":"media","room":"blue","kind":"speakers","dominant":null,"levels":["#
            + ["0.062", "1", "0", "0", "0", "0.999"].map { #"{"member":"m","level":\#($0)}"# }.joined(separator: ",")
            + "]}")
    var pause = Roost_Rooms_V1_MediaPause()
    (pause.memberID, pause.source, pause.reason) = ("m-2", .camera, .hidden)
    var layer = Roost_Rooms_V1_MediaLayer()
    (layer.memberID, layer.source, layer.rid) = ("m-3", .camera, "h")
    #expect(
        message {
            $0.quality.paused = [pause]
            $0.quality.layers = [layer]
            $0.quality.downBps = 1_200_000
        }
            == #"{"type":"media","room":"blue","kind":"quality","paused":[{"member":"m-2","source":"camera","reason":"hidden"}],"#
            + #""layers":[{"member":"m-3","source":"camera","rid":"h"}],"downBps":1200000}"#)
    #expect(
        message {
            $0.layers.mid = "1"
            $0.layers.activeRids = ["l"]
        } == #"{"type":"media","room":"blue","kind":"layers","mid":"1","active":["l"]}"#)
    var links: [Roost_Rooms_V1_MediaLink] = []
    for roundTrip in [12.345, 0, .nan] {
        var link = Roost_Rooms_V1_MediaLink()
        (link.memberID, link.upBps, link.downBps) = ("m-2", 1_800_000, 900)
        (link.upLoss, link.downLoss, link.roundTripMs) = (0.0251, 2, roundTrip)
        links.append(link)
    }
    #expect(
        message {
            $0.totals.receivedBps = [1, 2, 3]
            $0.totals.sentBps = [4, 5, 6]
            $0.totals.links = links
        } == #"{"type":"media","room":"blue","kind":"totals","receivedBps":[1,2,3],"sentBps":[4,5,6],"links":["#
            + ["12.3", "null", "0"].map {
                #"{"member":"m-2","upBps":1800000,"downBps":900,"upLoss":0.025,"downLoss":1,"rttMs":\#($0)}"#
            }.joined(separator: ",") + "]}")
    #expect(message { $0.mutedBy.name = "Ann" } == #"{"type":"media","room":"blue","kind":"muted-by","by":"Ann"}"#)
    #expect(message { $0.lost.reason = "node" } == #"{"type":"media","room":"blue","kind":"lost","reason":"node"}"#)
    #expect(RoomTexts.mediaMessage(Roost_Rooms_V1_MediaNotice(), room: "blue") == nil)
}

@Test func `a room's text holds its chat and its lock; a call's has no chat`() {
    var state = Roost_Rooms_V1_RoomState()
    state.room = "blue"
    state.kind = .room
    state.locked = true
    for body in [#"{"text":"hi"}"#, "no json"] {
        var line = Roost_Rooms_V1_ChatLine()
        (line.seq, line.atMs, line.fromMemberID, line.name, line.body) = (5, 9, "m-1", "Ann", Data(body.utf8))
        state.chat.append(line)
    }
    func written() -> String { text(JSONWriter.object { RoomTexts.room(state, node: "n", into: &$0) }) }
    #expect(
        written().hasSuffix(
            #""locked":true,"chat":[{"n":5,"at":9,"from":"m-1","name":"Ann","body":{"text":"hi"}},"#
                + #"{"n":5,"at":9,"from":"m-1","name":"Ann","body":null}]}"#))
    state.kind = .call
    #expect(written().hasSuffix(#""locked":true}"#))
    var event = Roost_Rooms_V1_RoomEvent()
    event.seq = 3
    event.lock.locked = true
    event.lock.byName = "Ann"
    #expect(
        text(RoomTexts.eventMessage(event, room: "blue"))
            == #"{"type":"event","room":"blue","n":3,"at":0,"kind":"locked","locked":true,"by":"Ann"}"#)
    event.topology.topology = .sfu
    event.topology.byName = "Bob"
    #expect(
        text(RoomTexts.eventMessage(event, room: "blue"))
            == #"{"type":"event","room":"blue","n":3,"at":0,"kind":"topology","topology":"sfu","by":"Bob"}"#)
}

@Test func `an answer to the ring before is none to the new one`() {
    var state = Roost_Rooms_V1_RoomState()
    var invitation = Roost_Rooms_V1_Invitation()
    (invitation.personID, invitation.state, invitation.expiresMs) = ("p-1", .accepted, 5)
    state.invitations = [invitation]
    let replica = RoomReplica(state: state)
    #expect(replica.invitation(of: "p-1", expiring: 5)?.state == .accepted)
    #expect(replica.invitation(of: "p-1", expiring: 6) == nil)
    #expect(replica.invitation(of: "p-2", expiring: 5) == nil)
}

@Test func `a replica keeps what a new node must know: chat, lock, who was removed`() {
    var state = Roost_Rooms_V1_RoomState()
    state.kind = .room
    var member = Roost_Rooms_V1_Member()
    (member.memberID, member.personID, member.name) = ("m-1", "p-1", "Ann")
    state.members = [member]
    var replica = RoomReplica(state: state)
    var seq: UInt64 = 0
    func next(_ make: (inout Roost_Rooms_V1_RoomEvent) -> Void) {
        seq += 1
        var event = Roost_Rooms_V1_RoomEvent()
        event.seq = seq
        make(&event)
        _ = replica.apply(event)
    }
    func say(_ id: String, type: String = "chat", to: String = "", bytes: Int = 2) {
        next {
            $0.message.fromMemberID = "m-1"
            $0.message.toMemberID = to
            $0.message.messageID = id
            $0.message.type = type
            $0.message.body = Data(repeating: 0x20, count: bytes)
        }
    }
    say("1")
    say("1")
    say("2", to: "m-2")
    say("3", type: "hand")
    #expect(replica.state.chat.map(\.seq) == [1] && replica.state.chat.map(\.name) == ["Ann"])
    for number in 0..<300 { say("n\(number)") }
    #expect(replica.state.chat.count == RoomReplica.chatLimit)
    for number in 0..<20 { say("b\(number)", bytes: 30_000) }
    #expect(replica.state.chat.reduce(0) { $0 + $1.body.count } <= RoomReplica.chatByteLimit)
    next { $0.lock.locked = true }
    next { $0.topology.topology = .mesh }
    #expect(replica.state.topology == .mesh)
    next {
        $0.left.memberID = "m-1"
        $0.left.reason = .removed
    }
    #expect(replica.state.locked && replica.state.removedPersonIds == ["p-1"] && replica.state.members.isEmpty)
}

@Test func `answers kept for repeats are bounded in bytes`() {
    var machine = SessionMachine()
    for id in 1...20 as ClosedRange<UInt64> {
        guard case .run = machine.begin(id) else { continue }
        _ = machine.answered(id, Array(repeating: 0x20, count: 100_000))
    }
    let kept = (1...20 as ClosedRange<UInt64>).filter { id in
        if case .repeatAnswer = machine.begin(id) { true } else { false }
    }
    #expect(kept == Array(16...20))
}
