internal import Bytes
internal import STUN
public import Time

/// What an `ICEClient` reports.
public enum ICEClientEvent: Equatable, Sendable {
    /// A path is nominated, and the peer has agreed: it is `selected`.
    case connected(ICEPath)
    /// The peer has not answered for 30 s on the selected path.
    case lost
    /// No path works.
    case failed
}

/// The controlling end of ICE (RFC 8445), for peers of a node: load clients and tests. Its candidates come from outside; it nominates
/// the first path that answers.
///
/// When `nextDeadline` has come, call `timeout`, then `nextCheck` until it gives nil.
public struct ICEClient: Sendable {
    private struct Check: Sendable {
        let transaction: TransactionID
        let nominates: Bool
        var tries: Int
        var dueAt: Instant
    }

    private enum State: Sendable {
        case waiting
        case checking(Check)
        case valid
        case failed
    }

    private struct Pair: Sendable {
        let path: ICEPath
        let priority: UInt32
        var state: State
    }

    /// More candidates than any peer has.
    public static let maximumPairs = 32
    /// RFC 8445 §14.2: between two first checks.
    private static let pace = Interval.milliseconds(50)
    /// RFC 8489 §6.2.1: the first retransmission is after that, each later after twice as long, but never more than 2 s, so that a bad
    /// network gets more chances than the RFC's seven within the 30 s of consent.
    private static let firstRetransmission = Interval.milliseconds(500)
    private static let longestRetransmission = Interval.seconds(2)
    private static let tries = 15
    /// RFC 7675 §5.1: every 5 s, give or take a fifth.
    private static let consentInterval = Interval.seconds(5)
    private static let consentTimeout = Interval.seconds(30)

    private var local: ICECredentials
    private var remote: ICECredentials
    private var localKey: STUNKey
    private var remoteKey: STUNKey
    private var username: String
    private let tieBreaker: UInt64
    private var pairs: [Pair] = []
    private var paceAt: Instant
    private var heardAt: Instant
    private var consentAt = Instant.distantFuture
    /// The latest consent checks: an answer to any of them counts.
    private var consents: [TransactionID] = []
    private var isConnecting = true
    private var isOver = false

    /// The path that was nominated.
    public private(set) var selected: ICEPath?

    /// Waits for candidates.
    public init(local: ICECredentials, remote: ICECredentials, tieBreaker: UInt64, now: Instant) {
        self.local = local
        self.remote = remote
        self.tieBreaker = tieBreaker
        localKey = STUNKey(password: local.password)
        remoteKey = STUNKey(password: remote.password)
        username = "\(remote.ufrag):\(local.ufrag)"
        paceAt = now
        heardAt = now
    }

    /// Adds a remote candidate, over a socket of ours. More than `maximumPairs`, and one that is there, are ignored.
    public mutating func add(_ path: ICEPath, priority: UInt32) {
        guard pairs.count < ICEClient.maximumPairs, !pairs.contains(where: { $0.path == path }) else { return }
        pairs.append(Pair(path: path, priority: priority, state: .waiting))
        pairs.sort { $0.priority > $1.priority }
    }

    /// An ICE restart (RFC 8445 §9): all paths are checked with new credentials. The selected one stays until another is nominated.
    public mutating func restart(local: ICECredentials, remote: ICECredentials, now: Instant) {
        let previous = self
        self = ICEClient(local: local, remote: remote, tieBreaker: tieBreaker, now: now)
        pairs = previous.pairs.map { Pair(path: $0.path, priority: $0.priority, state: .waiting) }
        selected = previous.selected
    }

    /// When there is something to do; nil when it is over.
    public var nextDeadline: Instant? {
        guard !isOver else { return nil }
        var due = heardAt + ICEClient.consentTimeout
        if !isConnecting { due = min(due, consentAt) }
        for pair in pairs {
            switch pair.state {
            case .waiting: due = min(due, paceAt)
            case .checking(let check): due = min(due, check.dueAt)
            case .valid, .failed: break
            }
        }
        return due
    }

    /// Gives up what has been tried often enough, and the peer if it is silent. An early call does nothing.
    public mutating func timeout(now: Instant) -> ICEClientEvent? {
        guard !isOver else { return nil }
        for index in pairs.indices {
            guard case .checking(let check) = pairs[index].state, check.tries == ICEClient.tries, check.dueAt <= now
            else { continue }
            pairs[index].state = .failed
        }
        if heardAt + ICEClient.consentTimeout <= now {
            isOver = true
            return isConnecting ? .failed : .lost
        }
        return failure()
    }

