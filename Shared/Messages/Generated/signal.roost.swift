// Made by protoc-gen-roost from signal.proto; `make generate` makes it anew.
// swift-format-ignore-file

public import Bus

/// The service roost.signal.v1.SignalPeer.
public protocol Roost_Signal_V1_SignalPeerService: Sendable {
    /// Rings a person's sessions here. The stream stays open while it rings; its end tells the caller's signal that this
    /// signal died, and its cancellation ends the ringing.
    func ring(_ request: Roost_Signal_V1_RingRequest, replies: BusWriter<Roost_Signal_V1_RingResponse>, context: CallContext) async throws
    /// Hands a session over to the signal where its client resumed.
    func takeSession(_ request: Roost_Signal_V1_TakeSessionRequest, context: CallContext) async throws -> Roost_Signal_V1_TakeSessionResponse
}

/// Calls roost.signal.v1.SignalPeer.
public struct Roost_Signal_V1_SignalPeerClient: Sendable {
    /// Makes the calls.
    public let caller: any BusCaller

    /// A client on a connection, or on whatever else makes calls.
    public init(caller: any BusCaller) { self.caller = caller }

    /// Rings a person's sessions here. The stream stays open while it rings; its end tells the caller's signal that this
    /// signal died, and its cancellation ends the ringing.
    public func ring(_ request: Roost_Signal_V1_RingRequest, options: CallOptions = .streaming) async throws(BusStatus) -> BusReplies<Roost_Signal_V1_RingResponse> {
        try await caller.serverStreaming("/roost.signal.v1.SignalPeer/Ring", request, options: options)
    }

    /// Hands a session over to the signal where its client resumed.
    public func takeSession(_ request: Roost_Signal_V1_TakeSessionRequest, options: CallOptions = .unary) async throws(BusStatus) -> Roost_Signal_V1_TakeSessionResponse {
        try await caller.unary("/roost.signal.v1.SignalPeer/TakeSession", request, options: options)
    }
}

extension BusRouter {
    /// Answers the calls of roost.signal.v1.SignalPeer.
    public mutating func add(signalPeer service: some Roost_Signal_V1_SignalPeerService) {
        serverStreaming("/roost.signal.v1.SignalPeer/Ring") { try await service.ring($0, replies: $1, context: $2) }
        unary("/roost.signal.v1.SignalPeer/TakeSession") { try await service.takeSession($0, context: $1) }
    }
}
