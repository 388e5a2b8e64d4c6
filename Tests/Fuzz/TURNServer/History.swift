import Addresses
import Bytes
import STUN
import TURN
import TURNServer
import Time

/// Drives a machine by an input, and stops the process when the machine breaks its word.
struct History: ~Copyable {
    private var input: Input
    private var server: TURNServer
    private let policy = PeerPolicy(
        services: [PeerRange(address: IPAddress(v4: 0x0909_0909), ports: 6_379...6_379)],
        allowedPeers: [PeerRange(address: IPAddress(v4: 0x0a00_0007), ports: 9_000...9_001)])
    private var now = Instant.zero + .seconds(1_000)
    private var clients: [Client]
    /// Where the relays are bound, by number; nil: free.
    private var relays: [Endpoint?] = []
    private var nextPort: UInt16 = 50_000
    private var tickets: [(ticket: TURNTicket, request: RelayRequest?)] = []
    private var modes = 0
    private var token: UInt64 = 0

    struct Client {
        let flow: Flow
        let name: String
        let key: STUNKey
        var nonce: [UInt8] = []
        var transactions: UInt64 = 0
    }

    private static let endpoints: [Endpoint] = [
        Endpoint(address: IPAddress(v4: 0x0808_0808), port: 7_000),
        Endpoint(address: IPAddress(v4: 0x0808_0808), port: 7_001),
        Endpoint(address: IPAddress(v4: 0x0808_0404), port: 7_000),
        Endpoint(address: IPAddress(v4: 0x7f00_0001), port: 6_379),
        Endpoint(address: IPAddress(v4: 0x0909_0909), port: 6_379),
        Endpoint(address: IPAddress(v4: 0x0a00_0007), port: 9_000),
        Endpoint(address: IPAddress(v4: 0x0a00_0007), port: 22),
        Endpoint(address: IPAddress(v4: 0x0b00_0001), port: 50_000),
        Endpoint(address: IPAddress(v4: 0x0b00_0001), port: 50_002),
        Endpoint(address: IPAddress(v6High: 0x2600 << 48, low: 9), port: 1),
        Endpoint(address: IPAddress(v6High: 0x2600 << 48, low: 1), port: 50_001),
        Endpoint(address: IPAddress(v6High: 0x2002_7f00_0001 << 16, low: 1), port: 1),
    ]

    init(_ input: Input) {
        self.input = input
        var random = Counting()
        guard let key = NonceKey([UInt8](repeating: 7, count: 32)) else { preconditionFailure("32 bytes are a key") }
        var configuration = TURNServerConfiguration(nonceKey: key)
        clients = []
        for (index, transport) in [ClientTransport.udp, .udp, .tcp].enumerated() {
            let name = index == 1 ? "bob" : "ann"
            let address = IPAddress(v4: 0x0c00_0001 + UInt32(index))
            guard
                let key = STUNKey(username: name, realm: "roost", password: "p", algorithm: .md5),
                (try? configuration.users.add(name: name, secret: "p")) != nil || index == 2
            else { preconditionFailure("a user of the fuzzer is refused") }
            let flow = Flow(
                transport: transport, id: index, client: Endpoint(address: address, port: 4_000),
                server: Endpoint(address: IPAddress(v4: 0x0b00_0001), port: 3_478))
            clients.append(Client(flow: flow, name: name, key: key))
        }
        configuration.policy = policy
        configuration.permissionLimit = 4
        configuration.channelLimit = 4
        configuration.userQuota = 2
        configuration.userBandwidth = 100_000
        configuration.answersPerSecond = 1_000_000
        modes = self.input.byte()
        configuration.asksForQuota = modes & 1 != 0
        server = TURNServer(
            configuration, worker: 3, limits: SharedLimits(), now: now,
            wallTime: WallTime(milliseconds: 1_700_000_000_000), using: &random)
        for index in clients.indices { challenge(index) }
    }

    /// One step; false at the end of the input.
    mutating func step() -> Bool {
        guard !input.isEmpty else { return false }
        let operation = input.byte()
        let client = input.byte() % clients.count
        switch operation % 13 {
        case 0: send(input.take(input.byte()), from: client)
        case 1, 2, 3: send(message(.request, client), from: client)
        case 4: send(message(.indication, client), from: client)
        case 5:
            var bytes = message(.request, client)
            if !bytes.isEmpty { bytes[input.byte() * 2 % bytes.count] ^= 1 << UInt8(input.byte() % 8) }
            send(bytes, from: client)
        case 6:
            let data = input.take(input.byte() % 16)
            let number = UInt16(0x4000 + input.byte() % 8)
            send([UInt8(number >> 8), UInt8(number & 255), 0, UInt8(data.count)] + data, from: client)
        case 7:
            guard let relay = relay() else { break }
            let (peer, data) = (endpoint(), input.take(input.byte() % 16))
            perform(data) { (machine, bytes, output, now) in
                machine.receive(bytes, relay: RelayID(relay), peer: peer, now: now, output: &output)
            }
        case 8:
            guard let relay = relay() else { break }
            let error = ICMPError(type: UInt8(input.byte()), code: UInt8(input.byte()), data: 9)
            let peer = endpoint()
            perform([]) { (machine, _, output, now) in
                machine.receive(icmp: error, relay: RelayID(relay), peer: peer, now: now, output: &output)
            }
        case 9: advance(.seconds(Int64(input.byte() * 4)))
        case 10: challenge(client)
        case 11: answer(input.byte())
        default: change(client)
        }
        release()
        return true
    }

