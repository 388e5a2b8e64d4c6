package import Addresses
package import DTLS
import ICE
package import MediaInterface
import PacketIO
package import SRTP
package import Time

/// A lane without a thread, sockets and a clock: for tests in virtual time, and for fuzzing.
///
/// What it sends waits until it is taken by `takeSent`.
@safe
package struct LaneStage: ~Copyable {
    /// How much a lane keeps.
    package struct Sizes: Equatable, Sendable {
        package var connections = 0
        package var rooms = 0
        package var sources = 0
        package var tracks = 0
        package var slots = 0
        /// Entries of the tables that packets are looked up in.
        package var paths = 0
        package var ufrags = 0
        package var streams = 0

        package init() {}
    }

    private var lane: MediaLane
    private var held: HeldOutput

    /// An empty lane. With a seed its own choices (sources, first numbers) are the same each time.
    package init(dtls: DTLSContext, notices: MediaNotices, seed: UInt64? = nil, now: Instant) throws {
        lane = MediaLane(dtls: dtls, notices: notices, random: LaneRandom(seed: seed), now: now)
        held = try HeldOutput()
    }

    // MARK: Control

    package mutating func connect(_ setup: ConnectionSetup, now: Instant) throws(MediaRefusal) {
        try lane.connect(setup, now: now)
    }

    package mutating func answered(_ number: UInt64, by member: MediaMember, now: Instant) throws(MediaRefusal) {
        try lane.answered(number, by: member, now: now)
    }

    package mutating func publish(
        _ tracks: [MediaTrack], by member: MediaMember, now: Instant
    ) throws(MediaRefusal) {
        try lane.publish(tracks, by: member, now: now)
    }

    package mutating func view(_ tiles: [MediaTile], by member: MediaMember, now: Instant) throws(MediaRefusal) {
        try lane.view(tiles, by: member, now: now)
    }

    package mutating func mute(_ member: MediaMember) { lane.mute(member) }

    package mutating func setMaySend(_ maySend: Bool, of member: MediaMember) { lane.setMaySend(maySend, of: member) }

    package mutating func remove(_ member: MediaMember) { lane.remove(member) }

    /// Keys for a member as if DTLS had agreed on them: without its handshake, which no seed repeats.
    package mutating func connected(_ member: MediaMember, keys: SRTPKeys, now: Instant) {
        guard let index = lane.byMember[member] else { return }
        lane.connected(index, keys, now)
    }

    // MARK: Packets

    /// A datagram, which may be changed in place.
    package mutating func receive(_ datagram: UnsafeMutableRawBufferPointer, from remote: Endpoint, now: Instant) {
        let path = ICEPath(socket: held.socket.index, local: nil, remote: remote)
        unsafe lane.receive(datagram, path, &held.io, now)
    }

    /// When `timeout` must come at the latest. A worker calls it behind each batch of packets as well, for what may be done then.
    package var nextDeadline: Instant { lane.nextDeadline }

    package mutating func timeout(now: Instant) { lane.timeout(&held.io, now) }

    /// Takes what was sent; it may be changed in place.
    package mutating func takeSent(_ body: (Endpoint, UnsafeMutableRawBufferPointer) -> Void) {
        unsafe held.take(body)
    }

    // MARK: Looking on

    package var counters: MediaCounters { lane.counters }

    /// Datagrams that could not be held, because they were too many at once.
    package var missedCount: UInt64 { held.missedCount }

    package var sizes: Sizes {
        var sizes = Sizes()
        sizes.connections = lane.connections.count
        sizes.rooms = lane.rooms.count
        sizes.sources = lane.sources.count
        sizes.tracks = lane.tracks.count
        sizes.slots = lane.slots.count
        sizes.paths = lane.byPath.count
        sizes.ufrags = lane.byUfrag.count
        sizes.streams = lane.byTrackSSRC.count
        return sizes
    }
}
