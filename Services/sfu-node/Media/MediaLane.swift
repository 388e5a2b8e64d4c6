import Addresses
import DTLS
import ICE
import MediaInterface
import PacketIO
import RTP
import SDP
import SRTP
import Time

/// One worker's media: the connections of its rooms, and what goes from one to the others.
///
/// A struct that the worker's actor owns: entered once a batch, so that nothing is checked, counted or retained for a packet.
@safe
struct MediaLane: ~Copyable {
    /// Connections on one worker: beyond what a core forwards.
    static let connectionLimit = 2_000
    /// Streams of packets that one connection may send at once: four pictures of three layers with their repairs, and sound.
    static let streamLimit = 48

    /// Sources that one connection may name at once, those of its reports too: Firefox has one for each m-line it receives on, and 49
    /// pictures with eight voices are 57 of them.
    static let sourceLimit = 192

    /// ICE credentials by which one connection is known: an ICE restart that does not come through may be followed by another.
    static let ufragLimit = 4

    let dtls: DTLSContext
    let notices: MediaNotices
    var connections = Slab<Connection>()
    var sources = Slab<Source>()
    var tracks = Slab<Track>()
    var slots = Slab<Slot>()
    var rooms = Slab<MediaRoomState>()

    /// Where a member's connection, a room, a datagram, a check, a report about a slot belong.
    var byMember: [MediaMember: Int] = [:]
    var byRoom: [MediaRoom: Int] = [:]
    var byPath: [ICEPath: Int] = [:]
    var byUfrag: [ICEUfrag: Int] = [:]
    var bySlotSSRC: [SSRC: Int] = [:]
    /// Packets name a track by connection and SSRC.
    var byTrackSSRC: [TrackKey: TrackPlace] = [:]
    /// The last lookup of `byPath`: datagrams come in runs.
    var lastPath: ICEPath?
    var lastConnection = 0

    var counters = MediaCounters()
    var random: LaneRandom
    /// When the next tick may come, with packets; and when it must, also without them. To be woken costs as much as to forward some
    /// packets, and where packets come they bring the tick with them.
    var tickAt: Instant
    var wakeBy: Instant
    /// Where a stream's frames are opened in place.
    let scratch: UnsafeMutableRawBufferPointer

    struct TrackKey: Hashable {
        var connection: Int
        var ssrc: SSRC
    }

    struct TrackPlace {
        var track: Int
        var isRTX: Bool
    }

    init(dtls: DTLSContext, notices: MediaNotices, random: LaneRandom = LaneRandom(seed: nil), now: Instant) {
        self.dtls = dtls
        self.notices = notices
        self.random = random
        tickAt = now
        wakeBy = now
        unsafe scratch = .allocate(byteCount: LoopIO.datagramBytes, alignment: 16)
        unsafe scratch.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe scratch.deallocate() }

    /// When `timeout` is due.
    var nextDeadline: Instant { connections.count == 0 ? .distantFuture : wakeBy }

    /// Something is to be done at once.
    mutating func tickNow(_ now: Instant) {
        tickAt = now
        wakeBy = now
    }

    /// Who shows whom is decided anew with the next tick.
    mutating func mapAnew(_ room: Int) {
        rooms[room].needsMapping = true
        tickOnTime()
    }

    /// Something is to be done with the next tick, which then does not wait for packets.
    @inline(__always)
    mutating func tickOnTime() { wakeBy = min(wakeBy, tickAt) }

    // MARK: Members come and go

    /// Takes a connection in, or what was agreed anew on one.
    mutating func connect(_ setup: ConnectionSetup, now: Instant) throws(MediaRefusal) {
        if case .new = setup.kind {
            if let old = byMember[setup.member] { remove(old) }
            guard connections.count < MediaLane.connectionLimit else {
                throw .tooMany("this node's connections: \(MediaLane.connectionLimit)")
            }
            try add(setup, now: now)
        } else {
            guard let index = byMember[setup.member] else {
                throw .stale(newest: 0)
            }
            if case .restart = setup.kind {
                connections[index].ice.restart(local: setup.localICE, remote: setup.remoteICE, now: now)
                know(setup.localICE, index)
            }
            connections[index].session = setup.session
            connections[index].number = setup.number
            connections[index].maySend = setup.maySend
            agree(index, now: now)
        }
    }

    private mutating func add(_ setup: ConnectionSetup, now: Instant) throws(MediaRefusal) {
        let dtls: DTLSConnection
        do throws(DTLSError) {
            dtls = try DTLSConnection(self.dtls, role: .server, peer: setup.fingerprint, now: now)
        } catch {
            throw .unavailable("no DTLS connection: \(error)")
        }
        let room = room(setup.member.room, now: now)
        let reportSSRC = SSRC(rawValue: .random(in: 1 ... .max, using: &random))
        let index = connections.insert(
            Connection(setup, room: room, reportSSRC: reportSSRC, dtls: dtls, now: now))
        byMember[setup.member] = index
        know(setup.localICE, index)
        rooms[room].connections.append(index)
        agree(index, now: now)
    }

