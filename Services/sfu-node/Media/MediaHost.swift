package import Addresses
import DTLS
import ICE
package import MediaInterface
import PacketIO
import SDP
import Time

/// A node's media: answers offers, and gives rooms to workers. What it does itself (SDP, text) never runs on a worker's thread.
package actor MediaHost: RoomMedia {
    /// Where workers are reached.
    package struct Places: Sendable {
        /// Bound, UDP and TCP; port 0: any free one.
        package var listen: [Endpoint]
        /// Announced instead of what is bound, in order of preference (1:1 NAT); empty: the host's own addresses.
        package var announced: [IPAddress]
        package var workers: Int

        package init(listen: [Endpoint], announced: [IPAddress], workers: Int) {
            self.listen = listen
            self.announced = announced
            self.workers = workers
        }
    }

    /// What was agreed with a member last.
    private struct Agreement {
        var number: UInt64
        /// The offer's hash, keyed by this process: the text of a browser's takes more memory than its connection.
        var offer: Int
        var answer: String
        var session: NegotiatedSession
        var localICE: ICE.ICECredentials
        var worker: Int
        var sources: Set<UInt32>
    }

    private nonisolated let loops: MediaLoops
    private let negotiator: Negotiator
    private var agreements: [MediaMember: Agreement] = [:]
    /// What members said before their first offer was answered.
    private var early: [MediaMember: SaidEarly] = [:]
    private var roomWorkers: [MediaRoom: (worker: Int, members: Int)] = [:]
    private var usedSources: Set<UInt32> = []
    private var random = SystemRandomNumberGenerator()

    /// Binds the sockets and starts the threads. Throws where an address cannot be bound.
    package init(_ places: Places, notices: MediaNotices) throws {
        loops = try MediaLoops(places, notices: notices)
        negotiator = Negotiator()
    }

    /// Serves until cancelled.
    package nonisolated func run() async throws { try await loops.run() }

    /// Where it is reached, over UDP; with the real ports.
    package nonisolated var endpoints: [Endpoint] { loops.announced }

    /// What was counted, over all workers.
    package nonisolated var counters: [MediaCounters] { loops.workers.map(\.counters) }

    // MARK: RoomMedia

    package func offer(
        _ number: UInt64, sdp: String, from member: MediaMember, maySend: Bool
    ) async throws(MediaRefusal) -> String {
        let previous = agreements[member]
        let offer: SessionDescription
        do throws(SDPError) {
            offer = try SessionDescription(parsing: sdp)
        } catch {
            throw .invalid("sdp: \(error)")
        }
        let relation = offer.relation(to: previous?.session)
        if let previous {
            if number == previous.number, sdp.hashValue == previous.offer { return previous.answer }
            guard number > previous.number || relation == .newConnection else {
                throw .stale(newest: previous.number)
            }
        }
        let isNew = previous == nil || relation == .newConnection || relation == .first
        let known = isNew ? nil : previous
        let localICE: ICE.ICECredentials =
            if let known, relation != .iceRestart { known.localICE } else { .random(using: &random) }
        let worker = known?.worker ?? worker(for: member.room)
        var sources = known?.sources ?? []
        let local = LocalTransport(
            ice: SDP.ICECredentials(ufrag: localICE.ufrag, password: localICE.password),
            fingerprints: loops.fingerprints, candidates: loops.candidates(of: worker))
        let answer: Answer
        do throws(NegotiationError) {
            answer = try negotiator.answer(
                offer, local: local, previous: known?.session, sessionID: .random(in: 1...(1 << 62), using: &random)
            ) { request in
                let ssrc = freeSource(&sources)
                return SlotSource(request, ssrc: ssrc, rtx: request.kind == .video ? freeSource(&sources) : nil)
            }
        } catch {
            forget(sources.subtracting(known?.sources ?? []))
            throw .invalid("sdp: \(error.reason)")
        }
        guard
            let fingerprint = answer.session.remoteFingerprints.lazy
                .compactMap({ DTLSFingerprint("\($0.hash) \(MediaHost.hex($0.bytes))") }).first
        else {
            forget(sources.subtracting(known?.sources ?? []))
            throw .invalid("sdp: a=fingerprint: sha-256, sha-384 or sha-512")
        }
        let remote = answer.session.remoteICE
        if let previous, isNew { forget(previous.sources) }
        let text = answer.text
        count(member, on: worker)
        agreements[member] = Agreement(
            number: number, offer: sdp.hashValue,
            // Made anew, as what was reserved to write it is more than it needs.
            answer: String(decoding: Array(text.utf8), as: UTF8.self), session: answer.session, localICE: localICE,
            worker: worker,
            sources: sources)
        let setup = ConnectionSetup(
            member: member, kind: isNew ? .new : relation == .iceRestart ? .restart : .more, number: number,
            localICE: localICE, remoteICE: ICE.ICECredentials(ufrag: remote.ufrag, password: remote.password),
            fingerprint: fingerprint, session: answer.session, maySend: maySend)
        // What the member says from here on goes to the worker behind this, and must not be undone by what it said before.
        let saidEarly = early.removeValue(forKey: member) ?? SaidEarly()
        do throws(MediaRefusal) {
            try await loops.workers[worker].connect(setup, saidEarly)
        } catch {
            // The worker lost the connection that this offer goes on with: the client makes a new one.
            release(member)
            throw error
        }
        return text
    }

    package func answered(_ number: UInt64, by member: MediaMember) async throws(MediaRefusal) {
        guard let agreement = agreements[member] else { throw .stale(newest: 0) }
        try await loops.workers[agreement.worker].answered(number, by: member)
    }

    package func publish(_ tracks: [MediaTrack], by member: MediaMember) async throws(MediaRefusal) {
        guard let agreement = agreements[member] else {
            early[member, default: SaidEarly()].tracks = tracks
            return
        }
        try await loops.workers[agreement.worker].publish(tracks, by: member)
    }

    package func view(_ tiles: [MediaTile], by member: MediaMember) async throws(MediaRefusal) {
        guard let agreement = agreements[member] else {
            early[member, default: SaidEarly()].tiles = tiles
            return
        }
        try await loops.workers[agreement.worker].view(tiles, by: member)
    }

    package func mute(_ member: MediaMember) async {
        guard let agreement = agreements[member] else { return }
        await loops.workers[agreement.worker].mute(member)
    }

    package func setMaySend(_ maySend: Bool, of member: MediaMember) async {
        guard let agreement = agreements[member] else { return }
        await loops.workers[agreement.worker].setMaySend(maySend, of: member)
    }

    package func memberLeft(_ member: MediaMember) async {
        early[member] = nil
        guard let worker = agreements[member]?.worker else { return }
        release(member)
        await loops.workers[worker].remove(member)
    }

    package func roomEnded(_ room: MediaRoom) async {
        for member in early.keys where member.room == room { early[member] = nil }
        for member in agreements.keys where member.room == room { release(member) }
        roomWorkers[room] = nil
        for worker in loops.workers { await worker.remove(room) }
    }

    // MARK: Who is where

    /// A room lives on one worker: no packet crosses cores. A new room goes where the fewest are.
    private func worker(for room: MediaRoom) -> Int {
        if let known = roomWorkers[room] { return known.worker }
        var counts = Array(repeating: 0, count: loops.workers.count)
        for (worker, members) in roomWorkers.values { counts[worker] += members }
        return counts.indices.min { counts[$0] < counts[$1] } ?? 0
    }

    /// A member is there, once however many connections it makes; `release` takes it back.
    private func count(_ member: MediaMember, on worker: Int) {
        guard agreements[member] == nil else { return }
        roomWorkers[member.room] = (worker, (roomWorkers[member.room]?.members ?? 0) + 1)
    }

    private func release(_ member: MediaMember) {
        guard let agreement = agreements.removeValue(forKey: member) else { return }
        forget(agreement.sources)
        guard let known = roomWorkers[member.room] else { return }
        roomWorkers[member.room] = known.members > 1 ? (known.worker, known.members - 1) : nil
    }

    private func freeSource(_ mine: inout Set<UInt32>) -> UInt32 {
        while true {
            let source = UInt32.random(in: 1 ... .max, using: &random)
            guard usedSources.insert(source).inserted else { continue }
            mine.insert(source)
            return source
        }
    }

    private func forget(_ sources: Set<UInt32>) { usedSources.subtract(sources) }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789ABCDEF")
        return bytes.map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined(separator: ":")
    }
}
