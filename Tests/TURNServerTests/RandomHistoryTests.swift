import Addresses
import STUN
import TURNServer
import Testing
import Time

/// Clients that do anything in any order, beside a plain model of RFC 8656: the machine and the model agree on each packet.
struct RandomHistoryTests {
    private struct Model {
        var ends: Instant?
        var permissions: [IPAddress: Instant] = [:]
        var channels: [UInt16: (peer: Endpoint, ends: Instant)] = [:]

        func isAlive(_ now: Instant) -> Bool { ends.map { $0 > now } ?? false }
        func permits(_ peer: Endpoint, _ now: Instant) -> Bool { permissions[peer.address].map { $0 > now } ?? false }
        func channel(to peer: Endpoint, _ now: Instant) -> UInt16? {
            channels.first { $0.value.peer == peer && $0.value.ends > now }?.key
        }
        /// Whether number and peer are free for each other: five minutes after a binding's end, or the same pair.
        func mayBind(_ number: UInt16, _ peer: Endpoint, _ now: Instant) -> Bool {
            channels.allSatisfy { other, bound in
                bound.ends + .seconds(300) <= now || (other == number) == (bound.peer == peer)
            }
        }
    }

    private let peers = ["8.8.8.8:1", "8.8.8.8:2", "9.9.9.9:1", "9.9.9.9:2", "1.1.1.1:1", "10.0.0.1:1"].map(at)

    @Test(arguments: 0..<40 as Range<UInt64>) func `the machine agrees with the model`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let server = TestServer(configuration { $0.allocationLimit = 6 }, seed: seed)
        let clients = (0..<4).map { index in
            TestClient(server, flow("198.18.1.1:\(index + 1)", index % 2 == 0 ? .udp : .tcp, id: index))
        }
        var models = [Model](repeating: Model(), count: clients.count)
        var relays = [Endpoint?](repeating: nil, count: clients.count)
        for client in clients { client.challenge() }

        for step in 0..<600 {
            let index = Int.random(in: clients.indices, using: &random)
            let (client, now) = (clients[index], server.now)
            let peer = peers.randomElement(using: &random) ?? peers[0]
            let isRefused = peer.address == ip("10.0.0.1")
            let number = 0x4000 + UInt16.random(in: 0..<5, using: &random)
            let alive = models[index].isAlive(now)
            let note = Comment("seed \(seed), step \(step)")
            switch Int.random(in: 0..<20, using: &random) {
            case 0, 1:
                let answer = client.allocate()
                #expect(answer?.code == (alive ? .allocationMismatch : nil), note)
                if !alive {
                    models[index] = Model(ends: now + .seconds(600))
                    relays[index] = answer?.relayed.first
                }
            case 2:
                let seconds = [0, 600, 1_800].randomElement(using: &random) ?? 600
                // Ends are rare, or nothing else would happen.
                guard seconds != 0 || Int.random(in: 0..<4, using: &random) == 0 else { continue }
                let answer = client.refresh(UInt32(seconds))
                #expect(answer?.code == (alive ? nil : .allocationMismatch), note)
                if alive { models[index].ends = seconds == 0 ? nil : now + .seconds(Int64(seconds)) }
            case 3, 4, 5:
                let answer = client.permit(peer)
                #expect(answer?.code == (!alive ? .allocationMismatch : isRefused ? .forbidden : nil), note)
                if alive, !isRefused { models[index].permissions[peer.address] = now + .seconds(300) }
            case 6, 7, 8:
                let answer = client.bind(number, to: peer)
                let mayBind = models[index].mayBind(number, peer, now)
                #expect(
                    answer?.code
                        == (!alive ? .allocationMismatch : !mayBind ? .badRequest : isRefused ? .forbidden : nil), note)
                if alive, mayBind, !isRefused {
                    models[index].channels[number] = (peer, now + .seconds(600))
                    models[index].permissions[peer.address] = now + .seconds(300)
                }
            case 9, 10, 11:
                let outcome = client.send([1], to: peer)
                if alive, models[index].permits(peer, now), let relay = relays[index] {
                    #expect(outcome == .toPeer(from: relay, to: peer, [1], dontFragment: false), note)
                } else {
                    #expect(outcome == .dropped(alive ? .noPermission : .noAllocation), note)
                }
            case 12, 13, 14:
                let outcome = client.send([2], on: number)
                if alive, let channel = models[index].channels[number], channel.ends > now, let relay = relays[index] {
                    #expect(outcome == .toPeer(from: relay, to: channel.peer, [2], dontFragment: false), note)
                } else {
                    #expect(outcome == .dropped(alive ? .noChannel : .noAllocation), note)
                }
            case 15, 16, 17:
                guard let relay = relays[index] else { continue }
                let outcome = server.receive([3], at: relay, from: peer)
                if !alive {
                    #expect(outcome == .dropped(.unknownRelay), note)
                } else if !models[index].permits(peer, now) {
                    #expect(outcome == .dropped(.noPermission), note)
                } else if let channel = models[index].channel(to: peer, now) {
                    let message = channelData(channel, [3], isPadded: client.flow.isStream)
                    #expect(outcome == .toClient(client.flow, message), note)
                } else {
                    #expect(outcome.indication == ReadIndication(peer: peer, data: [3]), note)
                }
            default:
                server.advance(.milliseconds(Int64.random(in: 0..<150_000, using: &random)))
                if let due = server.nextDeadline { #expect(due > server.now, note) }
                // An hour's nonce is renewed in time.
                if step % 10 == 0 { for client in clients { client.challenge() } }
            }
            let living = models.filter { $0.isAlive(server.now) }.count
            #expect(server.allocationCount == living, note)
            #expect(server.openRelays == living, note)
        }
    }

    @Test(arguments: 0..<10 as Range<UInt64>) func `noise, however much it resembles messages, harms nothing`(
        seed: UInt64
    ) {
        var random = SeededGenerator(seed: seed)
        let server = TestServer(configuration { $0.answersPerSecond = 1_000_000 }, seed: seed)
        let client = TestClient(server, flow())
        client.allocate()
        client.bind(0x4000, to: peer)
        let relay = server.relays.compactMap { $0 }.first ?? peer
        for _ in 0..<3_000 {
            let count = Int.random(in: 0..<120, using: &random)
            var bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            if count >= 20, Bool.random(using: &random) {
                bytes.replaceSubrange(
                    0..<8,
                    with: [
                        UInt8.random(in: 0..<2, using: &random), bytes[1], 0, UInt8(count - 20) & ~3, 0x21, 0x12, 0xa4,
                        0x42,
                    ])
            }
            let source = Bool.random(using: &random) ? client.flow : flow("198.18.7.7:\(count + 1)")
            if case .toPeer(_, let to, _, _) = server.receive(bytes, from: source) { #expect(to == peer) }
            _ = server.receive(bytes, at: relay, from: peer)
            server.advance(.milliseconds(1))
        }
        #expect(server.allocationCount == 1)
        #expect(client.refresh(0)?.messageClass == .success)
    }
}
