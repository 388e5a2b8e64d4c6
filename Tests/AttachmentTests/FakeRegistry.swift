import Bus
import Foundation
import Logging
import Messages
import Synchronization

/// A registry that writes down what nodes say, and says what the test wants.
final class FakeRegistry: Roost_Registry_V1_RegistryService {
    let name: String
    /// What nodes said, in order.
    let heard: AsyncStream<Roost_Registry_V1_AttachRequest>
    private let hearing: AsyncStream<Roost_Registry_V1_AttachRequest>.Continuation
    /// What a turn server said of allocations, in order.
    let asserted: AsyncStream<Roost_Registry_V1_AssertAllocationsRequest>
    private let asserting: AsyncStream<Roost_Registry_V1_AssertAllocationsRequest>.Continuation
    let released: AsyncStream<Roost_Registry_V1_ReleaseAllocationsRequest>
    private let releasing: AsyncStream<Roost_Registry_V1_ReleaseAllocationsRequest>.Continuation
    /// Whether an allocation is granted.
    typealias Verdict = @Sendable (Roost_Registry_V1_ReserveAllocationRequest) async throws -> Bool
    private let verdict = Mutex<Verdict?>(nil)
    private let writer = Mutex<BusWriter<Roost_Registry_V1_AttachResponse>?>(nil)
    /// How many requests a stream lasts; nil: until the node ends it.
    private let lasts: Int?

    init(_ name: String, lasts: Int? = nil) {
        self.name = name
        self.lasts = lasts
        (heard, hearing) = AsyncStream.makeStream()
        (asserted, asserting) = AsyncStream.makeStream()
        (released, releasing) = AsyncStream.makeStream()
    }

    func tell(_ change: (inout Roost_Registry_V1_AttachResponse) -> Void) async throws {
        var response = Roost_Registry_V1_AttachResponse()
        change(&response)
        try await writer.withLock { $0 }?.send(response)
    }

    /// From now on reservations are answered so.
    func answer(_ verdict: @escaping Verdict) { self.verdict.withLock { $0 = verdict } }

    func attach(
        _ requests: BusReplies<Roost_Registry_V1_AttachRequest>,
        replies: BusWriter<Roost_Registry_V1_AttachResponse>, context: CallContext
    ) async throws {
        writer.withLock { $0 = replies }
        var count = 0
        for try await request in requests {
            if case .hello = request.kind {
                try await tell {
                    $0.attached.registryID = name
                    $0.attached.heartbeatMs = 100
                }
            }
            hearing.yield(request)
            count += 1
            if count == lasts { return }
        }
    }

    func placeRoom(
        _ request: Roost_Registry_V1_PlaceRoomRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_PlaceRoomResponse { throw BusStatus(.unimplemented) }

    func releaseRoom(
        _ request: Roost_Registry_V1_ReleaseRoomRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_ReleaseRoomResponse { throw BusStatus(.unimplemented) }

    func listNodes(
        _ request: Roost_Registry_V1_ListNodesRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_ListNodesResponse { throw BusStatus(.unimplemented) }

    func watchRooms(
        _ request: Roost_Registry_V1_WatchRoomsRequest, replies: BusWriter<Roost_Registry_V1_WatchRoomsResponse>,
        context: CallContext
    ) async throws { throw BusStatus(.unimplemented) }

    func iceServers(
        _ request: Roost_Registry_V1_IceServersRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_IceServersResponse { throw BusStatus(.unimplemented) }

    func reserveAllocation(
        _ request: Roost_Registry_V1_ReserveAllocationRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_ReserveAllocationResponse {
        guard let verdict = verdict.withLock({ $0 }) else { throw BusStatus(.unimplemented) }
        var response = Roost_Registry_V1_ReserveAllocationResponse()
        response.granted = try await verdict(request)
        return response
    }

    func releaseAllocations(
        _ request: Roost_Registry_V1_ReleaseAllocationsRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_ReleaseAllocationsResponse {
        releasing.yield(request)
        return Roost_Registry_V1_ReleaseAllocationsResponse()
    }

    func assertAllocations(
        _ request: Roost_Registry_V1_AssertAllocationsRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_AssertAllocationsResponse {
        asserting.yield(request)
        return Roost_Registry_V1_AssertAllocationsResponse()
    }

    func drainNode(
        _ request: Roost_Registry_V1_DrainNodeRequest, context: CallContext
    ) async throws -> Roost_Registry_V1_DrainNodeResponse { throw BusStatus(.unimplemented) }
}

/// A folder of its own for sockets, gone after the test.
final class SocketFolder {
    let path: String

    init() throws {
        path = "/tmp/roost-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func address(_ name: String) -> BusAddress { .unix(path: "\(path)/\(name).sock") }
}
