import Bus
import Foundation
import Logging
import Messages
import SFUNode
import Testing
import Time

/// Rooms over a real bus and on the real clock.
@Suite(.timeLimit(.minutes(1)))
struct RoomsServiceTests {
    private typealias Client = Roost_Rooms_V1_RoomsClient

    private let folder = "/tmp/roost-\(UInt32.random(in: 0 ... .max))"
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func serve(
        _ host: RoomHost, _ body: (Client) async throws -> Void
    ) async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let address = BusAddress.unix(path: "\(folder)/node.sock")
        var router = BusRouter()
        router.add(rooms: RoomsService(host: host))
        let server = BusServer(addresses: [address], router: router, logger: logger)
        let client = BusClient(addresses: [address], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await host.run() }
            group.addTask { try await server.run() }
            group.addTask { try await client.run() }
            defer { group.cancelAll() }
            try await body(Client(caller: client))
        }
    }

    private func host(_ change: (inout RoomLimits, inout ReaderLimits) -> Void = { _, _ in }) -> RoomHost {
        var (limits, readers) = (RoomLimits(), ReaderLimits())
        limits.callsByInvitation = false
        change(&limits, &readers)
        return RoomHost(limits: limits, readerLimits: readers) { Moment(instant: MonotonicClock.now, wall: .now) }
    }

    private func join(_ name: String, signal: String = "signal-1") -> Roost_Rooms_V1_JoinRequest {
        var request = Roost_Rooms_V1_JoinRequest()
        request.room = "c-1"
        request.epoch = 7
        request.kind = .call
        request.member.memberID = "m-" + name
        request.member.personID = "p-" + name
        request.member.name = name
        request.member.signalID = signal
        return request
    }

    private func events(signal: String = "signal-1", after seq: UInt64 = 0) -> Roost_Rooms_V1_EventsRequest {
        var request = Roost_Rooms_V1_EventsRequest()
        request.room = "c-1"
        request.signalID = signal
        request.afterSeq = seq
        request.epoch = 7
        return request
    }

    private func message(_ number: Int, from name: String, bytes: Int = 2) -> Roost_Rooms_V1_SendRequest {
        var request = Roost_Rooms_V1_SendRequest()
        request.room = "c-1"
        request.message.fromMemberID = "m-" + name
        request.message.messageID = "\(number)"
        request.message.type = "chat"
        request.message.body = Data(repeating: 0x20, count: bytes)
        return request
    }

    /// The status that `body` ends with.
    private func status(_ body: () async throws -> Void) async -> StatusCode? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? BusStatus)?.code
        }
    }

    @Test func `a node that ends takes no new rooms, whatever the registry says then`() async throws {
        let host = host()
        try await serve(host) { client in
            await host.setDraining(true)
            await host.setDraining(false)
            _ = try await client.join(join("ann"))
            await host.beginEnding()
            await host.setDraining(false)
            var another = join("bob")
            another.room = "c-2"
            let refused = await status { [another] in _ = try await client.join(another) }
            #expect(refused == .unavailable)
            // Rooms that are there go on till they end.
            _ = try await client.join(join("bob"))
        }
    }

    @Test func `a call from the first join to the last event`() async throws {
        let host = host()
        try await serve(host) { client in
            let state = try await client.join(join("ann")).state
            #expect(state.members.map(\.name) == ["ann"])
            var reader = try await client.events(events(after: state.seq)).makeAsyncIterator()
            _ = try await client.join(join("bob"))
            #expect(try await reader.next()?.event.joined.name == "bob")
            let seq = try await client.send(message(1, from: "bob")).seq
            #expect(try await client.send(message(1, from: "bob")).seq == seq)
            #expect(try await reader.next()?.event.message.fromMemberID == "m-bob")

            var late = try await client.events(events(signal: "signal-2")).makeAsyncIterator()
            let snapshot = try await late.next()?.snapshot
            #expect(snapshot?.seq == seq)
            #expect(snapshot?.members.map(\.name) == ["ann", "bob"])

            var leave = Roost_Rooms_V1_LeaveRequest()
            leave.room = "c-1"
            leave.memberID = "m-bob"
            leave.reason = .hungUp
            _ = try await client.leave(leave)
            #expect(try await reader.next()?.event.left.name == "bob")
            #expect(try await reader.next()?.event.ended.reason == .hungUp)
            #expect(try await reader.next() == nil)
            var ended = host.ended.makeAsyncIterator()
            #expect(await ended.next() == RoomTable.Held(room: id("c-1"), epoch: 7, members: 0))
        }
    }

    @Test func `refusals come with their codes and are counted`() async throws {
        let host = host()
        try await serve(host) { client in
            _ = try await client.join(join("ann"))
            var old = join("bob")
            old.epoch = 6
            #expect(await status { _ = try await client.join(old) } == .failedPrecondition)
            var nobody = join("")
            nobody.member.memberID = ""
            #expect(await status { _ = try await client.join(nobody) } == .invalidArgument)
            #expect(await status { _ = try await client.send(message(1, from: "bob")) } == .notFound)
            #expect(
                await status { _ = try await client.send(message(1, from: "ann", bytes: 70_000)) } == .invalidArgument)
            var elsewhere = events()
            elsewhere.room = "c-2"
            #expect(
                await status { for try await _ in try await client.events(elsewhere) {} } == .notFound)
            #expect(
                host.figures.refused == [
                    "stale-epoch": 1, "invalid": 1, "no-such-member": 1, "too-large": 1, "no-such-room": 1,
                ])
        }
    }

    @Test func `the end of a signal's last stream is an absence, a new one its end`() async throws {
        let host = host { limits, _ in limits.hideAbsenceFor = .milliseconds(50) }
        try await serve(host) { client in
            _ = try await client.join(join("ann"))
            let state = try await client.join(join("bob", signal: "signal-2")).state
            var reader = try await client.events(events(after: state.seq)).makeAsyncIterator()
            do {
                var other = try await client.events(events(signal: "signal-2")).makeAsyncIterator()
                _ = try await other.next()
            }
            while true {
                let event = try #require(try await reader.next()).event
                if event.updated.name == "bob", event.updated.away { break }
            }
            var other = try await client.events(events(signal: "signal-2")).makeAsyncIterator()
            _ = try await other.next()
            // Ann's own short absence, before her stream stood, may be told as well.
            while true {
                let event = try #require(try await reader.next()).event
                if event.updated.name == "bob", !event.updated.away { break }
            }
        }
    }

    @Test func `a reader that does not read is cut, and another notices nothing`() async throws {
        let host = host { limits, readers in
            limits.ratePerSecond = 1_000_000
            limits.burst = 1_000_000
            readers.count = 16
        }
        try await serve(host) { client in
            _ = try await client.join(join("ann"))
            let state = try await client.join(join("bob")).state
            let slow = try await client.events(events(after: state.seq))
            var good = try await client.events(events(signal: "signal-2", after: state.seq)).makeAsyncIterator()
            var number = 0
            while host.figures.slowReaders == 0, number < 2_000 {
                number += 1
                _ = try await client.send(message(number, from: "ann", bytes: 60_000))
                #expect(try await good.next()?.event.message.messageID == "\(number)")
            }
            #expect(await status { for try await _ in slow {} } == .resourceExhausted)
        }
    }

    @Test func `a node that goes down sends its readers elsewhere`() async throws {
        let host = host()
        try await serve(host) { client in
            _ = try await client.join(join("ann"))
            var reader = try await client.events(events()).makeAsyncIterator()
            _ = try await reader.next()
            await host.dismissReaders()
            #expect(await status { _ = try await reader.next() } == .unavailable)
            #expect(await status { _ = try await client.join(join("cy")) } == .unavailable)
            #expect(await status { for try await _ in try await client.events(events()) {} } == .unavailable)
        }
    }
}
