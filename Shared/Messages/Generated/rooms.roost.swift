// Made by protoc-gen-roost from rooms.proto; `make generate` makes it anew.
// swift-format-ignore-file

public import Bus

/// The service roost.rooms.v1.Rooms.
public protocol Roost_Rooms_V1_RoomsService: Sendable {
    /// Puts a member into a room, making the room if need be. Idempotent by member id: a repeat brings back an away member.
    /// A call takes who makes it and whom it invited; others are refused (PERMISSION_DENIED).
    func join(_ request: Roost_Rooms_V1_JoinRequest, context: CallContext) async throws -> Roost_Rooms_V1_JoinResponse
    /// Answers `Leave`.
    func leave(_ request: Roost_Rooms_V1_LeaveRequest, context: CallContext) async throws -> Roost_Rooms_V1_LeaveResponse
    /// Changes what the member says of itself (microphone on, …).
    func update(_ request: Roost_Rooms_V1_UpdateRequest, context: CallContext) async throws -> Roost_Rooms_V1_UpdateResponse
    /// A message to one member, or to all: descriptions, candidates, chat. Idempotent by (member, message id).
    func send(_ request: Roost_Rooms_V1_SendRequest, context: CallContext) async throws -> Roost_Rooms_V1_SendResponse
    /// Invites a person; the answer is Join (accepts) or Answer (anything else).
    func invite(_ request: Roost_Rooms_V1_InviteRequest, context: CallContext) async throws -> Roost_Rooms_V1_InviteResponse
    /// Answers `Answer`.
    func answer(_ request: Roost_Rooms_V1_AnswerRequest, context: CallContext) async throws -> Roost_Rooms_V1_AnswerResponse
    /// A host's word on a member or on the room; others are refused (PERMISSION_DENIED).
    func moderate(_ request: Roost_Rooms_V1_ModerateRequest, context: CallContext) async throws -> Roost_Rooms_V1_ModerateResponse
    /// Media through this node: the member offers, the node answers. Refused: OUT_OF_RANGE (a newer offer is known),
    /// INVALID_ARGUMENT (what is wrong in it), UNIMPLEMENTED (this node forwards no media). A repeat of the newest number with
    /// the same description gets the same answer.
    func offer(_ request: Roost_Rooms_V1_OfferRequest, context: CallContext) async throws -> Roost_Rooms_V1_OfferResponse
    /// The member applied the answer: the node may send.
    func answered(_ request: Roost_Rooms_V1_AnsweredRequest, context: CallContext) async throws -> Roost_Rooms_V1_AnsweredResponse
    /// What each of the member's sending mids carries, whole.
    func publish(_ request: Roost_Rooms_V1_PublishRequest, context: CallContext) async throws -> Roost_Rooms_V1_PublishResponse
    /// What the member shows, whole, most important first: nothing else is sent to it as pictures.
    func view(_ request: Roost_Rooms_V1_ViewRequest, context: CallContext) async throws -> Roost_Rooms_V1_ViewResponse
    /// All events after `after_seq`, or a snapshot first where that is not possible. When the last stream of a signal ends,
    /// its members are away; away for 30 s, they have left.
    func events(_ request: Roost_Rooms_V1_EventsRequest, replies: BusWriter<Roost_Rooms_V1_EventsResponse>, context: CallContext) async throws
}

/// Calls roost.rooms.v1.Rooms.
public struct Roost_Rooms_V1_RoomsClient: Sendable {
    /// Makes the calls.
    public let caller: any BusCaller

    /// A client on a connection, or on whatever else makes calls.
    public init(caller: any BusCaller) { self.caller = caller }

    /// Puts a member into a room, making the room if need be. Idempotent by member id: a repeat brings back an away member.
    /// A call takes who makes it and whom it invited; others are refused (PERMISSION_DENIED).
    public func join(_ request: Roost_Rooms_V1_JoinRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_JoinResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/Join", request, options: options)
    }

