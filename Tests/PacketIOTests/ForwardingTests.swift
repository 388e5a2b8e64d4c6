import Addresses
import CPacketIO
import PacketIO
import Synchronization
import Testing
import Time

/// Datagrams that are sent on where they lie, by a small relay with real sockets.
struct ForwardingTests {
    /// A flow through a relay: a client and a peer that know each other's ports.
    struct Flow: Sendable {
        let client = PlainSocket()
        let peer = PlainSocket()
        let relay: Endpoint
        let relayed: Endpoint

        init(_ relay: Endpoint, channel: UInt16) {
            self.relay = relay
            let port = peer.endpoint.port
            client.send(Array("FLOW".utf8) + [channel, port].flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }, to: relay)
            let answer = client.receive()
            guard answer.count == 6 else {
                relayed = relay
                return
            }
            relayed = Endpoint(address: relay.address, port: UInt16(answer[4]) << 8 | UInt16(answer[5]))
        }
    }

    /// Runs `body` on a thread with the relay's endpoint, and gives the loop's statistics afterwards.
    @discardableResult
    func withRelay<Value: Sendable>(
        merges: Bool = true, _ body: @Sendable @escaping (Endpoint) -> Value
    ) async throws -> (value: Value, relay: Relay, statistics: LoopStatistics) {
        let executor = try LoopExecutor(name: "relay")
        var options = UDPSocketOptions()
        options.mergesDatagrams = merges
        let address = IPAddress(v4: 0x7f00_0001)
        let socket = try UDPSocket(binding: Endpoint(address: address, port: 0), options: options)
        let relay = Relay(on: executor, address: address)
        let running = Task { try await executor.run(relay, sockets: [socket]) }
        let value = await onThread { body(socket.endpoint) }
        running.cancel()
        try await running.value
        return (value, relay, executor.statistics)
    }

    static func bytes(_ count: Int, _ seed: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ seed &* 17 &+ $0 >> 8) }
    }

    @Test(arguments: [true, false])
    func `datagrams of all sizes keep their bytes and order both ways`(merges: Bool) async throws {
        let (wrong, _, statistics) = try await withRelay(merges: merges) { relay in
            let flow = Flow(relay, channel: 0x4001)
            var wrong = 0
            // In runs that fit any kernel's buffers; sizes rise and fall, so that runs of equal size are rare.
            for run in 0..<8 {
                let sizes = (0..<48).map { 1 + ($0 * 97 + run * 211) % 1_400 }
                for (number, size) in sizes.enumerated() {
                    flow.client.send([0x40, 1, 0, 0] + Self.bytes(size, number), to: relay)
                }
                for (number, size) in sizes.enumerated() where flow.peer.receive() != Self.bytes(size, number) {
                    wrong += 1
                }
                for (number, size) in sizes.enumerated() {
                    flow.peer.send(Self.bytes(size, number), to: flow.relayed)
                }
                for (number, size) in sizes.enumerated() {
                    let header = [0x40, 1, UInt8(size >> 8), UInt8(size & 255)]
                    if flow.client.receive() != header + Self.bytes(size, number) { wrong += 1 }
                }
            }
            return wrong
        }
        #expect(wrong == 0)
        #expect(statistics.sentPackets.load(ordering: .relaxed) == 8 * 96 + 1)
        #expect(statistics.droppedRefused.load(ordering: .relaxed) == 0)
    }

    @Test func `the largest datagram passes`() async throws {
        let (isSame, _, _) = try await withRelay { relay in
            let flow = Flow(relay, channel: 0x4001)
            flow.peer.send(Self.bytes(65_503, 3), to: flow.relayed)
            return flow.client.receive() == [0x40, 1, 0xff, 0xdf] + Self.bytes(65_503, 3)
        }
        #expect(isSame)
    }

    @Test func `an empty datagram passes`() async throws {
        let (received, _, _) = try await withRelay { relay in
            let flow = Flow(relay, channel: 0x4001)
            flow.peer.send([], to: flow.relayed)
            return flow.client.receive()
        }
        #expect(received == [0x40, 1, 0, 0])
    }

    @Test func `what the kernel merged is told apart, and leaves as few messages`() async throws {
        let segment = 304
        let (wrong, relay, statistics) = try await withRelay { relay in
            let flow = Flow(relay, channel: 0x4001)
            var wrong = 0
            for run in 0..<10 {
                // The last of a run is shorter, which ends a message.
                let sizes = (0..<40).map { $0 == 39 ? 100 : segment - 4 }
                let sent = sizes.enumerated().map { [0x40, 1, 0, 0] + Self.bytes($1, $0 + run) }
                flow.client.send(Array(sent.joined()), segment: segment, to: relay)
                for (number, size) in sizes.enumerated() where flow.peer.receive() != Self.bytes(size, number + run) {
                    wrong += 1
                }
                let back = sizes.enumerated().map { Self.bytes($1, $0 + run) }
                flow.peer.send(Array(back.joined()), segment: segment - 4, to: flow.relayed)
                for (number, size) in sizes.enumerated() {
                    let header = [0x40, 1, UInt8(size >> 8), UInt8(size & 255)]
                    if flow.client.receive() != header + Self.bytes(size, number + run) { wrong += 1 }
                }
            }
            return wrong
        }
        #expect(wrong == 0)
        #expect(await relay.merged == 800)
        #expect(statistics.receivedPackets.load(ordering: .relaxed) == 801)
        #expect(statistics.sentPackets.load(ordering: .relaxed) == 801)
        #expect(statistics.sentMessages.load(ordering: .relaxed) == 21)
    }

    @Test func `flows that come mixed leave in runs, each in its order`() async throws {
        // Often, with other ports each time: no flow may fall out of the grouping by its address.
        for _ in 0..<150 {
            let messages = try await forwardMixed()
            // The first turn is asked for 16; without grouping there would be 64 messages.
            guard messages < 32 else {
                Issue.record("\(messages) messages for 4 flows of 15 datagrams")
                return
            }
        }
    }

    /// Sends datagrams of four flows in turns; gives the number of messages that they left in.
    private func forwardMixed() async throws -> UInt64 {
        // All of it waits in the kernel when the loop starts, so that one turn has it all.
        let executor = try LoopExecutor(name: "relay")
        let address = IPAddress(v4: 0x7f00_0001)
        let socket = try UDPSocket(binding: Endpoint(address: address, port: 0))
        let relay = Relay(on: executor, address: address)
        let clients = (0..<4).map { _ in PlainSocket() }
        let peers = (0..<4).map { _ in PlainSocket() }
        for (client, peer) in zip(clients, peers) {
            let port = peer.endpoint.port
            client.send(Array("FLOW".utf8) + [0x40, 1, UInt8(port >> 8), UInt8(port & 255)], to: socket.endpoint)
        }
        for number in 0..<15 {
            for (index, client) in clients.enumerated() {
                client.send([0x40, 1, 0, 0] + Self.bytes(200, number * 4 + index), to: socket.endpoint)
            }
        }

        let running = Task { try await executor.run(relay, sockets: [socket]) }
        let wrong = await onThread {
            var wrong = 0
            for (index, peer) in peers.enumerated() {
                for number in 0..<15 where peer.receive() != Self.bytes(200, number * 4 + index) { wrong += 1 }
            }
            return wrong
        }
        running.cancel()
        try await running.value

        #expect(wrong == 0)
        return executor.statistics.sentMessages.load(ordering: .relaxed)
    }

    @Test func `a kernel that refuses to cut messages gets them one by one`() async throws {
        let executor = try LoopExecutor(name: "relay")
        let address = IPAddress(v4: 0x7f00_0001)
        var options = UDPSocketOptions()
        options.mergesDatagrams = true
        let socket = try UDPSocket(binding: Endpoint(address: address, port: 0), options: options)
        // Without checksums there is no UDP_SEGMENT: EINVAL.
        #expect(pio_disable_checksums(socket.descriptor) == 0)
        let relay = Relay(on: executor, address: address)
        let running = Task { try await executor.run(relay, sockets: [socket]) }
        let wrong = await onThread {
            let flow = Flow(socket.endpoint, channel: 0x4001)
            var wrong = 0
            for run in 0..<3 {
                let sent = (0..<20).map { Self.bytes($0 == 19 ? 7 : 300, $0 + run) }
                flow.peer.send(Array(sent.joined()), segment: 300, to: flow.relayed)
                for bytes in sent {
                    let header = [0x40, 1, UInt8(bytes.count >> 8), UInt8(bytes.count & 255)]
                    if flow.client.receive() != header + bytes { wrong += 1 }
                }
            }
            return wrong
        }
        running.cancel()
        try await running.value

        #expect(wrong == 0)
        let statistics = executor.statistics
        #expect(statistics.sentPackets.load(ordering: .relaxed) == 61)
        #expect(statistics.sentMessages.load(ordering: .relaxed) == 61)
        #expect(statistics.droppedRefused.load(ordering: .relaxed) == 0)
    }

    @Test func `a peer that is not there is told by ICMP, and harms no other datagram`() async throws {
        let (gone, relay, _) = try await withRelay { relay in
            let flow = Flow(relay, channel: 0x4001)
            let gone: Endpoint
            do {
                let peer = PlainSocket()
                gone = peer.endpoint
                // A flow of the same client to a port that is closed again.
                flow.client.send(
                    Array("FLOW".utf8) + [0x40, 1, UInt8(gone.port >> 8), UInt8(gone.port & 255)], to: relay)
                _ = flow.client.receive()
            }
            for _ in 0..<3 { flow.client.send([0x40, 1, 0, 0, 1, 2, 3], to: relay) }
            // Its answer says that the loop has had turns since.
            let other = Flow(relay, channel: 0x4002)
            other.peer.send([9], to: other.relayed)
            _ = other.client.receive()
            return gone
        }
        let errors = await relay.errors
        #expect(errors.count >= 1)
        #expect(errors.allSatisfy { $0.remote == gone && $0.type == 3 && $0.code == 3 && $0.socket == SocketID(2) })
        #expect(errors.first?.reporter == IPAddress(v4: 0x7f00_0001))
    }
}