    /// Whatever happened: in the end everything ends, and nothing is left.
    mutating func finish() {
        while server.endSome(now: now) {}
        release()
        precondition(server.allocationCount == 0, "an allocation outlives the end")
        precondition(relays.allSatisfy { $0 == nil }, "a relay outlives the end")
        precondition(server.nextDeadline == nil, "a deadline outlives the end")
    }

    private mutating func change(_ client: Int) {
        switch input.byte() % 4 {
        case 0: server.streamClosed(clients[client].flow, now: now)
        case 1: server.update(allowedPeers: [], now: now)
        case 2:
            server.update(
                allowedPeers: [PeerRange(address: IPAddress(v4: 0x0a00_0007), ports: 9_000...9_001)], now: now)
        default: modes = input.byte()
        }
    }

    private mutating func endpoint() -> Endpoint { History.endpoints[input.byte() % History.endpoints.count] }

    private mutating func relay() -> Int? { relays.isEmpty ? nil : input.byte() % relays.count }

    private mutating func challenge(_ index: Int) {
        let header = STUNHeader(.request, .allocate, TransactionID(high: 1, low: 1))
        let asked = try? [UInt8](capacity: 64) { (output) throws(STUNError) in
            try STUNWriter(header, to: &output).addRequestedTransport(.udp, to: &output)
        }
        let said = send(asked ?? [], from: index)
        if let message = try? STUNMessage(parsing: said.span.raw), let nonce = try? message.nonce() {
            clients[index].nonce = [UInt8](copying: nonce)
        }
    }

    private mutating func advance(_ interval: Interval) {
        now += interval
        server.set(wallTime: WallTime(milliseconds: 1_700_000_000_000 + (now - .zero).milliseconds), now: now)
        while let action = server.timeout(now: now) { carryOut(action, [], []) }
        release()
        if let due = server.nextDeadline { precondition(due > now, "a deadline that was met does not move on") }
    }
}

/// Numbers that tell nothing: the same for each run.
struct Counting: RandomNumberGenerator {
    private var state: UInt64 = 0
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return state &* 0xbf58_476d_1ce4_e5b9
    }
}

// MARK: Messages, and what becomes of them

extension History {
    /// A message with attributes that the input chooses, signed as it should be.
    private mutating func message(_ messageClass: STUNClass, _ index: Int) -> [UInt8] {
        let methods: [STUNMethod] = [.allocate, .refresh, .createPermission, .channelBind, .send, .binding, .connect]
        let method = messageClass == .indication ? .send : methods[input.byte() % methods.count]
        let count = input.byte()
        // A transaction may be used again.
        if count & 0x80 == 0 { clients[index].transactions += 1 }
        let client = clients[index]
        let header = STUNHeader(messageClass, method, TransactionID(high: UInt32(index), low: client.transactions))
        var reading = input
        let token = self.token
        let bytes = try? [UInt8](capacity: 4_096) { (output) throws(STUNError) in
            let writer = try STUNWriter(header, to: &output)
            for _ in 0..<(count % 7) { try History.add(&reading, token, writer, &output) }
            guard messageClass == .request else { return }
            try writer.add(.username, text: client.name, to: &output)
            try writer.add(.realm, text: "roost", to: &output)
            let nonce = client.nonce
            try writer.add(.nonce, bytes: nonce.span.raw, to: &output)
            try writer.addIntegrity(count & 8 == 0 ? .sha1 : .sha256, client.key, to: &output)
        }
        input = reading
        return bytes ?? []
    }

    private static func add(
        _ input: inout Input, _ token: UInt64, _ writer: STUNWriter, _ output: inout OutputRawSpan
    ) throws(STUNError) {
        let peer = endpoints[input.byte() % endpoints.count]
        switch input.byte() % 13 {
        case 0, 1: try writer.addRequestedTransport(.udp, to: &output)
        case 2, 3: try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
        case 4, 5: try writer.addChannelNumber(UInt16(0x3ffe + input.byte() % 8), to: &output)
        case 6: try writer.add(.lifetime, uint32: UInt32(input.byte() * 16), to: &output)
        case 7: try writer.add(.additionalAddressFamily, family: .v6, to: &output)
        case 8: try writer.add(.requestedAddressFamily, family: input.byte() & 1 == 0 ? .v4 : .v6, to: &output)
        case 9: try writer.addEvenPort(reserve: input.byte() & 1 == 1, to: &output)
        case 10: try writer.add(.reservationToken, uint64: token, to: &output)
        case 11:
            let data = input.take(input.byte() % 32)
            try writer.add(.data, bytes: data.span.raw, to: &output)
        default:
            let type = STUNAttributeType(rawValue: UInt16(input.byte() << 8 | input.byte()))
            let data = input.take(input.byte() % 32)
            try writer.add(type, bytes: data.span.raw, to: &output)
        }
    }

