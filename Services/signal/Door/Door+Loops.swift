import Bus
import Messages
import Store
import Time

extension Door {
    /// Everything that the door does by itself, until cancelled.
    func run(events: AsyncStream<SocketEvent>, news: AsyncStream<RedisMessage>) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.parts.jobs.run() }
            group.addTask { for await event in events { await self.receive(event) } }
            group.addTask {
                for await message in news { await self.refreshPeople(anew: message == .resubscribed) }
            }
            // News is a hint that may be lost; the revision is asked for anyway.
            group.addTask { await Self.every(.seconds(1)) { await self.refreshPeople(anew: false) } }
            // A quarter of the lease: two renewals may fail.
            group.addTask { await Self.every(.seconds(10)) { await self.renewClaims() } }
            group.addTask { await Self.every(.seconds(3)) { await self.sweepStore() } }
            group.addTask { await Self.every(.milliseconds(500)) { await self.tick() } }
            group.addTask { await Self.every(.seconds(30)) { await self.sweepPeers() } }
        }
    }

    private static func every(_ interval: Interval, _ body: @Sendable () async -> Void) async {
        while !Task.isCancelled {
            await body()
            try? await Task.sleep(for: interval.duration)
        }
    }

    private func sweepStore() async { try? await parts.presence.sweep() }

    /// Ends sessions whose clients did not come back, and rings whose time is over.
    private func tick() {
        let now = MonotonicClock.now
        for session in Array(sessions.values) where session.machine.isOver(now: now) { end(session, reason: .gone) }
        expireRings()
    }

    private func sweepPeers() { parts.pool.sweep(inUse: Set(hubs.values.map(\.placement.busAddresses))) }
}

/// What other signals ask of this one.
struct SignalPeer: Roost_Signal_V1_SignalPeerService {
    let door: Door

    func ring(
        _ request: Roost_Signal_V1_RingRequest, replies: BusWriter<Roost_Signal_V1_RingResponse>, context: CallContext
    ) async throws {
        let response = await door.startRing(request)
        try await replies.send(response)
        guard response.state == .ringing else { return }
        while await door.isRinging(request) { try await Task.sleep(for: .milliseconds(250)) }
    }

    func takeSession(
        _ request: Roost_Signal_V1_TakeSessionRequest, context: CallContext
    ) async throws -> Roost_Signal_V1_TakeSessionResponse {
        try await door.handOver(request)
    }
}
