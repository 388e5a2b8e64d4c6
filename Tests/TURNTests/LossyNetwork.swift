import Addresses
import Bytes
import STUN
import TURN
import TURNServer
import Time

/// A client, the real server machine and a peer, with datagrams between them that take time and get lost, in virtual time.
final class LossyNetwork {
    /// One datagram on its way.
    private struct Datagram {
        let due: Instant
        let way: Way
        let bytes: [UInt8]
    }

    private enum Way {
        case toServer
        case toClient
        case toRelay
        case toPeer
    }

    private(set) var client: TURNClient
    private var server: TURNServer
    private var random: Seeded
    private var wires: [Datagram] = []
    private(set) var now = Instant.zero + .seconds(1_000)
    private(set) var events: [TURNClientEvent] = []
    /// What the peer got.
    private(set) var atPeer: [[UInt8]] = []
    /// Data that the client got, with who sent it.
    private(set) var atClient: [[UInt8]] = []
    private var relay: Endpoint?
    private(set) var relaysClosed = 0
    let peer: Endpoint
    /// Of a hundred datagrams between client and server.
    let lossPercent: UInt64

    private let flow = Flow(
        transport: .udp, id: 0, client: endpoint("198.51.100.7:4000"), server: endpoint("203.0.113.1:3478"))

    init(
        lossPercent: UInt64, seed: UInt64, peer: Endpoint, configuration: TURNServerConfiguration,
        settings: TURNClientSettings
    ) {
        self.lossPercent = lossPercent
        self.peer = peer
        random = Seeded(seed)
        client = TURNClient(settings)
        server = TURNServer(
            configuration, worker: 0, limits: SharedLimits(), now: now, wallTime: LossyNetwork.wall(now), using: &random
        )
    }

    static func wall(_ now: Instant) -> WallTime {
        WallTime(milliseconds: 1_700_000_000_000 + (now - .zero).milliseconds)
    }

    var serverCounters: TURNCounters { server.counters }
    var allocationCount: Int { server.allocationCount }

    /// Calls the client, and sends what it then wants to say.
    func withClient<Result>(_ body: (inout TURNClient) throws -> Result) throws -> Result {
        let result = try body(&client)
        try sendRequests()
        return result
    }

    /// The client sends data to the peer.
    func send(_ data: [UInt8]) throws {
        var random = random
        let bytes = try [UInt8](capacity: 2_000) { (output) throws(TURNClientError) in
            try client.write(data.span.raw, to: peer, using: &random, to: &output)
        }
        self.random = random
        put(bytes, .toServer)
    }

    /// The peer sends data to the relay.
    func sendFromPeer(_ data: [UInt8]) { put(data, .toRelay) }

    /// Lets time pass: datagrams arrive, deadlines come.
    func run(for interval: Interval) throws {
        let end = now + interval
        while true {
            let arrival = wires.indices.min { wires[$0].due < wires[$1].due }
            let due = [arrival.map { wires[$0].due }, client.nextDeadline, server.nextDeadline].compactMap { $0 }.min()
            guard let due, due <= end else { break }
            now = max(now, due)
            server.set(wallTime: LossyNetwork.wall(now), now: now)
            while let event = client.timeout(now: now) { events.append(event) }
            while let action = server.timeout(now: now) { carryOut(action, [], []) }
            if let arrival, wires[arrival].due <= now { try arrive(wires.remove(at: arrival)) }
            try sendRequests()
            while let release = server.nextRelease() {
                if case .closeRelay = release { relaysClosed += 1 }
            }
        }
        now = end
    }

    private func sendRequests() throws {
        while true {
            let (time, before) = (now, random)
            var generator = before
            let bytes = try [UInt8](capacity: TURNClient.longestRequest) { (output) throws(STUNError) in
                _ = try client.nextRequest(now: time, using: &generator, to: &output)
            }
            random = generator
            if bytes.isEmpty { return }
            put(bytes, .toServer)
        }
    }

    private func put(_ bytes: [UInt8], _ way: Way) {
        let isLossy =
            switch way {
            case .toServer, .toClient: true
            case .toRelay, .toPeer: false
            }
        if isLossy, random.next() % 100 < lossPercent { return }
        // 20 to 60 ms, so that datagrams overtake each other.
        let delay = Interval.milliseconds(20 + Int64(random.next() % 41))
        wires.append(Datagram(due: now + delay, way: way, bytes: bytes))
    }

    private func arrive(_ datagram: Datagram) throws {
        let bytes = datagram.bytes
        switch datagram.way {
        case .toPeer: atPeer.append(bytes)
        case .toServer:
            let (time, flow) = (now, flow)
            serve(bytes) { (server, output) in
                server.receive(bytes.span.raw, from: flow, now: time, output: &output)
            }
        case .toRelay:
            let (time, peer) = (now, peer)
            serve(bytes) { (server, output) in
                server.receive(bytes.span.raw, relay: RelayID(0), peer: peer, now: time, output: &output)
            }
        case .toClient:
            // A late answer to a request that was repeated is dropped, as it should be.
            let event: TURNClientEvent?
            do throws(TURNClientDrop) {
                event = try client.receive(bytes.span.raw, now: now)
            } catch .unknownTransaction {
                event = nil
            }
            switch event {
            case .data(_, let range): atClient.append(Array(bytes[range]))
            case .some(let event): events.append(event)
            case nil: break
            }
        }
    }

    private func serve(_ input: [UInt8], _ body: (inout TURNServer, inout OutputRawSpan) -> TURNAction) {
        var action: TURNAction?
        let output = [UInt8](capacity: 2_048) { output in action = body(&server, &output) }
        if let action { carryOut(action, input, output) }
    }

    private func carryOut(_ action: TURNAction, _ input: [UInt8], _ output: [UInt8]) {
        switch action {
        case .drop, .ask: break
        case .reply: put(output, .toClient)
        case .toPeer(let data): put(Array(input[data.payload]), .toPeer)
        case .toClient(let data):
            var bytes = output
            if case .channelData(let header) = data.header {
                bytes = (0..<4).map { UInt8(truncatingIfNeeded: header >> UInt32(24 - 8 * $0)) }
            }
            bytes += input[data.payload]
            bytes += [UInt8](repeating: 0, count: Int(data.padding))
            put(bytes, .toClient)
        case .bind(let request):
            let relay = BoundRelay(id: RelayID(0), local: endpoint("203.0.113.1:50000"))
            let time = now
            serve([]) { (server, output) in
                server.bound(request.ticket, RelayGrant(v4: relay), now: time, output: &output)
            }
        }
    }
}
