import Bus
import Messages
import Time

extension Door {
    /// An answer to an offer of many slots takes the node some milliseconds; one that takes so long is asked for again.
    private static let offerFor = CallOptions(timeout: .seconds(3))
    /// As for other requests: these say a state whole, so a repeat does no harm.
    private static let reportFor = CallOptions(timeout: .seconds(1))

    /// `offer`: to the node, which answers.
    func offer(
        _ session: Session, _ id: UInt64, room: String, number: UInt64, sdp: String
    ) async throws -> [UInt8] {
        let stay = try stay(session, room)
        var request = Roost_Rooms_V1_OfferRequest()
        request.room = room
        request.memberID = stay.member
        request.number = number
        request.sdp = sdp
        let reply = try await onNode(room) { [request] client throws(BusStatus) in
            try await client.offer(request, options: Self.offerFor)
        }
        let epoch = hubs[room]?.placement.epoch ?? 0
        if session.stays[room] === stay, stay.mediaEpoch != epoch {
            stay.mediaEpoch = epoch
            staysChanged(session)
        }
        return Answers.ok(id) { writer in
            writer.field("n", reply.number)
            writer.field("sdp", reply.sdp)
        }
    }

    /// `answered`.
    func answered(_ session: Session, _ id: UInt64, room: String, number: UInt64) async throws -> [UInt8] {
        var request = Roost_Rooms_V1_AnsweredRequest()
        request.room = room
        request.memberID = try stay(session, room).member
        request.number = number
        _ = try await onNode(room) { [request] client throws(BusStatus) in
            try await client.answered(request, options: Self.reportFor)
        }
        return Answers.ok(id)
    }

    /// `publish`.
    func publish(_ session: Session, _ id: UInt64, room: String, tracks: [TrackReport]) async throws -> [UInt8] {
        var request = Roost_Rooms_V1_PublishRequest()
        request.room = room
        request.memberID = try stay(session, room).member
        request.tracks = tracks.map { track in
            var wire = Roost_Rooms_V1_MediaTrack()
            wire.mid = track.mid
            wire.source = track.source.wire
            wire.muted = track.muted
            return wire
        }
        _ = try await onNode(room) { [request] client throws(BusStatus) in
            try await client.publish(request, options: Self.reportFor)
        }
        return Answers.ok(id)
    }

    /// `view`.
    func view(_ session: Session, _ id: UInt64, room: String, tiles: [TileReport]) async throws -> [UInt8] {
        var request = Roost_Rooms_V1_ViewRequest()
        request.room = room
        request.memberID = try stay(session, room).member
        request.tiles = tiles.map { tile in
            var wire = Roost_Rooms_V1_MediaTile()
            wire.memberID = tile.member
            wire.source = tile.source.wire
            wire.width = tile.width
            wire.height = tile.height
            return wire
        }
        _ = try await onNode(room) { [request] client throws(BusStatus) in
            try await client.view(request, options: Self.reportFor)
        }
        return Answers.ok(id)
    }

    /// `moderate`.
    func moderate(
        _ session: Session, _ id: UInt64, room: String, member: String?, action: HostAction
    ) async throws -> [UInt8] {
        var request = Roost_Rooms_V1_ModerateRequest()
        request.room = room
        request.byMemberID = try stay(session, room).member
        request.memberID = member ?? ""
        request.action =
            switch action {
            case .mute: .mute
            case .remove: .remove
            case .lock: .lock
            case .unlock: .unlock
            case .listen: .listen
            case .speak: .speak
            }
        return try await moderate(request, id)
    }

    /// `topology`.
    func setTopology(_ session: Session, _ id: UInt64, room: String, topology: String) async throws -> [UInt8] {
        var request = Roost_Rooms_V1_ModerateRequest()
        request.room = room
        request.byMemberID = try stay(session, room).member
        request.action = .topology
        request.topology = RoomTexts.topology(topology)
        return try await moderate(request, id)
    }

    private func moderate(_ request: Roost_Rooms_V1_ModerateRequest, _ id: UInt64) async throws -> [UInt8] {
        _ = try await onNode(request.room) { client throws(BusStatus) in
            try await client.moderate(request, options: Self.reportFor)
        }
        return Answers.ok(id)
    }

    private func stay(_ session: Session, _ room: String) throws -> Stay {
        guard let stay = session.stays[room] else { throw RequestError(.gone, "You are not in this room.") }
        return stay
    }

    // MARK: What the node says

    /// News of one member's media, for its session alone.
    func deliver(_ notice: Roost_Rooms_V1_MediaNotice, _ hub: RoomHub) {
        guard let text = RoomTexts.mediaMessage(notice, room: hub.room) else { return }
        for id in hub.sessions {
            guard let session = sessions[id], let stay = session.stays[hub.room], stay.member == notice.memberID else {
                continue
            }
            guard stay.isOpen else {
                stay.hold(text)
                continue
            }
            // Who spoke while it was away is of no use to who comes back, nor what went through the node.
            if !session.machine.isHere {
                switch notice.kind {
                case .speakers, .totals: continue
                default: break
                }
            }
            push(text, to: session)
        }
    }

    /// The room is on another node, or in another life: media of the one before is over.
    func tellMediaLost(_ room: String, epoch: UInt64, _ session: Session) {
        guard let stay = session.stays[room], stay.mediaEpoch != 0, stay.mediaEpoch != epoch else { return }
        stay.mediaEpoch = 0
        var notice = Roost_Rooms_V1_MediaNotice()
        notice.lost.reason = "node"
        if let text = RoomTexts.mediaMessage(notice, room: room) { push(text, to: session) }
    }

    /// A host removed the session's member: the room is over for it.
    func expel(_ session: Session, from room: String) {
        guard session.stays.removeValue(forKey: room) != nil else { return }
        dropFromHub(room, session: session.id)
        staysChanged(session)
    }

    /// Tells a client that a host removed it, when no event of the room can.
    static func removedEvent(_ room: String, _ stay: Stay, name: String) -> [UInt8] {
        var event = Roost_Rooms_V1_RoomEvent()
        event.seq = stay.cursor + 1
        event.atMs = UInt64(WallTime.now.milliseconds)
        event.left.memberID = stay.member
        event.left.name = name
        event.left.reason = .removed
        return RoomTexts.eventMessage(event, room: room) ?? []
    }
}

extension TrackSource {
    fileprivate var wire: Roost_Rooms_V1_MediaSource {
        switch self {
        case .microphone: .microphone
        case .camera: .camera
        case .screen: .screen
        case .screenAudio: .screenAudio
        }
    }
}
