import Bus
import Foundation
import Logging
import MediaInterface
import Messages
import SFUNode
import Synchronization
import Testing
import Time

/// Answers every offer, refuses what it is told to, and remembers what it was asked.
private final class ScriptedMedia: RoomMedia {
    let said = Mutex<[String]>([])
    let members = Mutex<[String: MediaMember]>([:])
    /// What `offer` throws once, if anything.
    let refusal = Mutex<MediaRefusal?>(nil)
    /// Runs inside of `offer`, before it answers.
    let during = Mutex<(@Sendable () async -> Void)?>(nil)

    private func say(_ text: String) { said.withLock { $0.append(text) } }

    func offer(
        _ number: UInt64, sdp: String, from member: MediaMember, maySend: Bool
    ) async throws(MediaRefusal) -> String {
        say("offer \(number) \(member.member)\(maySend ? "" : " receives only")")
        members.withLock { $0[member.member] = member }
        if let refusal = refusal.withLock({ $0.take() }) { throw refusal }
        await during.withLock { $0 }?()
        return "answer to \(sdp)"
    }

    func answered(_ number: UInt64, by member: MediaMember) async throws(MediaRefusal) {
        say("answered \(number) \(member.member)")
    }

    func publish(_ tracks: [MediaTrack], by member: MediaMember) async throws(MediaRefusal) {
        say("publish \(tracks.map { "\($0.mid):\($0.source.rawValue)" }.joined(separator: ",")) \(member.member)")
    }

    func view(_ tiles: [MediaTile], by member: MediaMember) async throws(MediaRefusal) {
        say("view \(tiles.map { "\($0.member) \($0.width)x\($0.height)" }.joined(separator: ",")) \(member.member)")
    }

    func mute(_ member: MediaMember) async { say("mute \(member.member)") }
    func setMaySend(_ maySend: Bool, of member: MediaMember) async {
        say("\(member.member) \(maySend ? "may" : "may not") send")
    }
    func memberLeft(_ member: MediaMember) async { say("left \(member.member) \(member.stay)") }
    func roomEnded(_ room: MediaRoom) async { say("ended \(room.room) \(room.epoch)") }

