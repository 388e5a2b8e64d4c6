import Addresses
import Bytes
import ICE
import STUN
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

let nodeCredentials = ICECredentials(ufrag: "nodeufra", password: "node-password-node-passw")
let peerCredentials = ICECredentials(ufrag: "peer", password: "peer-password-peer-pass")
let newNodeCredentials = ICECredentials(ufrag: "nodeuf2a", password: "new-node-password-node-p")
let newPeerCredentials = ICECredentials(ufrag: "peer2", password: "new-peer-password-peer-p")

/// A path of the peer's port `port`.
func path(_ port: UInt16, _ transport: ICEPath.Transport = .udp) -> ICEPath {
    ICEPath(transport, socket: 0, local: nil, remote: Endpoint(address: IPAddress(v4: 0xc000_0201), port: port))
}

/// A check as a peer sends it.
func check(
    from peer: ICECredentials = peerCredentials, to node: ICECredentials = nodeCredentials, nominates: Bool = false,
    _ id: UInt64 = 1, _ body: (STUNWriter, inout OutputRawSpan) throws(STUNError) -> Void = { (_, _) in }
) throws -> [UInt8] {
    try [UInt8](capacity: 600) { (output) throws(STUNError) in
        let header = STUNHeader(.request, .binding, TransactionID(high: 7, low: id))
        let writer = try STUNWriter(header, to: &output)
        try writer.add(.username, text: "\(node.ufrag):\(peer.ufrag)", to: &output)
        try writer.add(.priority, uint32: 1, to: &output)
        if nominates { try writer.add(.useCandidate, bytes: RawSpan(), to: &output) }
        try body(writer, &output)
        try writer.addIntegrity(.sha1, STUNKey(password: node.password), to: &output)
        try writer.addFingerprint(to: &output)
    }
}

extension ICELiteAgent {
    /// What became of a message, and the answer.
    mutating func receive(_ message: [UInt8], _ path: ICEPath, _ now: Instant = .zero) -> (ICEOutcome, [UInt8]) {
        var outcome: ICEOutcome?
        let answer = [UInt8](capacity: 600) { (output) throws(Never) in
            outcome = receive(message.span.raw, path: path, now: now, to: &output)
        }
        return (outcome ?? .dropped(.noRoom), answer)
    }
}

/// An agent whose calls can stand in an expectation.
final class TestAgent {
    var agent = ICELiteAgent(local: nodeCredentials, remote: peerCredentials, now: .zero)

    func receive(_ message: [UInt8], _ path: ICEPath, _ now: Instant = .zero) -> ICEOutcome {
        agent.receive(message, path, now).0
    }

    func timeout(_ now: Instant) -> ICETimeout? { agent.timeout(now: now) }
    func closed(_ path: ICEPath) -> Bool { agent.closed(path) }
}

/// A client and an agent with a network between them: both ways lossy, 20 ms long, in virtual time.
struct World {
    var agent: ICELiteAgent
    var client: ICEClient
    var now = Instant.zero
    var random: Seeded
    /// Of a hundred packets so many are lost.
    var loss = 0
    /// What a NAT makes of the client's paths: its port, by the node's sight.
    var mapping: [ICEPath: ICEPath] = [:]
    private var toAgent: [(Instant, [UInt8], ICEPath)] = []
    private var toClient: [(Instant, [UInt8], ICEPath)] = []
    private(set) var events: [ICEClientEvent] = []
    private(set) var changes: [ICEChange] = []
    private(set) var timeouts: [ICETimeout] = []
    private(set) var sentByClient = 0

    init(seed: UInt64 = 1) {
        agent = ICELiteAgent(local: nodeCredentials, remote: peerCredentials, now: .zero)
        client = ICEClient(local: peerCredentials, remote: nodeCredentials, tieBreaker: 9, now: .zero)
        random = Seeded(state: seed)
    }

    /// Lets time pass.
    mutating func run(until end: Instant) {
        while true {
            let due = [client.nextDeadline, agent.nextDeadline, toAgent.map(\.0).min(), toClient.map(\.0).min()]
            guard let next = due.compactMap({ $0 }).min(), next <= end else { break }
            now = max(now, next)
            step()
        }
        now = end
    }

    private mutating func step() {
        if let timeout = agent.timeout(now: now) { timeouts.append(timeout) }
        if let event = client.timeout(now: now) { events.append(event) }
        while true {
            var path: ICEPath?
            let bytes = [UInt8](capacity: 600) { (output) throws(Never) in
                path = client.nextCheck(now: now, using: &random, to: &output)
            }
            guard let path else { break }
            sentByClient += 1
            if !isLost() { toAgent.append((now + .milliseconds(20), bytes, path)) }
        }
        for (_, bytes, path) in toAgent.filter({ $0.0 <= now }) {
            let seen = mapping[path] ?? path
            let (outcome, answer) = agent.receive(bytes, seen, now)
            if case .answered(let change) = outcome { changes.append(change) }
            if !answer.isEmpty, !isLost() { toClient.append((now + .milliseconds(20), answer, path)) }
        }
        toAgent.removeAll { $0.0 <= now }
        for (_, bytes, path) in toClient.filter({ $0.0 <= now }) {
            _ = [UInt8](capacity: 600) { (output) throws(Never) in
                if let event = client.receive(bytes.span.raw, path: path, now: now, to: &output) {
                    events.append(event)
                }
            }
        }
        toClient.removeAll { $0.0 <= now }
    }

    private mutating func isLost() -> Bool { Int.random(in: 0..<100, using: &random) < loss }
}
