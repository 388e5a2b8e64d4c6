import Addresses
import Attachment
import Bus
import Logging
import Messages
import Synchronization
import Testing

/// A node and fake registries over a real bus.
@Suite(.timeLimit(.minutes(1)))
struct NodeAttachmentTests {
    private let folder: SocketFolder
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws { folder = try SocketFolder() }

    private func server(_ registry: FakeRegistry) -> BusServer {
        var router = BusRouter()
        router.add(registry: registry)
        return BusServer(addresses: [folder.address(registry.name)], router: router, logger: logger)
    }

    private func attachment(
        _ names: String..., command: @escaping @Sendable (NodeAttachment.Command) async -> Void = { _ in },
        stateChanged: @escaping @Sendable (NodeAttachment.State) -> Void = { _ in }
    ) -> NodeAttachment {
        var node = Roost_Registry_V1_Node()
        node.nodeID = "sfu-1"
        node.bootID = "b1"
        return NodeAttachment(
            node: node, registries: names.map { folder.address($0) }, logger: logger,
            heartbeat: {
                var beat = Roost_Registry_V1_Heartbeat()
                beat.load.cpu = 0.5
                beat.draining = true
                var room = Roost_Registry_V1_HeldRoom()
                room.room = "c-1"
                room.epoch = 7
                beat.rooms = [room]
                return beat
            }, command: command, stateChanged: stateChanged)
    }

    @Test func `a node says who it is and what it holds, then beats`() async throws {
        let registry = FakeRegistry("one")
        let server = server(registry)
        let (states, state) = AsyncStream<NodeAttachment.State>.makeStream()
        let attachment = attachment("one", stateChanged: { state.yield($0) })
        #expect(attachment.unreadiness == "not attached to a registry yet")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { try await attachment.run() }
            var heard = registry.heard.makeAsyncIterator()
            let hello = try #require(await heard.next())
            #expect(hello.hello.node.nodeID == "sfu-1")
            #expect(hello.hello.rooms.map(\.room) == ["c-1"])
            #expect(hello.hello.draining)
            for _ in 1...3 {
                let beat = try #require(await heard.next())
                #expect(beat.heartbeat.load.cpu == 0.5)
                #expect(beat.heartbeat.rooms.map(\.epoch) == [7])
            }
            for await state in states where state == .attached(registry: "one") { break }
            #expect(attachment.unreadiness == nil)
            group.cancelAll()
        }
    }

    @Test func `commands come in their order`() async throws {
        let registry = FakeRegistry("one")
        let server = server(registry)
        let (commands, command) = AsyncStream<NodeAttachment.Command>.makeStream()
        let attachment = attachment("one", command: { command.yield($0) })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { try await attachment.run() }
            var heard = registry.heard.makeAsyncIterator()
            _ = await heard.next()
            try await registry.tell { $0.setDraining.draining = true }
            try await registry.tell {
                $0.closeRoom.room = "c-1"
                $0.closeRoom.epoch = 9
            }
            var range = Roost_Registry_V1_PeerRange()
            range.address = "192.0.2.1"
            range.firstPort = 1
            range.lastPort = 65_535
            var wrong = range
            wrong.address = "0.0.0.0"
            try await registry.tell { $0.allowedPeers.ranges = [range, wrong] }
            var arrived = commands.makeAsyncIterator()
            #expect(await arrived.next() == .setDraining(true))
            #expect(await arrived.next() == .closeRoom(room: "c-1", epoch: 9))
            let exact = NodePorts(address: IPAddress(v4: 0xc000_0201), ports: 1...65_535)
            #expect(await arrived.next() == .allowedPeers([exact]))
            group.cancelAll()
        }
    }

    @Test func `a registry that dies is followed by the next`() async throws {
        let (one, two) = (FakeRegistry("one"), FakeRegistry("two"))
        let (first, second) = (server(one), server(two))
        let attachment = attachment("one", "two")
        let life = Task { try await first.run() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await second.run() }
            group.addTask { try await attachment.run() }
            // Whichever it is at: when that ends, it is at the other.
            var heardOne = one.heard.makeAsyncIterator()
            var heardTwo = two.heard.makeAsyncIterator()
            _ = await heardOne.next()
            life.cancel()
            let hello = try #require(await heardTwo.next())
            #expect(hello.hello.node.nodeID == "sfu-1")
            _ = await heardTwo.next()
            #expect(attachment.state == .attached(registry: "two"))
            group.cancelAll()
        }
        _ = await life.result
    }

    @Test func `a closed stream is opened again elsewhere`() async throws {
        let (one, two) = (FakeRegistry("one", lasts: 2), FakeRegistry("two", lasts: 2))
        let (first, second) = (server(one), server(two))
        let attachment = attachment("one", "two")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await first.run() }
            group.addTask { try await second.run() }
            group.addTask { try await attachment.run() }
            var heardOne = one.heard.makeAsyncIterator()
            var heardTwo = two.heard.makeAsyncIterator()
            for _ in 1...3 {
                for _ in 1...2 { _ = try #require(await heardOne.next()) }
                for _ in 1...2 { _ = try #require(await heardTwo.next()) }
            }
            group.cancelAll()
        }
    }

    @Test func `without a registry the reason is told, and one that comes is found`() async throws {
        let (states, state) = AsyncStream<NodeAttachment.State>.makeStream()
        let attachment = attachment("one", stateChanged: { state.yield($0) })
        let registry = FakeRegistry("one")
        let server = server(registry)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await attachment.run() }
            var changes = states.makeAsyncIterator()
            let first = try #require(await changes.next())
            guard case .detached(let reason) = first else {
                Issue.record("attached to nothing: \(first)")
                return
            }
            #expect(reason.contains("one.sock"))
            group.addTask { try await server.run() }
            while let next = await changes.next(), next != .attached(registry: "one") {}
            group.cancelAll()
        }
    }
}
