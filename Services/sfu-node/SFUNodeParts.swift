import Attachment
import Bus
import Logging
import MediaInterface
import Messages
import SFUMedia
import ServiceKit
import ServiceLifecycle

// The parts of the service, each a `run()` that ends at a drain.

/// Meets the rooms' deadlines.
struct RoomsPart: Service {
    let host: RoomHost

    func run() async throws {
        await cancelWhenGracefulShutdown { await host.run() }
    }
}

/// Carries media, until the rooms' readers are gone.
struct MediaLoopsPart: Service {
    let media: MediaHost

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await media.run()
            } catch is CancellationError {
                // That is how it ends.
            }
        }
    }
}

/// Tells rooms and media of each other.
struct MediaPart: Service {
    let host: RoomHost
    let media: any RoomMedia

    func run() async throws {
        await cancelWhenGracefulShutdown { await host.serve(media) }
    }
}

/// Listens on the bus; at a drain, what is open may end.
struct BusPart: Service {
    let server: BusServer

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask {
                try await gracefulShutdown()
                await server.drain()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
}

/// Stays attached to a registry.
struct AttachmentPart: Service {
    let attachment: NodeAttachment

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await attachment.run()
            } catch is CancellationError {
                // That is how it ends.
            }
        }
    }
}

/// Tells the registry of rooms that ended here, so that it forgets their place.
struct ReleasePart: Service {
    /// How often a release is tried: over 10 s, a lease and a registry's restart.
    private static let tries = 10

    let host: RoomHost
    let attachment: NodeAttachment
    let node: String
    let logger: Logger

    func run() async throws {
        for await room in host.ended.cancelOnGracefulShutdown() {
            var request = Roost_Registry_V1_ReleaseRoomRequest()
            request.room = room.room.text
            request.nodeID = node
            request.epoch = room.epoch
            await release(request)
        }
    }

    private func release(_ request: Roost_Registry_V1_ReleaseRoomRequest) async {
        for attempt in 1...Self.tries where !Task.isCancelled {
            do {
                _ = try await attachment.registry.releaseRoom(request)
                return
            } catch {
                // The next registry may be the one: the attachment finds it.
                logger.debug(
                    "cannot release a room yet", metadata: ["room": "\(request.room)", "reason": "\(error)"])
                try? await Task.sleep(for: .milliseconds(100 * attempt * 2))
            }
        }
        logger.warning(
            "a room ended that the registry takes for living, until somebody asks for it again",
            metadata: ["room": "\(request.room)"])
    }
}

/// Drains first: no new rooms, the registry knows, and readers are sent elsewhere.
struct DrainPart: Service {
    let host: RoomHost
    let attachment: NodeAttachment

    func run() async throws {
        try? await gracefulShutdown()
        await host.beginEnding()
        attachment.beat()
        // Time for that heartbeat to be there before signals ask the registry where their rooms should go.
        try? await Task.sleep(for: .milliseconds(100))
        await host.dismissReaders()
    }
}