    /// Waits until something was said.
    func heard(_ text: String) async -> Bool {
        for _ in 0..<500 {
            if said.withLock({ $0.contains(text) }) { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}

extension Optional {
    /// The value, taken out.
    fileprivate mutating func take() -> Wrapped? {
        defer { self = nil }
        return self
    }
}

/// Media asked for over a real bus.
@Suite(.timeLimit(.minutes(1)))
struct MediaServiceTests {
    private typealias Client = Roost_Rooms_V1_RoomsClient

    private let folder = "/tmp/roost-\(UInt32.random(in: 0 ... .max))"
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private let media = ScriptedMedia()
    private let host = RoomHost { Moment(instant: MonotonicClock.now, wall: .now) }

    private func serve(media: any RoomMedia, _ body: (Client) async throws -> Void) async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let address = BusAddress.unix(path: "\(folder)/node.sock")
        var router = BusRouter()
        router.add(rooms: RoomsService(host: host, media: media))
        let server = BusServer(addresses: [address], router: router, logger: logger)
        let client = BusClient(addresses: [address], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await host.run() }
            group.addTask { await host.serve(media) }
            group.addTask { try await server.run() }
            group.addTask { try await client.run() }
            defer { group.cancelAll() }
            try await body(Client(caller: client))
        }
    }

    private func join(
        _ name: String, signal: String = "signal-1", role: Roost_Rooms_V1_Role = .speaker
    ) -> Roost_Rooms_V1_JoinRequest {
        var request = Roost_Rooms_V1_JoinRequest()
        request.room = "blue"
        request.epoch = 7
        request.kind = .room
        request.topology = .sfu
        request.member.memberID = "m-" + name
        request.member.personID = "p-" + name
        request.member.name = name
        request.member.role = role
        request.member.signalID = signal
        return request
    }

    private func offer(_ name: String, _ number: UInt64 = 1, sdp: String = "v=0") -> Roost_Rooms_V1_OfferRequest {
        var request = Roost_Rooms_V1_OfferRequest()
        request.room = "blue"
        request.memberID = "m-" + name
        request.number = number
        request.sdp = sdp
        return request
    }

    private func publish(_ name: String, _ mids: [String]) -> Roost_Rooms_V1_PublishRequest {
        var request = Roost_Rooms_V1_PublishRequest()
        request.room = "blue"
        request.memberID = "m-" + name
        // The third has the source of the first.
        request.tracks = mids.enumerated().map { number, mid in
            var track = Roost_Rooms_V1_MediaTrack()
            track.mid = mid
            track.source = number.isMultiple(of: 2) ? .microphone : .screenAudio
            return track
        }
        return request
    }

    private func moderate(
        _ action: Roost_Rooms_V1_ModerateAction, _ name: String = "", by host: String
    ) -> Roost_Rooms_V1_ModerateRequest {
        var request = Roost_Rooms_V1_ModerateRequest()
        request.room = "blue"
        request.byMemberID = "m-" + host
        request.memberID = name.isEmpty ? "" : "m-" + name
        request.action = action
        return request
    }

    private func leave(_ name: String) -> Roost_Rooms_V1_LeaveRequest {
        var request = Roost_Rooms_V1_LeaveRequest()
        request.room = "blue"
        request.memberID = "m-" + name
        return request
    }

    private func events(_ signal: String, after seq: UInt64 = 0) -> Roost_Rooms_V1_EventsRequest {
        var request = Roost_Rooms_V1_EventsRequest()
        request.room = "blue"
        request.signalID = signal
        request.afterSeq = seq
        request.epoch = 7
        return request
    }

    private func status(_ body: () async throws -> Void) async -> StatusCode? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? BusStatus)?.code
        }
    }

    @Test func `a member's requests reach the media, and its leaving does`() async throws {
        try await serve(media: media) { client in
            _ = try await client.join(join("ann"))
            let reply = try await client.offer(offer("ann", 3, sdp: "v=0 of ann"))
            #expect(reply.number == 3 && reply.sdp == "answer to v=0 of ann")
            var answered = Roost_Rooms_V1_AnsweredRequest()
            (answered.room, answered.memberID, answered.number) = ("blue", "m-ann", 3)
            _ = try await client.answered(answered)
            _ = try await client.publish(publish("ann", ["0", "1"]))
            var view = Roost_Rooms_V1_ViewRequest()
            (view.room, view.memberID) = ("blue", "m-ann")
            var tile = Roost_Rooms_V1_MediaTile()
            (tile.memberID, tile.source, tile.width, tile.height) = ("m-bob", .camera, 0, 1_000_000)
            view.tiles = [tile]
            _ = try await client.view(view)
            _ = try await client.leave(leave("ann"))
            #expect(await media.heard("left m-ann 1"))
            #expect(
                media.said.withLock { $0 } == [
                    "offer 3 m-ann", "answered 3 m-ann", "publish 0:microphone,1:screen-audio m-ann",
                    "view m-bob 0x16384 m-ann", "left m-ann 1",
                ])
            // Another stay, of the same id.
            _ = try await client.join(join("ann"))
            _ = try await client.offer(offer("ann"))
            await host.close(id("blue"), epoch: 8)
            #expect(await media.heard("ended blue 7"))
        }
    }

    @Test func `only members that are there ask, and listeners send nothing`() async throws {
        try await serve(media: media) { client in
            #expect(await status { _ = try await client.offer(offer("ann")) } == .notFound)
            _ = try await client.join(join("ann"))
            #expect(await status { _ = try await client.offer(offer("bob")) } == .notFound)
            _ = try await client.join(join("lis", role: .listener))
            _ = try await client.offer(offer("lis"))
            #expect(media.said.withLock { $0 } == ["offer 1 m-lis receives only"])
            #expect(await status { _ = try await client.publish(publish("lis", ["0"])) } == .permissionDenied)
            _ = try await client.publish(publish("lis", []))
            var away = Roost_Rooms_V1_UpdateRequest()
            (away.room, away.memberID, away.away) = ("blue", "m-ann", true)
            _ = try await client.update(away)
            #expect(await status { _ = try await client.offer(offer("ann")) } == .failedPrecondition)
        }
    }

    @Test func `who is made a listener may publish nothing, and whoever carries the media hears of it`() async throws {
        try await serve(media: media) { client in
            for name in ["ann", "bob"] {
                var request = join(name)
                request.kind = .room
                _ = try await client.join(request)
                _ = try await client.offer(offer(name))
            }
            var request = Roost_Rooms_V1_ModerateRequest()
            (request.room, request.byMemberID, request.memberID) = ("blue", "m-ann", "m-bob")
            request.action = .listen
            _ = try await client.moderate(request)
            #expect(await media.heard("m-bob may not send"))
            #expect(await status { _ = try await client.publish(publish("bob", ["0"])) } == .permissionDenied)
            request.action = .speak
            _ = try await client.moderate(request)
            #expect(await media.heard("m-bob may send"))
            _ = try await client.publish(publish("bob", ["0"]))
        }
    }

    @Test func `what the media refuses is told as what it is`() async throws {
        try await serve(media: media) { client in
            _ = try await client.join(join("ann"))
            let cases: [(MediaRefusal, StatusCode)] = [
                (.invalid("no fingerprint"), .invalidArgument), (.stale(newest: 4), .outOfRange),
                (.tooMany("offers"), .resourceExhausted), (.notAllowed("no"), .permissionDenied),
                (.unavailable("starting"), .unavailable), (.noMedia, .unimplemented),
            ]
            for (refusal, code) in cases {
                media.refusal.withLock { $0 = refusal }
                #expect(await status { _ = try await client.offer(offer("ann")) } == code)
            }
            #expect(host.figures.refused["media-stale"] == 1)
        }
        try await serve(media: NoMedia()) { client in
            #expect(await status { _ = try await client.offer(offer("ann")) } == .unimplemented)
        }
    }

    @Test func `requests that are not as agreed do not reach the media`() async throws {
        try await serve(media: media) { client in
            _ = try await client.join(join("ann"))
            #expect(await status { _ = try await client.offer(offer("ann", 0)) } == .invalidArgument)
            #expect(await status { _ = try await client.offer(offer("ann", sdp: "")) } == .invalidArgument)
            let long = String(repeating: "a", count: (256 << 10) + 1)
            #expect(await status { _ = try await client.offer(offer("ann", sdp: long)) } == .invalidArgument)
            for mids in [["0", "0"], ["0", "1", "2"], [""], ["a b"], (0..<17).map { "\($0)" }, ["12345678901234567"]] {
                #expect(await status { _ = try await client.publish(publish("ann", mids)) } == .invalidArgument)
            }
            #expect(media.said.withLock { $0 }.isEmpty)
        }
    }

    @Test func `an offer whose member leaves meanwhile leaves nothing behind`() async throws {
        try await serve(media: media) { client in
            _ = try await client.join(join("ann"))
            let host = host
            media.during.withLock { $0 = { await host.leave(id("blue"), member: id("m-ann"), reason: .hungUp) } }
            #expect(await status { _ = try await client.offer(offer("ann")) } == .notFound)
            #expect(media.said.withLock { $0 }.last == "left m-ann 1")
        }
    }

    @Test func `news reach the signal of their member, and a signal that begins to read`() async throws {
        try await serve(media: media) { client in
            let seq = try await client.join(join("ann")).state.seq
            _ = try await client.join(join("bob", signal: "signal-2"))
            for name in ["ann", "bob"] { _ = try await client.offer(offer(name)) }
            var reader = try await client.events(events("signal-1", after: seq)).makeAsyncIterator()
            #expect(try await reader.next()?.event.joined.name == "bob")
            let ann = try #require(media.members.withLock { $0["m-ann"] })
            let bob = try #require(media.members.withLock { $0["m-bob"] })
            host.notices.post(bob, .slotsWanted(video: 9))
            host.notices.post(ann, .map(version: 1, slots: [MediaSlot(mid: "3", member: "m-bob", source: .screen)]))
            let notice = try await reader.next()?.notice
            #expect(notice?.memberID == "m-ann" && notice?.map.version == 1)
            #expect(notice?.map.slots.map(\.mid) == ["3"] && notice?.map.slots.map(\.source) == [.screen])

            // Ann is reached through another signal now.
            _ = try await client.join(join("ann", signal: "signal-3"))
            var third = try await client.events(events("signal-3")).makeAsyncIterator()
            #expect(try await third.next()?.snapshot.members.count == 2)
            #expect(try await third.next()?.notice.map.version == 1)

            // A stay that is over is told nothing.
            _ = try await client.leave(leave("ann"))
            #expect(try await third.next()?.event.left.memberID == "m-ann")
            await host.notify(ann, .lost(reason: "consent"))
            await host.notify(bob, .lost(reason: "consent"))
            _ = try await client.join(join("cy", signal: "signal-3"))
            #expect(try await third.next()?.event.updated.role == .host)
            #expect(try await third.next()?.event.joined.name == "cy")
        }
    }

    @Test func `a host mutes, and the media and the member hear it`() async throws {
        try await serve(media: media) { client in
            _ = try await client.join(join("ann"))
            let seq = try await client.join(join("bob", signal: "signal-2")).state.seq
            var reader = try await client.events(events("signal-2", after: seq)).makeAsyncIterator()
            // Who sends by no node is muted as well.
            _ = try await client.moderate(moderate(.mute, "bob", by: "ann"))
            #expect(try await reader.next()?.notice.mutedBy.name == "ann")
            _ = try await client.offer(offer("bob"))
            _ = try await client.moderate(moderate(.mute, "bob", by: "ann"))
            #expect(try await reader.next()?.notice.mutedBy.name == "ann")
            #expect(await media.heard("mute m-bob"))
            #expect(
                await status { _ = try await client.moderate(moderate(.mute, "ann", by: "bob")) } == .permissionDenied)
            #expect(
                await status { _ = try await client.moderate(moderate(.unspecified, by: "ann")) } == .invalidArgument)
            _ = try await client.moderate(moderate(.lock, by: "ann"))
            #expect(try await reader.next()?.event.lock.locked == true)
            #expect(await status { _ = try await client.join(join("cy")) } == .permissionDenied)
            _ = try await client.moderate(moderate(.remove, "bob", by: "ann"))
            #expect(try await reader.next()?.event.left.reason == .removed)
            #expect(await media.heard("left m-bob 2"))
            #expect(await status { _ = try await client.join(join("bob")) } == .permissionDenied)
        }
    }
}
