package import Bus
package import Logging
package import MediaInterface
package import Messages

/// The bus service `Rooms`: reads requests into values, asks the host, and writes its answers.
package struct RoomsService: Roost_Rooms_V1_RoomsService {
    let host: RoomHost
    let media: any RoomMedia
    let logger: Logger

    /// Serves the rooms of `host`; `media` forwards theirs.
    package init(
        host: RoomHost, media: any RoomMedia = NoMedia(), logger: Logger = Logger(label: "sfu-node")
    ) {
        self.logger = logger
        self.host = host
        self.media = media
    }

    package func join(
        _ request: Roost_Rooms_V1_JoinRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_JoinResponse {
        try await answering { () async throws(RoomRefusal) in
            var response = Roost_Rooms_V1_JoinResponse()
            response.state = Roost_Rooms_V1_RoomState(try await host.join(RoomTable.Join(parsing: request)))
            logger.debug(
                "a member joined",
                metadata: ["room": "\(request.room)", "participant": "\(request.member.memberID)"])
            return response
        }
    }

    package func leave(
        _ request: Roost_Rooms_V1_LeaveRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_LeaveResponse {
        try await answering { () async throws(RoomRefusal) in
            await host.leave(
                try parse(request.room, "room"), member: try parse(request.memberID, "member_id"),
                reason: LeaveReason(request.reason))
            return Roost_Rooms_V1_LeaveResponse()
        }
    }

    package func update(
        _ request: Roost_Rooms_V1_UpdateRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_UpdateResponse {
        try await answering { () async throws(RoomRefusal) in
            try await host.update(
                try parse(request.room, "room"), member: try parse(request.memberID, "member_id"),
                media: request.hasMedia ? MediaState(request.media) : nil, away: request.away)
            return Roost_Rooms_V1_UpdateResponse()
        }
    }

    package func send(
        _ request: Roost_Rooms_V1_SendRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_SendResponse {
        try await answering { () async throws(RoomRefusal) in
            var response = Roost_Rooms_V1_SendResponse()
            response.seq = try await host.send(
                try parse(request.room, "room"), try RoomMessage(parsing: request.message))
            return response
        }
    }

    package func invite(
        _ request: Roost_Rooms_V1_InviteRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_InviteResponse {
        try await answering { () async throws(RoomRefusal) in
            var response = Roost_Rooms_V1_InviteResponse()
            response.invitation = Roost_Rooms_V1_Invitation(
                try await host.invite(
                    try parse(request.room, "room"), person: try parse(request.personID, "person_id"),
                    name: request.name,
                    by: try parse(request.byMemberID, "by_member_id"), video: request.video))
            return response
        }
    }

    package func answer(
        _ request: Roost_Rooms_V1_AnswerRequest, context: CallContext
    ) async throws -> Roost_Rooms_V1_AnswerResponse {
        try await answering { () async throws(RoomRefusal) in
            try await host.answer(
                try parse(request.room, "room"), person: try parse(request.personID, "person_id"),
                with: try InvitationState(parsing: request.state))
            return Roost_Rooms_V1_AnswerResponse()
        }
    }

    package func events(
        _ request: Roost_Rooms_V1_EventsRequest, replies: BusWriter<Roost_Rooms_V1_EventsResponse>, context: CallContext
    ) async throws {
        let reader = try await answering { () async throws(RoomRefusal) in
            let signal: SignalID = try parse(request.signalID, "signal_id")
            return try await host.openReader(
                try parse(request.room, "room"), signal: request.watchOnly ? nil : signal, after: request.afterSeq,
                epoch: request.epoch)
        }
        do {
            try await pump(reader, into: replies)
        } catch {
            let end = await host.closeReader(reader.id)
            throw end?.status ?? error
        }
        if let status = await host.closeReader(reader.id)?.status { throw status }
    }

    /// Writes what is queued until the queue ends, the caller goes, or the reader is cut while the caller does not read.
    private func pump(_ reader: Reader, into replies: BusWriter<Roost_Rooms_V1_EventsResponse>) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in reader.news {
                    for message in await host.take(reader.id) { try await replies.send(message) }
                }
            }
            group.addTask {
                for await _ in reader.cut {}
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    func answering<T: Sendable>(_ body: () async throws(RoomRefusal) -> T) async throws -> T {
        do {
            return try await body()
        } catch {
            await host.count(error)
            throw error.status
        }
    }
}

extension ReaderEnd {
    /// How the stream ends; nil: as it should.
    var status: BusStatus? {
        switch self {
        case .roomEnded: nil
        case .tooSlow:
            BusStatus(
                code: .resourceExhausted,
                message: "the reader is too slow: open the stream again after the last event it has")
        case .goingDown:
            BusStatus(code: .unavailable, message: "this node is going down: ask the registry for the room's place")
        }
    }
}

extension RoomRefusal {
    /// As the bus says it.
    var status: BusStatus { BusStatus(code: code, message: text) }

    private var code: StatusCode {
        switch self {
        case .invalid, .tooLarge: .invalidArgument
        case .noSuchRoom, .noSuchMember, .noSuchInvitation: .notFound
        case .staleEpoch, .away: .failedPrecondition
        case .forbidden, .locked, .removed: .permissionDenied
        case .alreadyHere: .alreadyExists
        case .roomsFull, .membersFull, .meshFull, .invitationsFull, .tooFast: .resourceExhausted
        case .draining, .media(.unavailable): .unavailable
        case .media(.invalid): .invalidArgument
        case .media(.stale): .outOfRange
        case .media(.tooMany): .resourceExhausted
        case .media(.notAllowed): .permissionDenied
        case .media(.noMedia): .unimplemented
        }
    }
}
