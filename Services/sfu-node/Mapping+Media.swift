import MediaInterface
import Messages

extension Moderation {
    init(parsing request: Roost_Rooms_V1_ModerateRequest) throws(RoomRefusal) {
        switch request.action {
        case .mute: self = .mute(try parse(request.memberID, "member_id"))
        case .remove: self = .remove(try parse(request.memberID, "member_id"))
        case .lock: self = .lock
        case .unlock: self = .unlock
        case .listen: self = .role(try parse(request.memberID, "member_id"), listener: true)
        case .speak: self = .role(try parse(request.memberID, "member_id"), listener: false)
        case .topology:
            guard request.topology != .unspecified else { throw .invalid(field: "topology", why: "is missing") }
            self = .topology(Topology(request.topology))
        case .unspecified, .UNRECOGNIZED: throw .invalid(field: "action", why: "is none that a host has")
        }
    }
}

extension MediaSource {
    init(parsing source: Roost_Rooms_V1_MediaSource) throws(RoomRefusal) {
        switch source {
        case .microphone: self = .microphone
        case .camera: self = .camera
        case .screen: self = .screen
        case .screenAudio: self = .screenAudio
        case .unspecified, .UNRECOGNIZED: throw .invalid(field: "source", why: "is none of a member")
        }
    }

    var wire: Roost_Rooms_V1_MediaSource {
        switch self {
        case .microphone: .microphone
        case .camera: .camera
        case .screen: .screen
        case .screenAudio: .screenAudio
        }
    }
}

extension Roost_Rooms_V1_EventsResponse {
    init(_ source: MediaNotice, for member: MemberID) {
        self.init()
        notice.memberID = member.text
        switch source {
        case .map(let version, let slots):
            notice.map.version = version
            notice.map.slots = slots.map { Roost_Rooms_V1_MediaSlot($0) }
        case .slotsWanted(let video): notice.slotsWanted.video = UInt32(clamping: video)
        case .speakers(let dominant, let levels):
            notice.speakers.dominantMemberID = dominant ?? ""
            notice.speakers.levels = levels.map { Roost_Rooms_V1_MediaLevel($0) }
        case .quality(let quality): notice.quality = Roost_Rooms_V1_MediaQuality(quality)
        case .totals(let totals):
            notice.totals.receivedBps = totals.receivedBitsPerSecond
            notice.totals.sentBps = totals.sentBitsPerSecond
            notice.totals.links = totals.links.map { Roost_Rooms_V1_MediaLink($0) }
        case .layers(let mid, let active):
            notice.layers.mid = mid
            notice.layers.activeRids = active
        case .mutedBy(let name): notice.mutedBy.name = name
        case .lost(let reason): notice.lost.reason = reason
        }
    }
}

extension Roost_Rooms_V1_MediaSlot {
    init(_ slot: MediaSlot) {
        self.init()
        mid = slot.mid
        memberID = slot.member
        source = slot.source.wire
    }
}

extension Roost_Rooms_V1_MediaLevel {
    init(_ level: MediaLevel) {
        self.init()
        memberID = level.member
        self.level = level.level
    }
}

extension Roost_Rooms_V1_MediaLink {
    init(_ link: MediaLink) {
        self.init()
        memberID = link.member
        upBps = link.upBitsPerSecond
        downBps = link.downBitsPerSecond
        upLoss = link.upLoss
        downLoss = link.downLoss
        roundTripMs = link.roundTripMilliseconds ?? 0
    }
}

extension Roost_Rooms_V1_MediaQuality {
    init(_ quality: MediaQuality) {
        self.init()
        paused = quality.paused.map { pause in
            var wire = Roost_Rooms_V1_MediaPause()
            wire.memberID = pause.member
            wire.source = pause.source.wire
            wire.reason =
                switch pause.reason {
                case .bandwidth: .bandwidth
                case .hidden: .hidden
                case .codec: .codec
                }
            return wire
        }
        layers = quality.layers.map { layer in
            var wire = Roost_Rooms_V1_MediaLayer()
            wire.memberID = layer.member
            wire.source = layer.source.wire
            wire.rid = layer.rid
            return wire
        }
        downBps = quality.downBitsPerSecond
    }
}
