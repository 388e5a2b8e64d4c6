/// One life of a room.
package struct MediaRoom: Hashable, Sendable {
    package var room: String
    package var epoch: UInt64

    package init(room: String, epoch: UInt64) {
        self.room = room
        self.epoch = epoch
    }
}

/// One stay of one member in one life of a room. Who leaves and joins again is another one, so late news of the first stay
/// cannot be taken for news of the second.
package struct MediaMember: Hashable, Sendable {
    package var room: MediaRoom
    package var member: String
    package var stay: UInt64

    package init(room: MediaRoom, member: String, stay: UInt64) {
        self.room = room
        self.member = member
        self.stay = stay
    }
}

/// Where a track comes from. The raw value is what the WebSocket protocol says.
package enum MediaSource: String, Hashable, Sendable, CaseIterable {
    case microphone, camera, screen
    case screenAudio = "screen-audio"

    /// Pictures, not sound.
    package var isVideo: Bool { self == .camera || self == .screen }
}

/// What one of a member's sending mids carries.
package struct MediaTrack: Hashable, Sendable {
    package var mid: String
    package var source: MediaSource
    package var muted: Bool

    package init(mid: String, source: MediaSource, muted: Bool) {
        self.mid = mid
        self.source = source
        self.muted = muted
    }
}

/// A picture as a member shows it, in device pixels.
package struct MediaTile: Hashable, Sendable {
    package var member: String
    package var source: MediaSource
    package var width: Int
    package var height: Int

    package init(member: String, source: MediaSource, width: Int, height: Int) {
        self.member = member
        self.source = source
        self.width = width
        self.height = height
    }
}
