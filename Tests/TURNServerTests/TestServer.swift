import Addresses
import Bytes
import STUN
import TURN
import TURNServer
import Time

/// What became of an input, with bytes in place of ranges.
enum Outcome: Equatable {
    case dropped(TURNDrop)
    case answered([UInt8], to: Flow)
    case toPeer(from: Endpoint, to: Endpoint, [UInt8], dontFragment: Bool)
    case toClient(Flow, [UInt8])
    case asked(TURNTicket)
    case bindWanted(TURNTicket)

    var answer: [UInt8]? {
        if case .answered(let bytes, _) = self { bytes } else { nil }
    }
}

/// A machine with a worker around it that has no sockets: relays are numbers and addresses, time is the test's.
final class TestServer {
    private var machine: TURNServer
    private let clock: Clock
    let number: Int
    /// Where relays are, by number; nil: free.
    private(set) var relays: [Endpoint?] = []
    private var nextPort: UInt16
    var kept = KeptPorts<Endpoint>(limit: 4, limitOfUser: 4)
    /// Relay addresses of the host; an empty port range is a host without free ports.
    var hostV4: IPAddress? = IPAddress("198.18.0.1")
    var hostV6: IPAddress? = IPAddress("2600::1")
    var freePorts = Int.max
    /// Whether relays are bound at once.
    var bindsAtOnce = true
    private var requests: [TURNTicket: RelayRequest] = [:]

    /// The time that servers of one test share.
    final class Clock {
        var now = Instant.zero + .seconds(1_000)
        var wall: WallTime { WallTime(milliseconds: 1_700_000_000_000 + (now - .zero).milliseconds) }
    }

    init(
        _ configuration: TURNServerConfiguration, clock: Clock = Clock(), number: Int = 1,
        limits: SharedLimits = SharedLimits(), seed: UInt64 = 1
    ) {
        var random = SeededGenerator(seed: seed)
        self.clock = clock
        self.number = number
        nextPort = 50_000 + UInt16(number) * 1_000
        machine = TURNServer(
            configuration, worker: number, limits: limits, now: clock.now, wallTime: clock.wall, using: &random)
    }

    var now: Instant { clock.now }
    var wall: WallTime { clock.wall }
    var nextDeadline: Instant? { machine.nextDeadline }
    var counters: TURNCounters { machine.counters }
    var allocationCount: Int { machine.allocationCount }
    var openRelays: Int { relays.filter { $0 != nil }.count }

    func user(of ticket: TURNTicket) -> String? { machine.user(of: ticket) }
    func update(_ configuration: TURNServerConfiguration) { machine.update(configuration, now: now) }
    func update(allowedPeers: [PeerRange]) { machine.update(allowedPeers: allowedPeers, now: now) }
    func close(_ flow: Flow) {
        machine.streamClosed(flow, now: now)
        collect()
    }
    func dropTruncated() { machine.dropTruncated() }
    func endAll() {
        while machine.endSome(now: now) {}
        collect()
    }

    /// Events since the last call.
    func events() -> [TURNEvent] {
        var events: [TURNEvent] = []
        while let event = machine.nextEvent() { events.append(event) }
        return events
    }

    /// Users whose quota the registry has back.
    private(set) var quotaReleases: [String] = []

    /// Goes on to a moment, through each deadline on the way. Actions of deadlines (`.bind`) are carried out.
    func advance(_ interval: Interval) {
        let end = clock.now + interval
        while let due = machine.nextDeadline, due <= end {
            clock.now = max(clock.now, due)
            machine.set(wallTime: clock.wall, now: clock.now)
            while let action = machine.timeout(now: clock.now) { late.append(carryOut(action, [], [])) }
            collect()
        }
        clock.now = end
        machine.set(wallTime: clock.wall, now: clock.now)
    }

    /// What deadlines caused.
    var late: [Outcome] = []

    /// Whose state is noted before each of its messages.
    var watched: Flow?
    /// The state before the last message.
    private(set) var stateBefore: [String] = []