    /// Writes the next check that is due, with the path that it is to be sent on; nil if none is due. Needs 512 bytes of room at most.
    public mutating func nextCheck(
        now: Instant, using random: inout some RandomNumberGenerator, to output: inout OutputRawSpan
    ) -> ICEPath? {
        guard !isOver else { return nil }
        for index in pairs.indices {
            switch pairs[index].state {
            case .waiting where paceAt <= now:
                paceAt = now + ICEClient.pace
                let check = Check(
                    transaction: TransactionID(using: &random), nominates: false, tries: 0, dueAt: now)
                return send(check, index, now, &output)
            case .checking(let check) where check.dueAt <= now && check.tries < ICEClient.tries:
                return send(check, index, now, &output)
            default: break
            }
        }
        guard !isConnecting, consentAt <= now, let selected else { return nil }
        let transaction = TransactionID(using: &random)
        consents = [transaction] + consents.prefix(7)
        let spread = Int64.random(in: 800...1_200, using: &random)
        consentAt = now + ICEClient.consentInterval * spread / 1_000
        write(transaction, nominates: true, &output)
        return selected
    }

    /// Takes a STUN message that came on `path`: an answer to a check, or a check of the peer's, whose answer is then written at
    /// the end of `output` and to be sent back on the same path.
    public mutating func receive(
        _ bytes: RawSpan, path: ICEPath, now: Instant, to output: inout OutputRawSpan
    ) -> ICEClientEvent? {
        guard !isOver, let message = try? STUNMessage(parsing: bytes), message.header.method == .binding else {
            return nil
        }
        switch message.header.messageClass {
        case .request:
            guard let name = message.value(of: .username), ICEAnswer.isUser(local.ufrag, name),
                message.verify(.sha1, localKey)
            else { return nil }
            try? ICEAnswer.succeed(message.header, remote: path.remote, key: localKey, to: &output)
            add(path, priority: (try? message.uint32(.priority)) ?? 1)
            return nil
        case .success, .failure:
            guard message.verify(.sha1, remoteKey) else { return nil }
            return answered(message.header, path, now)
        case .indication:
            return nil
        }
    }

    private mutating func answered(_ header: STUNHeader, _ path: ICEPath, _ now: Instant) -> ICEClientEvent? {
        let succeeded = header.messageClass == .success
        if consents.contains(header.transaction), succeeded, path == selected {
            heardAt = now
            return nil
        }
        // RFC 8445 §7.2.5.2.1: an answer from elsewhere than it was asked does not count.
        guard
            let index = pairs.firstIndex(where: { pair in
                guard case .checking(let check) = pair.state, pair.path == path else { return false }
                return check.transaction == header.transaction
            }), case .checking(let check) = pairs[index].state
        else { return nil }
        guard succeeded else {
            pairs[index].state = .failed
            return failure()
        }
        pairs[index].state = .valid
        guard isConnecting else { return nil }
        guard check.nominates else {
            guard !isNominating else { return nil }
            // The same question again, with the nomination: the id only has to differ.
            let transaction = TransactionID(high: ~check.transaction.high, low: check.transaction.low)
            pairs[index].state = .checking(Check(transaction: transaction, nominates: true, tries: 0, dueAt: now))
            return nil
        }
        isConnecting = false
        selected = path
        heardAt = now
        consentAt = now + ICEClient.consentInterval
        return .connected(path)
    }

    private var isNominating: Bool {
        pairs.contains {
            guard case .checking(let check) = $0.state else { return false }
            return check.nominates
        }
    }

    private mutating func failure() -> ICEClientEvent? {
        let allFailed = pairs.allSatisfy {
            guard case .failed = $0.state else { return false }
            return true
        }
        guard isConnecting, !pairs.isEmpty, allFailed else { return nil }
        isOver = true
        return .failed
    }

    private mutating func send(
        _ check: Check, _ index: Int, _ now: Instant, _ output: inout OutputRawSpan
    ) -> ICEPath {
        var check = check
        check.dueAt =
            now + min(ICEClient.firstRetransmission * (1 << Int64(check.tries)), ICEClient.longestRetransmission)
        check.tries += 1
        pairs[index].state = .checking(check)
        write(check.transaction, nominates: check.nominates, &output)
        return pairs[index].path
    }

    private func write(_ transaction: TransactionID, nominates: Bool, _ output: inout OutputRawSpan) {
        // A check that does not fit is not sent, and tried again like one that was lost.
        try? writeWhole(transaction, nominates: nominates, &output)
    }

    private func writeWhole(
        _ transaction: TransactionID, nominates: Bool, _ output: inout OutputRawSpan
    ) throws(STUNError) {
        let writer = try STUNWriter(STUNHeader(.request, .binding, transaction), to: &output)
        try writer.add(.username, text: username, to: &output)
        try writer.add(.iceControlling, uint64: tieBreaker, to: &output)
        // RFC 8445 §7.1.1: what a peer-reflexive candidate would have.
        let priority = ICECandidate.priority(.peerReflexive, .udp, localPreference: .max, component: 1)
        try writer.add(.priority, uint32: priority, to: &output)
        if nominates { try writer.add(.useCandidate, bytes: RawSpan(), to: &output) }
        try writer.addIntegrity(.sha1, remoteKey, to: &output)
        try writer.addFingerprint(to: &output)
    }
}