    @discardableResult
    private mutating func send(_ bytes: [UInt8], from index: Int) -> [UInt8] {
        let flow = clients[index].flow
        let said = perform(bytes) { (machine, bytes, output, now) in
            machine.receive(bytes, from: flow, now: now, output: &output)
        }
        if !flow.isStream, let message = try? STUNMessage(parsing: said.span.raw),
            message.header.messageClass == .failure, !message.hasIntegrity(.sha1), !message.hasIntegrity(.sha256)
        {
            precondition(said.count <= bytes.count * 4, "a stranger gets more than four times what it asks for")
        }
        return said
    }

    @discardableResult
    private mutating func perform(
        _ bytes: [UInt8], _ body: (inout TURNServer, RawSpan, inout OutputRawSpan, Instant) -> TURNAction
    ) -> [UInt8] {
        var action = TURNAction.drop(.truncated)
        let written = [UInt8](capacity: TURNServer.outputBytes) { output in
            action = body(&server, bytes.span.raw, &output, now)
        }
        carryOut(action, bytes, written)
        return written
    }

    private mutating func carryOut(_ action: TURNAction, _ bytes: [UInt8], _ written: [UInt8]) {
        switch action {
        case .drop:
            break
        case .reply:
            guard let message = try? STUNMessage(parsing: written.span.raw) else {
                preconditionFailure("an answer that is no message")
            }
            if let given = try? message.reservationToken() { token = given }
        case .toPeer(let data):
            precondition(relays[data.relay.index] != nil, "data for a closed relay")
            precondition(data.payload.upperBound <= bytes.count, "data beyond the input")
            precondition(policy.refusal(of: data.peer) == nil, "data to a refused peer")
        case .toClient(let data):
            precondition(data.payload.upperBound <= bytes.count, "data beyond the input")
            precondition(clients.contains { $0.flow == data.flow }, "data for nobody")
            precondition(written.count <= 64, "a header of more than 64 bytes")
        case .bind(let request):
            if modes & 2 != 0, tickets.count < 8 {
                tickets.append((request.ticket, request))
            } else {
                grant(request)
            }
        case .ask(let ticket):
            if tickets.count < 8 { tickets.append((ticket, nil)) }
        }
    }

    /// Answers something that waits, if it still does.
    private mutating func answer(_ choice: Int) {
        guard !tickets.isEmpty else { return }
        let (ticket, request) = tickets.remove(at: choice / 2 % tickets.count)
        if let request {
            grant(request)
        } else {
            perform([]) { (machine, _, output, now) in
                machine.quotaAnswered(ticket, user: "ann", granted: choice & 1 == 0, now: now, output: &output)
            }
        }
    }

    private mutating func grant(_ request: RelayRequest) {
        var grant = RelayGrant()
        let isEven = request.port != .any
        if request.families.contains(.v4), modes & 4 == 0 { grant.v4 = bind(IPAddress(v4: 0x0b00_0001), isEven) }
        if request.families.contains(.v6), modes & 8 == 0, !isEven {
            grant.v6 = bind(IPAddress(v6High: 0x2600 << 48, low: 1), false)
        }
        perform([]) { (machine, _, output, now) in
            machine.bound(request.ticket, grant, now: now, output: &output)
        }
        release()
    }

    private mutating func bind(_ address: IPAddress, _ isEven: Bool) -> BoundRelay {
        nextPort = nextPort > 65_000 ? 50_000 : nextPort + (isEven && nextPort % 2 == 0 ? 2 : 1)
        let local = Endpoint(address: address, port: nextPort)
        if let free = relays.firstIndex(where: { $0 == nil }) {
            relays[free] = local
            return BoundRelay(id: RelayID(free), local: local)
        }
        relays.append(local)
        return BoundRelay(id: RelayID(relays.count - 1), local: local)
    }

    private mutating func release() {
        while let release = server.nextRelease() {
            if case .closeRelay(let id) = release {
                precondition(relays[id.index] != nil, "a relay is closed twice")
                relays[id.index] = nil
            }
        }
        while let event = server.nextEvent() { precondition(!event.user.isEmpty, "an event of nobody") }
        precondition(relays.filter { $0 != nil }.count <= server.allocationCount * 2, "a relay without an allocation")
    }
}