    /// All that shows: what there is, when something ends, and what gets through on each way.
    func state(of flow: Flow, _ peers: [Endpoint], _ channels: [UInt16]) -> [String] {
        let before = watched
        watched = nil
        defer { watched = before }
        let due = machine.nextDeadline.map { "\(($0 - clock.now).milliseconds)" } ?? "nothing"
        var state = [
            "\(allocationCount) allocations, \(machine.counters.allocationsMade) so far, \(due) ends",
            "relays at \(relays.compactMap { $0?.description }.joined(separator: " "))",
        ]
        for channel in channels {
            state.append(
                "\(channel) leads to \(receive(channelData(channel, [1], isPadded: flow.isStream), from: flow))")
        }
        for relay in relays.compactMap({ $0 }) {
            // A peer's place may hold an indication, whose transaction is random: only what is read of it counts.
            for peer in peers {
                let outcome = receive([1], at: relay, from: peer)
                state.append("\(relay) from \(peer): \(outcome.indication.map { "\($0)" } ?? "\(outcome)")")
            }
        }
        return state
    }

    func receive(_ bytes: [UInt8], from flow: Flow) -> Outcome {
        if let watched { stateBefore = state(of: watched, TestServer.peers, TestServer.channels) }
        return run(bytes) { (machine, input, output) in
            machine.receive(input, from: flow, now: clock.now, output: &output)
        }
    }

    /// Where the tables' cases point.
    static let peers = [peer, otherPeer, peerV6, at("1.1.1.1:1"), at("10.0.0.1:6379"), at("127.0.0.1:6379")]
    static let channels: [UInt16] = [0x3fff, 0x4000, 0x4001, 0x8000, 0xffff]

    func receive(_ bytes: [UInt8], at relay: Endpoint, from peer: Endpoint) -> Outcome {
        guard let number = relays.firstIndex(of: relay) else { return .dropped(.unknownRelay) }
        return run(bytes) { (machine, input, output) in
            machine.receive(input, relay: RelayID(number), peer: peer, now: clock.now, output: &output)
        }
    }

    func receive(_ error: ICMPError, at relay: Endpoint, from peer: Endpoint) -> Outcome {
        let number = relays.firstIndex(of: relay) ?? 0
        return run([]) { (machine, _, output) in
            machine.receive(icmp: error, relay: RelayID(number), peer: peer, now: clock.now, output: &output)
        }
    }

    /// The same datagrams over and over, without anything of the test's own around them; counts what was relayed.
    func relayOften(
        _ count: Int, _ datagram: [UInt8], from flow: Flow, _ data: [UInt8], at relay: Endpoint, from peer: Endpoint
    ) -> (toPeers: Int, toClients: Int) {
        guard let number = relays.firstIndex(of: relay) else { return (0, 0) }
        let now = clock.now
        var (toPeers, toClients) = (0, 0)
        for _ in 0..<count {
            var scratch = [512 of UInt8](repeating: 0)
            var bytes = scratch.mutableSpan
            unsafe bytes.withUnsafeMutableBytes { buffer in
                var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
                if case .toPeer = machine.receive(datagram.span.raw, from: flow, now: now, output: &output) {
                    toPeers += 1
                }
                let id = RelayID(number)
                if case .toClient = machine.receive(data.span.raw, relay: id, peer: peer, now: now, output: &output) {
                    toClients += 1
                }
            }
        }
        return (toPeers, toClients)
    }

    func quotaAnswered(_ ticket: TURNTicket, user: String, granted: Bool) -> Outcome {
        run([]) { (machine, _, output) in
            machine.quotaAnswered(ticket, user: user, granted: granted, now: clock.now, output: &output)
        }
    }

    /// Binds what was asked for while `bindsAtOnce` was false.
    func bind(_ ticket: TURNTicket) -> Outcome {
        guard let request = requests.removeValue(forKey: ticket) else { return .dropped(.lateAnswer) }
        let grant = grant(request)
        return run([]) { (machine, _, output) in
            machine.bound(request.ticket, grant, now: clock.now, output: &output)
        }
    }

