import Bus
import Foundation
import Logging
import Messages
import Time

extension Door {
    /// How long a request waits for a room's new node: detection and placement take under 2 s, on a crowded host a few more.
    private static let patience = Interval.seconds(12)
    /// How long a node may not know a room that this signal follows: it began anew, and members are on their way back in.
    private static let strangeFor = Interval.seconds(2)
    /// For one try: a node answers within milliseconds or is in trouble. Tries are idempotent, so a slow one costs nothing.
    private static let tryFor = CallOptions(timeout: .seconds(1))

    func rooms(_ placement: Roost_Registry_V1_Placement) throws(BusStatus) -> Roost_Rooms_V1_RoomsClient {
        Roost_Rooms_V1_RoomsClient(caller: try parts.pool.client(placement.busAddresses))
    }

    func place(
        _ room: String, not dead: Roost_Registry_V1_Placement? = nil
    ) async throws(BusStatus) -> Roost_Registry_V1_PlaceRoomResponse {
        var request = Roost_Registry_V1_PlaceRoomRequest()
        request.room = room
        request.region = parts.region
        if let dead {
            request.notNodeID = dead.nodeID
            request.notBootID = dead.bootID
        }
        return try await parts.registry.placeRoom(request, options: Self.tryFor)
    }

    /// Joins a session's member to a room on the node that has it, and follows the room from there on.
    func enter(
        _ session: Session, room: String, stay: Stay, mustExist: Bool
    ) async throws -> Roost_Rooms_V1_RoomState {
        let deadline = MonotonicClock.now + Self.patience
        var dead: Roost_Registry_V1_Placement?
        while true {
            var created = false
            var placement: Roost_Registry_V1_Placement
            if dead == nil, let hub = hubs[room], !hub.isRecovering {
                placement = hub.placement
            } else {
                let reply = try await place(room, not: dead)
                (placement, created) = (reply.placement, reply.created)
            }
            // See `joinAgain`: a node restarted within a moment would make an empty room where others are on their way back in.
            let known = hubs[room].flatMap { $0.isRecovering ? $0.replica.state : nil }
            let isOldPlace = known?.epoch == placement.epoch
            do {
                var request = Roost_Rooms_V1_JoinRequest()
                request.room = room
                request.epoch = placement.epoch
                request.member = member(stay, session)
                request.kind = stay.isCall ? .call : .room
                request.topology = RoomTexts.topology(stay.topology)
                request.mustExist = mustExist
                if let known {
                    if isOldPlace { request.mustExist = true } else { request.reassert = known }
                }
                let state = try await rooms(placement).join(request, options: Self.tryFor).state
                guard sessions[session.id] === session else {
                    // Where it went on, its client asks for the same again: the member is the same, and may be in already.
                    guard !session.isHandedOver else { throw RequestError(.gone, "This session goes on elsewhere.") }
                    await leaveNode(room, member: stay.member, reason: .gone, placement: placement)
                    throw RequestError(.gone, "This session is over.")
                }
                session.stays[room] = stay
                follow(room, placement, state, session)
                return state
            } catch let status as BusStatus {
                let code = status.code
                if code == .notFound, mustExist, !isOldPlace {
                    if created { await release(placement) }
                    throw status
                }
                guard code.isOfTheWay || code == .notFound, MonotonicClock.now < deadline else { throw status }
                dead = placement
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    func member(_ stay: Stay, _ session: Session) -> Roost_Rooms_V1_Member {
        var member = Roost_Rooms_V1_Member()
        member.memberID = stay.member
        member.personID = session.person
        member.name = session.name
        member.role = stay.listens ? .listener : .speaker
        member.media = stay.media.message
        member.signalID = parts.id
        return member
    }

    private func release(_ placement: Roost_Registry_V1_Placement) async {
        var request = Roost_Registry_V1_ReleaseRoomRequest()
        request.room = placement.room
        request.nodeID = placement.nodeID
        request.epoch = placement.epoch
        _ = try? await parts.registry.releaseRoom(request)
    }

    /// Does something on a room's node, again on its next one if it dies meanwhile.
    func onNode<Reply: Sendable>(
        _ room: String, _ body: @Sendable (Roost_Rooms_V1_RoomsClient) async throws(BusStatus) -> Reply
    ) async throws -> Reply {
        // Not every way here begins with a request: a socket may have ended, or a session.
        guard CallID.current == room else {
            return try await CallID.$current.withValue(room) { try await onNode(room, body) }
        }
        let deadline = MonotonicClock.now + Self.patience
        var strangeUntil: Instant?
        while true {
            guard let hub = hubs[room] else { throw RequestError(.gone, "This call or room is over.") }
            if !hub.isRecovering {
                do throws(BusStatus) {
                    return try await body(try rooms(hub.placement))
                } catch {
                    if error.code == .notFound {
                        let until = strangeUntil ?? MonotonicClock.now + Self.strangeFor
                        guard MonotonicClock.now < until else { throw error }
                        strangeUntil = until
                    } else if !error.code.isOfTheWay {
                        throw error
                    }
                }
            }
            guard MonotonicClock.now < deadline else { throw BusStatus(.unavailable, "the room's node is away") }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// `leave`.
    func leave(_ session: Session, _ room: String) async throws {
        guard let stay = session.stays.removeValue(forKey: room) else { return }
        staysChanged(session)
        dropRing(room, byCaller: stay.member)
        await leaveNode(room, member: stay.member, reason: .hungUp)
        guard !Task.isCancelled else {
            // The node may not have heard of it: where the client resumes, it leaves again.
            if session.stays[room] == nil { session.stays[room] = stay }
            throw CancellationError()
        }
        if session.stays[room] == nil { dropFromHub(room, session: session.id) }
    }

    func leaveNode(
        _ room: String, member: String, reason: Roost_Rooms_V1_LeaveReason,
        placement: Roost_Registry_V1_Placement? = nil
    ) async {
        var request = Roost_Rooms_V1_LeaveRequest()
        request.room = room
        request.memberID = member
        request.reason = reason
        if let placement {
            _ = try? await rooms(placement).leave(request, options: Self.tryFor)
        } else {
            _ = try? await onNode(room) { [request] client throws(BusStatus) in
                try await client.leave(request, options: Self.tryFor)
            }
            // A session that ended is no longer in the tables, but its hub still lists it.
            if let hub = hubs[room] {
                hub.sessions = hub.sessions.filter { sessions[$0]?.stays[room] != nil }
                dropIfUnused(hub)
            }
        }
    }

    /// `update`.
    func update(_ session: Session, _ id: UInt64, room: String, media: MediaFlags) async throws -> [UInt8] {
        guard let stay = session.stays[room] else { throw RequestError(.gone, "You are not in this room.") }
        // What is refused must not be said again at the next join.
        if !stay.listens { stay.media = media }
        var request = Roost_Rooms_V1_UpdateRequest()
        request.room = room
        request.memberID = stay.member
        request.media = media.message
        _ = try await onNode(room) { [request] client throws(BusStatus) in
            try await client.update(request, options: Self.tryFor)
        }
        return Answers.ok(id)
    }

    /// `send`.
    func send(
        _ session: Session, _ id: UInt64, room: String, to: String?, type: String, body: [UInt8]
    ) async throws -> [UInt8] {
        guard let stay = session.stays[room] else { throw RequestError(.gone, "You are not in this room.") }
        var request = Roost_Rooms_V1_SendRequest()
        request.room = room
        request.message.fromMemberID = stay.member
        request.message.toMemberID = to ?? ""
        request.message.messageID = "\(session.id)-\(id)"
        request.message.type = type
        request.message.body = Data(body)
        let reply = try await onNode(room) { [request] client throws(BusStatus) in
            try await client.send(request, options: Self.tryFor)
        }
        return Answers.ok(id) { $0.field("seq", reply.seq) }
    }
}

extension StatusCode {
    /// Says something of the node or of the way to it, not of what was asked: the next try may reach another node.
    fileprivate var isOfTheWay: Bool {
        switch self {
        case .unavailable, .deadlineExceeded, .failedPrecondition, .cancelled, .aborted, .unknown, .internal: true
        default: false
        }
    }
}
