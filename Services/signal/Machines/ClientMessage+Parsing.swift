extension ClientMessage {
    /// A frame that is no offer: a body and what is around it.
    package static let frameLimit = 64 << 10
    /// A body is passed on unread; larger ones belong into several messages.
    package static let bodyLimit = 60 * 1024
    /// Rooms of one session at once, and so in one `resume`.
    package static let roomLimit = 16

    /// The message of a text frame. One longer than `frameLimit` must be an offer.
    package init(parsing bytes: [UInt8], frameLimit: Int = Self.frameLimit) throws(FrameError) {
        let json: JSONValue
        do {
            json = try JSONParser.parse(bytes)
        } catch {
            throw .cut(.badJSON, "This is not JSON as agreed: \(error).")
        }
        guard case .object = json else { throw .cut(.badJSON, "A message is a JSON object.") }
        guard let type = json["type"]?.string else { throw .cut(.badJSON, "A message needs a type.") }
        if type == "ack" {
            guard let seq = json["seq"]?.count else { throw .cut(.badJSON, "An ack needs a seq.") }
            self = .ack(seq: seq)
            return
        }
        guard Self.types.contains(type) else {
            throw .cut(.unknownType, "Signal knows no message of type \(type.prefix(40)).")
        }
        guard type == "offer" || bytes.count <= frameLimit else {
            throw .cut(.oversize, "A message has at most \(frameLimit >> 10) KiB, unless it is an offer.")
        }
        guard let id = json["id"]?.count else { throw .cut(.badJSON, "A request needs an id.") }
        do {
            self = try Self(type: type, id: id, json)
        } catch {
            throw .refused(id: id, error)
        }
    }

    private static let types: Set = [
        "hello", "resume", "ping", "sign-out", "ice-servers", "call", "join", "answer", "leave", "update", "send",
        "offer", "answered", "publish", "view", "moderate", "topology",
    ]

    /// What members say to each other.
    private static let messageTypes: Set = ["description", "candidate", "restart", "chat", "hand", "reaction"]

    private init(type: String, id: UInt64, _ json: JSONValue) throws(RequestError) {
        switch type {
        case "hello":
            let key = try json.text("key", 64)
            guard key.utf8.count >= 22, key.isURLSafe else { throw .bad("key: 22 to 64 URL-safe characters.") }
            self = .hello(
                id: id, version: json["v"]?.count ?? 0, name: String((json["name"]?.string ?? "").prefix(1_000)),
                key: key)
        case "resume":
            self = .resume(
                id: id, token: try json.text("token", 128), seq: json["seq"]?.count ?? 0,
                rooms: try Self.positions(json))
        case "ping": self = .ping(id: id)
        default: self = .request(id: id, try Self.request(type: type, json))
        }
    }

    private static func positions(_ json: JSONValue) throws(RequestError) -> [RoomPosition] {
        let items = json["rooms"]?.array ?? []
        guard items.count <= roomLimit else { throw .bad("rooms: at most \(roomLimit).") }
        var positions: [RoomPosition] = []
        for item in items {
            positions.append(
                RoomPosition(room: try item.room(), epoch: item["epoch"]?.count ?? 0, seq: item["seq"]?.count ?? 0))
        }
        return positions
    }

    private static func topologyName(_ json: JSONValue) throws(RequestError) -> String {
        guard let text = json["topology"]?.string, ["auto", "mesh", "sfu"].contains(text) else {
            throw .bad("topology: auto, mesh or sfu.")
        }
        return text
    }

    private static func request(type: String, _ json: JSONValue) throws(RequestError) -> ClientRequest {
        switch type {
        case "call":
            let room = try json.room()
            guard room.hasPrefix("c-"), room.utf8.count == 24 else {
                throw .bad("room: c- and 22 URL-safe characters.")
            }
            return .call(
                room: room, to: try json.text("to", DisplayName.byteLimit), video: json["video"]?.bool ?? false,
                media: json.media())
        case "join":
            let kind = json["kind"]?.string ?? "room"
            guard kind == "call" || kind == "room" else { throw .bad("kind: call or room.") }
            let topology = try json["topology"] == nil ? "auto" : topologyName(json)
            let role = json["role"]?.string ?? "speaker"
            guard role == "speaker" || role == "listener" else { throw .bad("role: speaker or listener.") }
            let listens = role == "listener"
            return .join(
                room: try json.room(), media: listens ? MediaFlags() : json.media(), isCall: kind == "call",
                topology: topology, listens: listens)
        case "answer":
            let state = json["state"]?.string
            guard state == "declined" || state == "busy" else { throw .bad("state: declined or busy.") }
            return .answer(room: try json.room(), busy: state == "busy")
        case "leave": return .leave(room: try json.room())
        case "update": return .update(room: try json.room(), media: json.media())
        case "send":
            guard let message = json["message"] else { throw .bad("message is missing.") }
            let type = try message.text("type", 32)
            guard messageTypes.contains(type) else {
                throw .bad("message.type: description, candidate, restart, chat, hand or reaction.")
            }
            let body: JSONValue = if case .object(let members) = message { members["body"] ?? .null } else { .null }
            let bytes = body.bytes
            guard bytes.count <= bodyLimit else { throw .bad("message.body: at most 60 KiB.") }
            let to: String? = json["to"] == nil ? nil : try json.text("to", 64)
            return .send(room: try json.room(), to: to, type: type, body: bytes)
        case "offer": return try offer(json)
        case "answered": return .answered(room: try json.room(), number: try number(json))
        case "publish": return try publish(json)
        case "view": return try view(json)
        case "moderate": return try moderate(json)
        case "topology": return .topology(room: try json.room(), topology: try topologyName(json))
        case "ice-servers": return .iceServers
        default: return .signOut
        }
    }
}

extension RequestError {
    static func bad(_ what: String) -> RequestError {
        RequestError(.badRequest, "This request is not as agreed: \(what)")
    }
}

extension JSONValue {
    /// A text that must be there, within a size.
    func text(_ name: String, _ limit: Int) throws(RequestError) -> String {
        guard let text = self[name]?.string, !text.isEmpty else { throw .bad("\(name) is missing.") }
        guard text.utf8.count <= limit else { throw .bad("\(name) is too long.") }
        return text
    }

    /// A room's id.
    func room() throws(RequestError) -> String {
        let room = try text("room", 64)
        guard room.utf8.allSatisfy({ $0 == UInt8(ascii: ".") || isURLSafeByte($0) }) else {
            throw .bad("room: letters, digits, - _ and .")
        }
        return room
    }

    fileprivate func media() -> MediaFlags {
        guard let media = self["media"] else { return MediaFlags() }
        return MediaFlags(
            audio: media["audio"]?.bool ?? false, video: media["video"]?.bool ?? false,
            screen: media["screen"]?.bool ?? false)
    }
}

extension String {
    fileprivate var isURLSafe: Bool { utf8.allSatisfy(isURLSafeByte) }
}

/// Letters, digits, `-` and `_`.
private func isURLSafeByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
    default: false
    }
}
