import Addresses
import DTLS
import ICE
import MediaInterface
import PacketIO
import Synchronization
import Time

/// Drives a lane: an actor on a packet loop's thread.
actor MediaWorker: PacketWorker {
    private nonisolated let executor: LoopExecutor
    private nonisolated let published = Mutex(MediaCounters())
    private var lane: MediaLane
    private var streams: [ICEPath?] = []
    private var publishAt: Instant

    init(on executor: LoopExecutor, dtls: DTLSContext, notices: MediaNotices, now: Instant) {
        self.executor = executor
        lane = MediaLane(dtls: dtls, notices: notices, now: now)
        publishAt = now
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    /// What was counted, at most a quarter of a second ago. From any thread.
    nonisolated var counters: MediaCounters { published.withLock { $0 } }

    // MARK: Control

    func connect(_ setup: ConnectionSetup, _ early: SaidEarly) throws(MediaRefusal) {
        let now = PacketIO.MonotonicClock.now
        try lane.connect(setup, now: now)
        if let tracks = early.tracks { try lane.publish(tracks, by: setup.member, now: now) }
        if let tiles = early.tiles { try lane.view(tiles, by: setup.member, now: now) }
    }

    func answered(_ number: UInt64, by member: MediaMember) throws(MediaRefusal) {
        try lane.answered(number, by: member, now: PacketIO.MonotonicClock.now)
    }

    func publish(_ tracks: [MediaTrack], by member: MediaMember) throws(MediaRefusal) {
        try lane.publish(tracks, by: member, now: PacketIO.MonotonicClock.now)
    }

    func view(_ tiles: [MediaTile], by member: MediaMember) throws(MediaRefusal) {
        try lane.view(tiles, by: member, now: PacketIO.MonotonicClock.now)
    }

    func mute(_ member: MediaMember) { lane.mute(member) }

    func setMaySend(_ maySend: Bool, of member: MediaMember) { lane.setMaySend(maySend, of: member) }

    func remove(_ member: MediaMember) { lane.remove(member) }

    func remove(_ room: MediaRoom) { lane.remove(room) }

    // MARK: The loop

    var nextDeadline: Instant? { lane.nextDeadline }

    func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
        lane.receive(&batch, &out, now)
        timeout(out: &out, now: now)
    }

    func opened(stream: StreamID, _ opening: StreamOpening, out: inout LoopIO, now: Instant) {
        while streams.count <= stream.index { streams.append(nil) }
        streams[stream.index] = ICEPath(
            .tcp, socket: stream.index, local: opening.local.address, remote: opening.remote)
    }

    func receive(stream: StreamID, bytes: RawSpan, out: inout LoopIO, now: Instant) -> Int {
        guard streams.indices.contains(stream.index), let path = streams[stream.index] else { return bytes.byteCount }
        let count = lane.receive(path, bytes, &out, now)
        timeout(out: &out, now: now)
        return count
    }

    func closed(stream: StreamID, reason: StreamEnd, out: inout LoopIO, now: Instant) {
        guard streams.indices.contains(stream.index), let path = streams[stream.index] else { return }
        streams[stream.index] = nil
        lane.closed(path)
    }

    func timeout(out: inout LoopIO, now: Instant) {
        lane.timeout(&out, now)
        guard now >= publishAt else { return }
        publishAt = now + .milliseconds(250)
        lane.counters.connections = lane.connections.count
        published.withLock { $0 = lane.counters }
    }
}
