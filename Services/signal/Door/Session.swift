import Messages

/// A session in a room.
final class Stay {
    let member: String
    let isCall: Bool
    let topology: String
    var media: MediaFlags
    /// It asked to listen only, or a host made it a listener.
    var listens = false
    /// The last event of the room that the client has, or has on its way.
    var cursor: UInt64
    /// The client was told that it is in: events may follow.
    var isOpen = false
    /// The life of the room whose node answered an offer; 0: none did.
    var mediaEpoch: UInt64 = 0
    /// News of media that wait until the client is told that it is in.
    private var held: [[UInt8]] = []

    /// As many as there are kinds, with room for some of the same: the newest tell all.
    private static let heldLimit = 32

    func hold(_ text: [UInt8]) {
        if held.count == Self.heldLimit { held.removeFirst() }
        held.append(text)
    }

    func takeHeld() -> [[UInt8]] {
        defer { held = [] }
        return held
    }

    init(member: String, isCall: Bool, topology: String, media: MediaFlags, cursor: UInt64) {
        self.member = member
        self.isCall = isCall
        self.topology = topology
        self.media = media
        self.cursor = cursor
    }
}

/// A client's session at this door. Belongs to the door's actor.
final class Session {
    let id: String
    let person: String
    let name: String
    let keyHash: String
    var tokenHash: String
    /// The token before: good until the next resume, for the answer with the new one may be lost.
    var tokenBefore = ""
    var machine: SessionMachine
    var socket: Socket?
    /// A resume is being answered: messages are kept, for they would overtake the answer and what was missed.
    var isCatchingUp = false
    /// Another signal goes on with it: what it has begun here must not undo what it does there.
    var isHandedOver = false
    var stays: [String: Stay] = [:]
    /// Requests waiting for their room's earlier ones.
    var queues: [String: [(id: UInt64, request: ClientRequest)]] = [:]
    var isBusy: Bool { !stays.isEmpty }

    init(id: String, person: String, name: String, keyHash: String, tokenHash: String, machine: SessionMachine) {
        self.id = id
        self.person = person
        self.name = name
        self.keyHash = keyHash
        self.tokenHash = tokenHash
        self.machine = machine
    }

    /// Whether a token is this session's.
    func accepts(tokenHash hash: String) -> Bool { hash == tokenHash || (!tokenBefore.isEmpty && hash == tokenBefore) }

    func rotate(tokenHash hash: String) {
        tokenBefore = tokenHash
        tokenHash = hash
    }
}

/// What another signal needs to go on with a session. JSON, in Redis and on the bus.
struct SessionRecord {
    struct Room {
        var room: String
        var member: String
        var isCall: Bool
        var topology: String
        var media: MediaFlags
        var mediaEpoch: UInt64 = 0
        var listens = false
    }

    var id: String
    var person: String
    var name: String
    var keyHash: String
    var rooms: [Room]
    /// Of the first of `frames`.
    var firstSeq: UInt64 = 0
    var frames: [[UInt8]] = []

    init(_ session: Session, frames: [[UInt8]] = []) {
        id = session.id
        person = session.person
        name = session.name
        keyHash = session.keyHash
        rooms = session.stays.sorted { $0.key < $1.key }.map { room, stay in
            Room(
                room: room, member: stay.member, isCall: stay.isCall, topology: stay.topology, media: stay.media,
                mediaEpoch: stay.mediaEpoch, listens: stay.listens)
        }
        self.frames = frames
        firstSeq = session.machine.lastSeq + 1 - UInt64(frames.count)
    }

    init?(parsing bytes: [UInt8]) {
        guard let json = try? JSONParser.parse(bytes), let id = json["id"]?.string, let person = json["person"]?.string,
            let name = json["name"]?.string, let keyHash = json["key"]?.string
        else { return nil }
        self.id = id
        self.person = person
        self.name = name
        self.keyHash = keyHash
        rooms = (json["rooms"]?.array ?? []).compactMap { item in
            guard let room = item["room"]?.string, let member = item["member"]?.string else { return nil }
            return Room(
                room: room, member: member, isCall: item["call"]?.bool ?? true,
                topology: item["topology"]?.string ?? "auto",
                media: MediaFlags(
                    audio: item["audio"]?.bool ?? false, video: item["video"]?.bool ?? false,
                    screen: item["screen"]?.bool ?? false),
                mediaEpoch: item["mediaEpoch"]?.count ?? 0, listens: item["listens"]?.bool ?? false)
        }
        firstSeq = json["first"]?.count ?? 0
        frames = (json["frames"]?.array ?? []).compactMap { $0.string.map { Array($0.utf8) } }
    }

    var bytes: [UInt8] {
        JSONWriter.object { writer in
            writer.field("id", id)
            writer.field("person", person)
            writer.field("name", name)
            writer.field("key", keyHash)
            writer.array("rooms", rooms) { writer, room in
                writer.object { writer in
                    writer.field("room", room.room)
                    writer.field("member", room.member)
                    writer.field("call", room.isCall)
                    writer.field("topology", room.topology)
                    writer.field("audio", room.media.audio)
                    writer.field("video", room.media.video)
                    writer.field("screen", room.media.screen)
                    if room.mediaEpoch != 0 { writer.field("mediaEpoch", room.mediaEpoch) }
                    if room.listens { writer.field("listens", true) }
                }
            }
            if !frames.isEmpty {
                writer.field("first", firstSeq)
                writer.array("frames", frames) { $0.string(String(decoding: $1, as: UTF8.self)) }
            }
        }
    }
}
