// Made by protoc-gen-roost from registry.proto; `make generate` makes it anew.
// swift-format-ignore-file

public import Bus

/// The service roost.registry.v1.Registry.
public protocol Roost_Registry_V1_RegistryService: Sendable {
    /// A node's life: its first message is `hello`, then a heartbeat a second; commands come back.
    func attach(_ requests: BusReplies<Roost_Registry_V1_AttachRequest>, replies: BusWriter<Roost_Registry_V1_AttachResponse>, context: CallContext) async throws
    /// The node of a room, chosen now if it has no live one. Idempotent.
    func placeRoom(_ request: Roost_Registry_V1_PlaceRoomRequest, context: CallContext) async throws -> Roost_Registry_V1_PlaceRoomResponse
    /// Forgets a room that ended, if node and epoch are still the given ones.
    func releaseRoom(_ request: Roost_Registry_V1_ReleaseRoomRequest, context: CallContext) async throws -> Roost_Registry_V1_ReleaseRoomResponse
    /// Answers `ListNodes`.
    func listNodes(_ request: Roost_Registry_V1_ListNodesRequest, context: CallContext) async throws -> Roost_Registry_V1_ListNodesResponse
    /// Placement changes of rooms from now on. A hint: whoever needs certainty asks PlaceRoom.
    func watchRooms(_ request: Roost_Registry_V1_WatchRoomsRequest, replies: BusWriter<Roost_Registry_V1_WatchRoomsResponse>, context: CallContext) async throws
    /// STUN and TURN servers for one client.
    func iceServers(_ request: Roost_Registry_V1_IceServersRequest, context: CallContext) async throws -> Roost_Registry_V1_IceServersResponse
    /// Takes a node out of placement, or back in.
    func drainNode(_ request: Roost_Registry_V1_DrainNodeRequest, context: CallContext) async throws -> Roost_Registry_V1_DrainNodeResponse
    /// Whether a user may have one more TURN allocation, counted over all turn servers. Idempotent.
    func reserveAllocation(_ request: Roost_Registry_V1_ReserveAllocationRequest, context: CallContext) async throws -> Roost_Registry_V1_ReserveAllocationResponse
    /// These allocations are over, and count no more.
    func releaseAllocations(_ request: Roost_Registry_V1_ReleaseAllocationsRequest, context: CallContext) async throws -> Roost_Registry_V1_ReleaseAllocationsResponse
    /// These allocations stand: said again every 30 s, so that they go on counting, also in a Redis that came back empty.
    func assertAllocations(_ request: Roost_Registry_V1_AssertAllocationsRequest, context: CallContext) async throws -> Roost_Registry_V1_AssertAllocationsResponse
}

/// Calls roost.registry.v1.Registry.
public struct Roost_Registry_V1_RegistryClient: Sendable {
    /// Makes the calls.
    public let caller: any BusCaller

    /// A client on a connection, or on whatever else makes calls.
    public init(caller: any BusCaller) { self.caller = caller }

    /// A node's life: its first message is `hello`, then a heartbeat a second; commands come back.
    public func attach(options: CallOptions = .streaming) async throws(BusStatus) -> BusCall<Roost_Registry_V1_AttachRequest, Roost_Registry_V1_AttachResponse> {
        try await caller.bidirectional("/roost.registry.v1.Registry/Attach", options: options)
    }

    /// The node of a room, chosen now if it has no live one. Idempotent.
    public func placeRoom(_ request: Roost_Registry_V1_PlaceRoomRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Registry_V1_PlaceRoomResponse {
        try await caller.unary("/roost.registry.v1.Registry/PlaceRoom", request, options: options)
    }

    /// Forgets a room that ended, if node and epoch are still the given ones.
    public func releaseRoom(_ request: Roost_Registry_V1_ReleaseRoomRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Registry_V1_ReleaseRoomResponse {
        try await caller.unary("/roost.registry.v1.Registry/ReleaseRoom", request, options: options)
    }

    /// Calls `ListNodes`.
    public func listNodes(_ request: Roost_Registry_V1_ListNodesRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Registry_V1_ListNodesResponse {
        try await caller.unary("/roost.registry.v1.Registry/ListNodes", request, options: options)
    }

    /// Placement changes of rooms from now on. A hint: whoever needs certainty asks PlaceRoom.
    public func watchRooms(_ request: Roost_Registry_V1_WatchRoomsRequest, options: CallOptions = .streaming) async throws(BusStatus) -> BusReplies<Roost_Registry_V1_WatchRoomsResponse> {
        try await caller.serverStreaming("/roost.registry.v1.Registry/WatchRooms", request, options: options)
    }

    /// STUN and TURN servers for one client.
    public func iceServers(_ request: Roost_Registry_V1_IceServersRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Registry_V1_IceServersResponse {
        try await caller.unary("/roost.registry.v1.Registry/IceServers", request, options: options)
    }

    /// Takes a node out of placement, or back in.
    public func drainNode(_ request: Roost_Registry_V1_DrainNodeRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Registry_V1_DrainNodeResponse {
        try await caller.unary("/roost.registry.v1.Registry/DrainNode", request, options: options)
    }

    /// Whether a user may have one more TURN allocation, counted over all turn servers. Idempotent.
    public func reserveAllocation(_ request: Roost_Registry_V1_ReserveAllocationRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Registry_V1_ReserveAllocationResponse {
        try await caller.unary("/roost.registry.v1.Registry/ReserveAllocation", request, options: options)
    }

    /// These allocations are over, and count no more.
    public func releaseAllocations(_ request: Roost_Registry_V1_ReleaseAllocationsRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Registry_V1_ReleaseAllocationsResponse {
        try await caller.unary("/roost.registry.v1.Registry/ReleaseAllocations", request, options: options)
    }

    /// These allocations stand: said again every 30 s, so that they go on counting, also in a Redis that came back empty.
    public func assertAllocations(_ request: Roost_Registry_V1_AssertAllocationsRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Registry_V1_AssertAllocationsResponse {
        try await caller.unary("/roost.registry.v1.Registry/AssertAllocations", request, options: options)
    }
}

extension BusRouter {
    /// Answers the calls of roost.registry.v1.Registry.
    public mutating func add(registry service: some Roost_Registry_V1_RegistryService) {
        bidirectional("/roost.registry.v1.Registry/Attach") { try await service.attach($0, replies: $1, context: $2) }
        unary("/roost.registry.v1.Registry/PlaceRoom") { try await service.placeRoom($0, context: $1) }
        unary("/roost.registry.v1.Registry/ReleaseRoom") { try await service.releaseRoom($0, context: $1) }
        unary("/roost.registry.v1.Registry/ListNodes") { try await service.listNodes($0, context: $1) }
        serverStreaming("/roost.registry.v1.Registry/WatchRooms") { try await service.watchRooms($0, replies: $1, context: $2) }
        unary("/roost.registry.v1.Registry/IceServers") { try await service.iceServers($0, context: $1) }
        unary("/roost.registry.v1.Registry/DrainNode") { try await service.drainNode($0, context: $1) }
        unary("/roost.registry.v1.Registry/ReserveAllocation") { try await service.reserveAllocation($0, context: $1) }
        unary("/roost.registry.v1.Registry/ReleaseAllocations") { try await service.releaseAllocations($0, context: $1) }
        unary("/roost.registry.v1.Registry/AssertAllocations") { try await service.assertAllocations($0, context: $1) }
    }
}