    private mutating func know(_ credentials: ICE.ICECredentials, _ index: Int) {
        guard let key = credentials.key else { return }
        byUfrag[key] = index
        connections[index].ufrags.append(key)
        // Restarts that never came through: the one in use and the newest ones are enough.
        guard connections[index].ufrags.count > MediaLane.ufragLimit else { return }
        let old = connections[index].ufrags.remove(at: 1)
        if byUfrag[old] == index { byUfrag[old] = nil }
    }

    private mutating func room(_ room: MediaRoom, now: Instant) -> Int {
        if let index = byRoom[room] { return index }
        let index = rooms.insert(MediaRoomState(room: room, speakersAt: now, totals: RoomTotals(now: now)))
        byRoom[room] = index
        return index
    }

    /// The client applied an answer: it may be sent to.
    mutating func answered(_ number: UInt64, by member: MediaMember, now: Instant) throws(MediaRefusal) {
        guard let index = byMember[member] else { throw .stale(newest: 0) }
        guard number == connections[index].number else { throw .stale(newest: connections[index].number) }
        connections[index].appliedNumber = number
        mapAnew(connections[index].room)
        tickNow(now)
    }

    /// What each of its own m-lines carries.
    mutating func publish(_ published: [MediaTrack], by member: MediaMember, now: Instant) throws(MediaRefusal) {
        guard let index = byMember[member] else { throw .stale(newest: 0) }
        connections[index].published = published
        label(index)
        tickNow(now)
    }

    /// What it shows.
    mutating func view(_ tiles: [MediaTile], by member: MediaMember, now: Instant) throws(MediaRefusal) {
        guard let index = byMember[member] else { throw .stale(newest: 0) }
        connections[index].tiles = tiles
        mapAnew(connections[index].room)
        tickNow(now)
    }

    /// A host took its word: of all that sounds, whatever it is called.
    mutating func mute(_ member: MediaMember) {
        guard let index = byMember[member] else { return }
        for source in connections[index].sources where !sources[source].isVideo {
            sources[source].isSilenced = true
        }
    }

    /// A host made it a listener, or lets it speak again.
    mutating func setMaySend(_ maySend: Bool, of member: MediaMember) {
        guard let index = byMember[member] else { return }
        connections[index].maySend = maySend
        label(index)
    }

    mutating func remove(_ member: MediaMember) {
        if let index = byMember[member] { remove(index) }
    }

    mutating func remove(_ room: MediaRoom) {
        guard let index = byRoom[room] else { return }
        for connection in rooms[index].connections { remove(connection) }
    }

    /// Ends a connection from this side: what it holds is free at once.
    mutating func remove(_ index: Int) {
        for source in connections[index].sources { remove(source: source) }
        for slot in connections[index].slots { remove(slot: slot) }
        for key in connections[index].ufrags where byUfrag[key] == index { byUfrag[key] = nil }
        for path in connections[index].paths where byPath[path] == index { byPath[path] = nil }
        lastPath = nil
        if byMember[connections[index].member] == index { byMember[connections[index].member] = nil }
        let room = connections[index].room
        rooms[room].connections.removeAll { $0 == index }
        rooms[room].speakers.remove(index)
        mapAnew(room)
        if rooms[room].connections.isEmpty {
            byRoom[rooms[room].room] = nil
            rooms.remove(room)
        }
        connections.remove(index)
    }

    /// The transport is gone though the member is not.
    mutating func lose(_ index: Int, _ reason: String) {
        counters.lostConnections += 1
        notices.post(connections[index].member, .lost(reason: reason))
        remove(index)
    }
}

/// What a lane counts; packets are counters, never lines.
package struct MediaCounters: Sendable {
    package enum Drop: Int, CaseIterable, Sendable {
        case unknownPath, notOpen, forged, replayed, malformed, unknownTrack, mayNotSend, noCodec, beforeSwitch, late,
            noRoom, tooMany, foreignPath, tooManyStreams
    }

    package var connections = 0
    package var received: UInt64 = 0
    package var forwarded: UInt64 = 0
    package var repaired: UInt64 = 0
    package var retransmitted: UInt64 = 0
    package var keyFrameRequests: UInt64 = 0
    package var lostConnections: UInt64 = 0
    package private(set) var dropped = [UInt64](repeating: 0, count: Drop.allCases.count)

    package init() {}

    mutating func drop(_ reason: Drop) { dropped[reason.rawValue] += 1 }
}