    private func run(
        _ bytes: [UInt8], _ body: (inout TURNServer, RawSpan, inout OutputRawSpan) -> TURNAction
    ) -> Outcome {
        var action = TURNAction.drop(.truncated)
        let written = poisoned { output in action = body(&machine, bytes.span.raw, &output) }
        let outcome = carryOut(action, bytes, written)
        collect()
        return outcome
    }

    /// What is written to an output that holds somebody else's bytes, as a worker's may.
    private func poisoned(_ body: (inout OutputRawSpan) -> Void) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xa5, count: 512)
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
            body(&output)
            return unsafe output.finalize(for: buffer)
        }
        return Array(bytes[..<count])
    }

    private func carryOut(_ action: TURNAction, _ bytes: [UInt8], _ written: [UInt8]) -> Outcome {
        switch action {
        case .drop(let reason):
            return .dropped(reason)
        case .reply(let flow):
            return .answered(written, to: flow)
        case .toPeer(let data):
            guard let relay = relays[data.relay.index] else { preconditionFailure("data for a closed relay") }
            return .toPeer(from: relay, to: data.peer, Array(bytes[data.payload]), dontFragment: data.dontFragment)
        case .toClient(let data):
            var message = written
            if case .channelData(let header) = data.header {
                precondition(written.isEmpty, "nothing is written for a channel")
                message = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: header >> UInt32($0)) }
            }
            message += bytes[data.payload] + [UInt8](repeating: 0, count: Int(data.padding))
            return .toClient(data.flow, message)
        case .bind(let request):
            guard bindsAtOnce else {
                requests[request.ticket] = request
                return .bindWanted(request.ticket)
            }
            let grant = grant(request)
            var answer = TURNAction.drop(.truncated)
            let written = poisoned { output in
                answer = machine.bound(request.ticket, grant, now: clock.now, output: &output)
            }
            return carryOut(answer, [], written)
        case .ask(let ticket):
            return .asked(ticket)
        }
    }

    private func grant(_ request: RelayRequest) -> RelayGrant {
        var grant = RelayGrant()
        if case .kept(let token) = request.port {
            guard let local = kept.take(token: token, user: user(of: request.ticket) ?? "") else { return grant }
            let relay = BoundRelay(id: open(local), local: local)
            if local.address.family == .v4 { grant.v4 = relay } else { grant.v6 = relay }
            return grant
        }
        if request.families.contains(.v4), let host = hostV4 { grant.v4 = bound(host, request) }
        if request.families.contains(.v6), let host = hostV6 { grant.v6 = bound(host, request) }
        return grant
    }

    private func bound(_ host: IPAddress, _ request: RelayRequest) -> BoundRelay? {
        guard freePorts > 0 else { return nil }
        let wish = request.port
        freePorts -= 1
        // Even and odd in turn; a wish for an even one goes to the next.
        var port = nextPort
        if wish != .any, port % 2 == 1 { port += 1 }
        nextPort = port + 1
        if case .evenAndNext(let token) = wish {
            guard
                kept.keep(
                    Endpoint(address: host, port: port + 1), token: token, user: user(of: request.ticket) ?? "",
                    now: now)
            else { return nil }
            nextPort = port + 2
        }
        let local = Endpoint(address: host, port: port)
        return BoundRelay(id: open(local), local: local)
    }

    private func open(_ local: Endpoint) -> RelayID {
        if let free = relays.firstIndex(where: { $0 == nil }) {
            relays[free] = local
            return RelayID(free)
        }
        relays.append(local)
        return RelayID(relays.count - 1)
    }

    private func collect() {
        while let release = machine.nextRelease() {
            switch release {
            case .closeRelay(let id):
                precondition(relays[id.index] != nil, "a relay is closed once")
                relays[id.index] = nil
            case .quotaReleased(let user):
                quotaReleases.append(user)
            }
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