    /// Calls `Leave`.
    public func leave(_ request: Roost_Rooms_V1_LeaveRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_LeaveResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/Leave", request, options: options)
    }

    /// Changes what the member says of itself (microphone on, …).
    public func update(_ request: Roost_Rooms_V1_UpdateRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_UpdateResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/Update", request, options: options)
    }

    /// A message to one member, or to all: descriptions, candidates, chat. Idempotent by (member, message id).
    public func send(_ request: Roost_Rooms_V1_SendRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_SendResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/Send", request, options: options)
    }

    /// Invites a person; the answer is Join (accepts) or Answer (anything else).
    public func invite(_ request: Roost_Rooms_V1_InviteRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_InviteResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/Invite", request, options: options)
    }

    /// Calls `Answer`.
    public func answer(_ request: Roost_Rooms_V1_AnswerRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_AnswerResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/Answer", request, options: options)
    }

    /// A host's word on a member or on the room; others are refused (PERMISSION_DENIED).
    public func moderate(_ request: Roost_Rooms_V1_ModerateRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_ModerateResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/Moderate", request, options: options)
    }

    /// Media through this node: the member offers, the node answers. Refused: OUT_OF_RANGE (a newer offer is known),
    /// INVALID_ARGUMENT (what is wrong in it), UNIMPLEMENTED (this node forwards no media). A repeat of the newest number with
    /// the same description gets the same answer.
    public func offer(_ request: Roost_Rooms_V1_OfferRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_OfferResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/Offer", request, options: options)
    }

    /// The member applied the answer: the node may send.
    public func answered(_ request: Roost_Rooms_V1_AnsweredRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_AnsweredResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/Answered", request, options: options)
    }

    /// What each of the member's sending mids carries, whole.
    public func publish(_ request: Roost_Rooms_V1_PublishRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_PublishResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/Publish", request, options: options)
    }

    /// What the member shows, whole, most important first: nothing else is sent to it as pictures.
    public func view(_ request: Roost_Rooms_V1_ViewRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Rooms_V1_ViewResponse {
        try await caller.unary("/roost.rooms.v1.Rooms/View", request, options: options)
    }

    /// All events after `after_seq`, or a snapshot first where that is not possible. When the last stream of a signal ends,
    /// its members are away; away for 30 s, they have left.
    public func events(_ request: Roost_Rooms_V1_EventsRequest, options: CallOptions = .streaming) async throws(BusStatus) -> BusReplies<Roost_Rooms_V1_EventsResponse> {
        try await caller.serverStreaming("/roost.rooms.v1.Rooms/Events", request, options: options)
    }
}

extension BusRouter {
    /// Answers the calls of roost.rooms.v1.Rooms.
    public mutating func add(rooms service: some Roost_Rooms_V1_RoomsService) {
        unary("/roost.rooms.v1.Rooms/Join") { try await service.join($0, context: $1) }
        unary("/roost.rooms.v1.Rooms/Leave") { try await service.leave($0, context: $1) }
        unary("/roost.rooms.v1.Rooms/Update") { try await service.update($0, context: $1) }
        unary("/roost.rooms.v1.Rooms/Send") { try await service.send($0, context: $1) }
        unary("/roost.rooms.v1.Rooms/Invite") { try await service.invite($0, context: $1) }
        unary("/roost.rooms.v1.Rooms/Answer") { try await service.answer($0, context: $1) }
        unary("/roost.rooms.v1.Rooms/Moderate") { try await service.moderate($0, context: $1) }
        unary("/roost.rooms.v1.Rooms/Offer") { try await service.offer($0, context: $1) }
        unary("/roost.rooms.v1.Rooms/Answered") { try await service.answered($0, context: $1) }
        unary("/roost.rooms.v1.Rooms/Publish") { try await service.publish($0, context: $1) }
        unary("/roost.rooms.v1.Rooms/View") { try await service.view($0, context: $1) }
        serverStreaming("/roost.rooms.v1.Rooms/Events") { try await service.events($0, replies: $1, context: $2) }
    }
}
