/// Where a track comes from.
package enum TrackSource: String, Hashable, Sendable, CaseIterable {
    case microphone, camera, screen
    case screenAudio = "screen-audio"
}

/// What one of a client's sending mids carries.
package struct TrackReport: Hashable, Sendable {
    package var mid: String
    package var source: TrackSource
    package var muted: Bool

    package init(mid: String, source: TrackSource, muted: Bool) {
        self.mid = mid
        self.source = source
        self.muted = muted
    }
}

/// A picture as a client shows it, in device pixels.
package struct TileReport: Hashable, Sendable {
    package var member: String
    package var source: TrackSource
    package var width: UInt32
    package var height: UInt32

    package init(member: String, source: TrackSource, width: UInt32, height: UInt32) {
        self.member = member
        self.source = source
        self.width = width
        self.height = height
    }
}

/// What a host may do.
package enum HostAction: String, Hashable, Sendable, CaseIterable { case mute, remove, lock, unlock, listen, speak }

extension ClientMessage {
    /// A member's tracks: as many as a node takes.
    package static let trackLimit = 16
    /// A page's tiles: as many as a node takes.
    package static let tileLimit = 128

    static func offer(_ json: JSONValue) throws(RequestError) -> ClientRequest {
        guard let sdp = json["sdp"]?.string, !sdp.isEmpty else { throw .bad("sdp is missing.") }
        return .offer(room: try json.room(), number: try number(json), sdp: sdp)
    }

    static func number(_ json: JSONValue) throws(RequestError) -> UInt64 {
        guard let number = json["n"]?.count, number > 0 else { throw .bad("n: a number from 1.") }
        return number
    }

    static func publish(_ json: JSONValue) throws(RequestError) -> ClientRequest {
        guard let items = json["tracks"]?.array, items.count <= trackLimit else {
            throw .bad("tracks: at most \(trackLimit).")
        }
        var tracks: [TrackReport] = []
        for item in items {
            guard let source = item["source"]?.string.flatMap({ TrackSource(rawValue: $0) }) else {
                throw .bad("tracks.source: microphone, camera, screen or screen-audio.")
            }
            tracks.append(
                TrackReport(mid: try item.text("mid", 16), source: source, muted: item["muted"]?.bool ?? false))
        }
        return .publish(room: try json.room(), tracks: tracks)
    }

    static func view(_ json: JSONValue) throws(RequestError) -> ClientRequest {
        guard let items = json["tiles"]?.array, items.count <= tileLimit else {
            throw .bad("tiles: at most \(tileLimit).")
        }
        var tiles: [TileReport] = []
        for item in items {
            guard let source = item["source"]?.string.flatMap({ TrackSource(rawValue: $0) }),
                source == .camera || source == .screen
            else { throw .bad("tiles.source: camera or screen.") }
            guard let width = item["width"]?.count, let height = item["height"]?.count else {
                throw .bad("tiles.width, tiles.height: whole numbers.")
            }
            tiles.append(
                TileReport(
                    member: try item.text("member", 64), source: source, width: UInt32(clamping: width),
                    height: UInt32(clamping: height)))
        }
        return .view(room: try json.room(), tiles: tiles)
    }

    static func moderate(_ json: JSONValue) throws(RequestError) -> ClientRequest {
        guard let action = json["action"]?.string.flatMap({ HostAction(rawValue: $0) }) else {
            throw .bad("action: mute, remove, lock, unlock, listen or speak.")
        }
        let member: String? =
            switch action {
            case .mute, .remove, .listen, .speak: try json.text("member", 64)
            case .lock, .unlock: nil
            }
        return .moderate(room: try json.room(), member: member, action: action)
    }
}
