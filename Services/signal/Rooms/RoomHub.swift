import Messages

/// What a person's ring is here: who was told, and who took it.
final class Ring {
    let request: Roost_Signal_V1_RingRequest
    var told: Set<String> = []
    /// The session that is accepting or declining: it is not told how the ring ended.
    var answeredBy: String?

    init(_ request: Roost_Signal_V1_RingRequest) { self.request = request }
}

/// This signal's view of one room: its one stream of events, shared by all its sessions there and by those it rings.
final class RoomHub {
    let room: String
    var placement: Roost_Registry_V1_Placement
    var replica: RoomReplica
    /// Sessions here that are in the room.
    var sessions: Set<String> = []
    /// Persons here whom it rings.
    var rings: [String: Ring] = [:]
    /// Tells a stream that it was replaced.
    var generation = 0
    var stream: Task<Void, Never>?
    /// The room's node is gone; a new one is being asked for.
    var isRecovering = false

    init(room: String, placement: Roost_Registry_V1_Placement, replica: RoomReplica) {
        self.room = room
        self.placement = placement
        self.replica = replica
    }

    var isUnused: Bool { sessions.isEmpty && rings.isEmpty }
}
