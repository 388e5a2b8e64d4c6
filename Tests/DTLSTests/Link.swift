import Bytes
import CVirtualTime
import DTLS
import Time

/// The same numbers for the same seed.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// A client and a server with a network between them, in virtual time.
final class Link {
    var client: DTLSConnection
    var server: DTLSConnection
    private(set) var now = Instant.zero
    private(set) var clientEvents: [DTLSEvent] = []
    private(set) var serverEvents: [DTLSEvent] = []
    private(set) var longest = 0
    private(set) var sent = 0
    /// Of a hundred datagrams so many are lost, and so many come twice.
    var loss = 0
    var repeats = 0
    /// Each takes 20 ms, and up to so many more.
    var jitter: Int64 = 0
    /// What happens to the client's first datagrams: in their order, which of them arrive and when.
    var reorder: (([[UInt8]]) -> [[UInt8]])?
    private var random: Seeded
    private var toClient: [(at: Instant, bytes: [UInt8])] = []
    private var toServer: [(at: Instant, bytes: [UInt8])] = []

    init(
        seed: UInt64 = 1, client clientContext: DTLSContext, server serverContext: DTLSContext,
        clientExpects: DTLSFingerprint? = nil, serverExpects: DTLSFingerprint? = nil,
        longestDatagram: Int = DTLSConnection.longestDatagram, helloPadding: Int = 0
    ) throws {
        virtual_time_set(1_000_000)
        random = Seeded(state: seed)
        client = try DTLSConnection(
            clientContext, role: .client, peer: clientExpects ?? serverContext.fingerprint, now: .zero,
            longestDatagram: longestDatagram, helloPadding: helloPadding)
        server = try DTLSConnection(
            serverContext, role: .server, peer: serverExpects ?? clientContext.fingerprint, now: .zero,
            longestDatagram: longestDatagram)
    }

    deinit { virtual_time_set(-1) }

    /// Lets time pass until nothing is under way or to be done, or `end` has come.
    func run(until end: Instant = .zero + .seconds(60)) {
        collect()
        while true {
            let due = [client.nextDeadline, server.nextDeadline, toClient.map(\.at).min(), toServer.map(\.at).min()]
            guard let next = due.compactMap({ $0 }).min(), next <= end else { break }
            if next > now { now = next }
            virtual_time_set(1_000_000 + now.nanoseconds / 1_000)
            note(client.timeout(now: now), server.timeout(now: now))
            deliver()
            collect()
        }
    }

    /// Gives the server these bytes, and returns what it says to them.
    func tellServer(_ bytes: [UInt8]) -> [[UInt8]] {
        note(nil, server.receive(bytes.span.raw, now: now))
        return Link.drain(&server)
    }

    static func drain(_ connection: inout DTLSConnection) -> [[UInt8]] {
        var datagrams: [[UInt8]] = []
        var isMore = true
        while isMore {
            let bytes = [UInt8](capacity: 2_000) { (output) throws(Never) in
                isMore = connection.nextDatagram(to: &output)
            }
            if isMore { datagrams.append(bytes) }
        }
        return datagrams
    }

    var clientIsConnected: Bool { client.isConnected }
    var serverIsConnected: Bool { server.isConnected }
    /// Whether there is nothing more to be done by itself.
    var isQuiet: Bool { client.nextDeadline == nil && server.nextDeadline == nil }

    /// Whatever has been sent and has not arrived is lost.
    func loseWhatIsUnderWay() {
        toClient = []
        toServer = []
    }

    private func deliver() {
        for (_, bytes) in toServer.filter({ $0.at <= now }).sorted(by: { $0.at < $1.at }) {
            note(nil, server.receive(bytes.span.raw, now: now))
        }
        toServer.removeAll { $0.at <= now }
        for (_, bytes) in toClient.filter({ $0.at <= now }).sorted(by: { $0.at < $1.at }) {
            note(client.receive(bytes.span.raw, now: now), nil)
        }
        toClient.removeAll { $0.at <= now }
    }

    private func note(_ client: DTLSEvent?, _ server: DTLSEvent?) {
        if let client { clientEvents.append(client) }
        if let server { serverEvents.append(server) }
    }

    private func collect() {
        var flight = Link.drain(&client)
        if !flight.isEmpty, let reorder {
            flight = reorder(flight)
            self.reorder = nil
        }
        for bytes in flight { send(bytes) { toServer.append(($0, bytes)) } }
        for bytes in Link.drain(&server) { send(bytes) { toClient.append(($0, bytes)) } }
    }

    private func send(_ bytes: [UInt8], _ put: (Instant) -> Void) {
        longest = max(longest, bytes.count)
        sent += 1
        for _ in 0..<(Int.random(in: 0..<100, using: &random) < repeats ? 2 : 1) {
            guard Int.random(in: 0..<100, using: &random) >= loss else { continue }
            put(now + .milliseconds(20 + Int64.random(in: 0...jitter, using: &random)))
        }
    }
}

extension DTLSEvent {
    var keys: DTLSKeys? {
        if case .connected(let keys) = self { keys } else { nil }
    }
}
