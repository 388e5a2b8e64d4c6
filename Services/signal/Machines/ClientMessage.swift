/// Why a request is refused, or a socket cut. The raw value is what the client reads.
package enum ErrorCode: String, CaseIterable, Sendable {
    case badRequest = "bad-request"
    case version
    case nameTaken = "name-taken"
    case nameInvalid = "name-invalid"
    case resumeFailed = "resume-failed"
    case unavailable
    case notFound = "not-found"
    case selfCall = "self"
    case busySelf = "busy-self"
    case gone
    case notAllowed = "not-allowed"
    case locked
    case removed
    case tooMany = "too-many"
    case tooManySignIns = "too-many-sign-ins"
    case meshFull = "mesh-full"
    case stale
    // Cuts: the socket closes after these.
    case flood
    case oversize
    case badJSON = "bad-json"
    case unknownType = "unknown-type"
    case slowReader = "slow-reader"
    case tooManySockets = "too-many-sockets"
    case signInFirst = "sign-in-first"
    case idle
    case replaced
}

/// A refused request: the code is for programs, the message for people.
package struct RequestError: Error, Hashable, Sendable {
    package var code: ErrorCode
    package var message: String
    package var suggestion: String?

    package init(_ code: ErrorCode, _ message: String, suggestion: String? = nil) {
        self.code = code
        self.message = message
        self.suggestion = suggestion
    }
}

/// What a member says of its own media.
package struct MediaFlags: Hashable, Sendable {
    package var audio = false
    package var video = false
    package var screen = false

    package init(audio: Bool = false, video: Bool = false, screen: Bool = false) {
        self.audio = audio
        self.video = video
        self.screen = screen
    }
}

/// Where a resuming client is in a room.
package struct RoomPosition: Hashable, Sendable {
    package var room: String
    package var epoch: UInt64
    package var seq: UInt64

    package init(room: String, epoch: UInt64, seq: UInt64) {
        self.room = room
        self.epoch = epoch
        self.seq = seq
    }
}

/// The request of a signed-in client, checked.
package enum ClientRequest: Hashable, Sendable {
    case signOut
    case iceServers
    case call(room: String, to: String, video: Bool, media: MediaFlags)
    case join(room: String, media: MediaFlags, isCall: Bool, topology: String, listens: Bool)
    case answer(room: String, busy: Bool)
    case leave(room: String)
    case update(room: String, media: MediaFlags)
    case send(room: String, to: String?, type: String, body: [UInt8])
    case offer(room: String, number: UInt64, sdp: String)
    case answered(room: String, number: UInt64)
    case publish(room: String, tracks: [TrackReport])
    case view(room: String, tiles: [TileReport])
    case moderate(room: String, member: String?, action: HostAction)
    case topology(room: String, topology: String)

    /// The room it is about: requests of one room are done in their order.
    package var room: String? {
        switch self {
        case .signOut, .iceServers: nil
        case .call(let room, _, _, _), .join(let room, _, _, _, _), .answer(let room, _), .leave(let room),
            .update(let room, _), .send(let room, _, _, _), .offer(let room, _, _), .answered(let room, _),
            .publish(let room, _), .view(let room, _), .moderate(let room, _, _), .topology(let room, _):
            room
        }
    }

    /// A label for metrics.
    package var type: String {
        switch self {
        case .signOut: "sign-out"
        case .iceServers: "ice-servers"
        case .call: "call"
        case .join: "join"
        case .answer: "answer"
        case .leave: "leave"
        case .update: "update"
        case .send: "send"
        case .offer: "offer"
        case .answered: "answered"
        case .publish: "publish"
        case .view: "view"
        case .moderate: "moderate"
        case .topology: "topology"
        }
    }
}

/// A frame from a client.
package enum ClientMessage: Hashable, Sendable {
    case hello(id: UInt64, version: UInt64, name: String, key: String)
    case resume(id: UInt64, token: String, seq: UInt64, rooms: [RoomPosition])
    case ping(id: UInt64)
    case ack(seq: UInt64)
    case request(id: UInt64, ClientRequest)
}

/// A frame that is not one of ours.
package enum FrameError: Error, Hashable, Sendable {
    /// The socket is cut.
    case cut(ErrorCode, String)
    /// This request is refused; the socket goes on.
    case refused(id: UInt64, RequestError)
}
