package import Bus
import MediaInterface
package import Messages

/// What is taken of a request about media, each with its reason.
private enum MediaBounds {
    /// As much as signal takes of a client.
    static let sdp = 256 << 10
    /// A microphone, a camera, a screen with sound, and as many on their way out.
    static let tracks = 16
    /// RFC 8843, 15.1: an identifier in a header extension with a one-byte header has at most 16 bytes.
    static let mid = 16
    /// More than a page shows: 49 cameras, and screens.
    static let tiles = 128
    /// Pixels of the largest tile, on a wall of screens.
    static let pixels: UInt32 = 16_384
}

extension RoomsService {
    package func moderate(
        _ request: Roost_Rooms_V1_ModerateRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_ModerateResponse {
        try await answering { () async throws(RoomRefusal) in
            try await host.moderate(
                try parse(request.room, "room"), try Moderation(parsing: request),
                by: try parse(request.byMemberID, "by_member_id"))
            return Roost_Rooms_V1_ModerateResponse()
        }
    }

    package func offer(
        _ request: Roost_Rooms_V1_OfferRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_OfferResponse {
        try await answering { () async throws(RoomRefusal) in
            guard request.number > 0 else { throw .invalid(field: "number", why: "counts from 1") }
            let bytes = request.sdp.utf8.count
            guard bytes > 0 else { throw .invalid(field: "sdp", why: "is missing") }
            guard bytes <= MediaBounds.sdp else {
                throw .invalid(field: "sdp", why: "has \(bytes) bytes; \(MediaBounds.sdp) is the limit")
            }
            let seat = try await seat(request.room, request.memberID, .offer)
            var response = Roost_Rooms_V1_OfferResponse()
            response.number = request.number
            response.sdp = try await asking(seat) { (seat) throws(MediaRefusal) in
                try await media.offer(
                    request.number, sdp: request.sdp, from: seat.member, maySend: seat.maySend)
            }
            return response
        }
    }

    package func answered(
        _ request: Roost_Rooms_V1_AnsweredRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_AnsweredResponse {
        try await answering { () async throws(RoomRefusal) in
            let seat = try await seat(request.room, request.memberID, .answered)
            try await asking(seat) { (seat) throws(MediaRefusal) in
                try await media.answered(request.number, by: seat.member)
            }
            return Roost_Rooms_V1_AnsweredResponse()
        }
    }

    package func publish(
        _ request: Roost_Rooms_V1_PublishRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_PublishResponse {
        try await answering { () async throws(RoomRefusal) in
            let tracks = try tracks(request.tracks)
            let seat = try await seat(request.room, request.memberID, .publish)
            guard seat.maySend || tracks.isEmpty else { throw .forbidden(why: "a listener sends no media") }
            try await asking(seat) { (seat) throws(MediaRefusal) in
                try await media.publish(tracks, by: seat.member)
            }
            return Roost_Rooms_V1_PublishResponse()
        }
    }

    package func view(
        _ request: Roost_Rooms_V1_ViewRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_ViewResponse {
        try await answering { () async throws(RoomRefusal) in
            let tiles = try tiles(request.tiles)
            let seat = try await seat(request.room, request.memberID, .view)
            try await asking(seat) { (seat) throws(MediaRefusal) in
                try await media.view(tiles, by: seat.member)
            }
            return Roost_Rooms_V1_ViewResponse()
        }
    }

    private func seat(_ room: String, _ member: String, _ wish: MediaWish) async throws(RoomRefusal) -> SeatedMember {
        try await host.seat(try parse(room, "room"), member: try parse(member, "member_id"), for: wish)
    }

    /// Asks those who carry the media. What they did for a member that left meanwhile is taken back.
    private func asking<T: Sendable>(
        _ seat: SeatedMember, _ body: (SeatedMember) async throws(MediaRefusal) -> T
    ) async throws(RoomRefusal) -> T {
        let result: T
        do {
            result = try await body(seat)
        } catch {
            throw .media(error)
        }
        guard await host.isSeated(seat.member) else {
            await media.memberLeft(seat.member)
            throw .noSuchMember
        }
        return result
    }

    private func tracks(_ wire: [Roost_Rooms_V1_MediaTrack]) throws(RoomRefusal) -> [MediaTrack] {
        guard wire.count <= MediaBounds.tracks else {
            throw .invalid(field: "tracks", why: "are more than \(MediaBounds.tracks)")
        }
        var tracks: [MediaTrack] = []
        var mids: Set<String> = []
        var sources: Set<MediaSource> = []
        for track in wire {
            let mid = track.mid.utf8
            guard (1...MediaBounds.mid).contains(mid.count), mid.allSatisfy({ (0x21...0x7e).contains($0) }),
                mids.insert(track.mid).inserted
            else {
                throw .invalid(
                    field: "tracks.mid",
                    why: "must be distinct, each 1 to \(MediaBounds.mid) printable ASCII characters")
            }
            let source = try MediaSource(parsing: track.source)
            guard sources.insert(source).inserted else {
                throw .invalid(field: "tracks.source", why: "must be distinct: one \(source.rawValue) a member")
            }
            tracks.append(MediaTrack(mid: track.mid, source: source, muted: track.muted))
        }
        return tracks
    }

    private func tiles(_ wire: [Roost_Rooms_V1_MediaTile]) throws(RoomRefusal) -> [MediaTile] {
        guard wire.count <= MediaBounds.tiles else {
            throw .invalid(field: "tiles", why: "are more than \(MediaBounds.tiles)")
        }
        var tiles: [MediaTile] = []
        var known: Set<[String]> = []
        for tile in wire {
            let member: MemberID = try parse(tile.memberID, "tiles.member_id")
            let source = try MediaSource(parsing: tile.source)
            guard source.isVideo else { throw .invalid(field: "tiles.source", why: "must be a camera or a screen") }
            guard known.insert([member.text, source.rawValue]).inserted else {
                throw .invalid(field: "tiles", why: "name one picture twice")
            }
            tiles.append(
                MediaTile(
                    member: member.text, source: source, width: Int(min(tile.width, MediaBounds.pixels)),
                    height: Int(min(tile.height, MediaBounds.pixels))))
        }
        return tiles
    }
}
