/// News for one member about its media. Each tells a state whole, so a newer one makes an older one of its kind worthless.
package enum MediaNotice: Hashable, Sendable {
    /// What each receiving mid carries from now on; mids not in it carry nothing.
    case map(version: UInt64, slots: [MediaSlot])
    /// An offer with so many receiving mids for video is wished for.
    case slotsWanted(video: Int)
    case speakers(dominant: String?, levels: [MediaLevel])
    case quality(MediaQuality)
    /// What goes through the node for the room.
    case totals(MediaTotals)
    /// Which of the member's own layers anybody takes.
    case layers(mid: String, active: [String])
    case mutedBy(name: String)
    /// The transport is lost: a new connection is needed. What was said of the old one holds no more.
    case lost(reason: String)
}

/// A receiving mid and what it carries.
package struct MediaSlot: Hashable, Sendable {
    package var mid: String
    package var member: String
    package var source: MediaSource

    package init(mid: String, member: String, source: MediaSource) {
        self.mid = mid
        self.member = member
        self.source = source
    }
}

/// How loud a member is, 0 to 1.
package struct MediaLevel: Hashable, Sendable {
    package var member: String
    package var level: Double

    package init(member: String, level: Double) {
        self.member = member
        self.level = level
    }
}

/// How a member is served.
package struct MediaQuality: Hashable, Sendable {
    package var paused: [MediaPause]
    package var layers: [MediaLayer]
    /// The estimate of its downlink.
    package var downBitsPerSecond: UInt64

    package init(paused: [MediaPause], layers: [MediaLayer], downBitsPerSecond: UInt64) {
        self.paused = paused
        self.layers = layers
        self.downBitsPerSecond = downBitsPerSecond
    }
}

/// What the node received of a room's members and sent to them, over the last 2, 10 and 40 s.
package struct MediaTotals: Hashable, Sendable {
    package var receivedBitsPerSecond: [UInt64] = []
    package var sentBitsPerSecond: [UInt64] = []
    /// Since the last of these; empty in a room too large for that.
    package var links: [MediaLink] = []

    package init() {}
}

/// How a member's link to the node does.
package struct MediaLink: Hashable, Sendable {
    package var member: String
    /// What comes from the member, and goes to it.
    package var upBitsPerSecond: UInt64
    package var downBitsPerSecond: UInt64
    /// The share of packets lost on the way, 0 to 1; what was sent again counts as lost.
    package var upLoss: Double
    package var downLoss: Double
    /// Nil: the client did not report on anything yet.
    package var roundTripMilliseconds: Double?

    package init(
        member: String, upBitsPerSecond: UInt64, downBitsPerSecond: UInt64, upLoss: Double, downLoss: Double,
        roundTripMilliseconds: Double?
    ) {
        self.member = member
        self.upBitsPerSecond = upBitsPerSecond
        self.downBitsPerSecond = downBitsPerSecond
        self.upLoss = upLoss
        self.downLoss = downLoss
        self.roundTripMilliseconds = roundTripMilliseconds
    }
}

/// Why a picture is not sent. The raw value is what the WebSocket protocol says.
package enum MediaPauseReason: String, Hashable, Sendable, CaseIterable {
    case bandwidth, hidden
    /// Its receiver cannot decode what its sender sends.
    case codec
}

/// A picture that is not sent.
package struct MediaPause: Hashable, Sendable {
    package var member: String
    package var source: MediaSource
    package var reason: MediaPauseReason

    package init(member: String, source: MediaSource, reason: MediaPauseReason) {
        self.member = member
        self.source = source
        self.reason = reason
    }
}

/// The layer of a picture that is sent.
package struct MediaLayer: Hashable, Sendable {
    package var member: String
    package var source: MediaSource
    package var rid: String

    package init(member: String, source: MediaSource, rid: String) {
        self.member = member
        self.source = source
        self.rid = rid
    }
}
