internal import Addresses
internal import STUN
internal import Time

/// One request of a client, from the wish to the answer.
struct ClientRequest: Sendable {
    enum Purpose: Equatable, Sendable {
        case allocate
        /// `lifetime` nil: what the settings say; zero gives the allocation back.
        case refresh(isRelease: Bool)
        case permit(IPAddress)
        case bind(ChannelNumber, Endpoint)

        var method: STUNMethod {
            switch self {
            case .allocate: .allocate
            case .refresh: .refresh
            case .permit: .createPermission
            case .bind: .channelBind
            }
        }
    }

    enum Phase: Sendable {
        /// To be written with a fresh transaction.
        case waiting
        /// On its way.
        case sent(Sent)
    }

    struct Sent: Sendable {
        let transaction: TransactionID
        /// What signed it, and signs the answer.
        let authentication: LongTermAuthentication?
        /// The same bytes again; empty over a stream.
        let bytes: [UInt8]
        var schedule: Retransmission
        /// Whether it is to be sent again, now.
        var isDue = false
    }

    let purpose: Purpose
    var phase = Phase.waiting
    /// How often the server asked for a new signature. A server that always does would keep the client busy for ever.
    var challenges = 0

    static let maximumChallenges = 3
}

/// When a request is repeated and given up: RFC 8489 §6.2.1 with Rc 7 and Rm 16, and §6.2.2 for streams.
struct Retransmission: Sendable {
    private(set) var due: Instant
    private var interval: Interval
    private var sent = 1
    private let isRepeated: Bool

    /// Rc: how often a request is sent.
    static let maximum = 7
    /// Rm: how long the last one is waited for, in first intervals.
    static let lastFactor: Int64 = 16
    /// Ti: how long a request over a stream is waited for: as long as all seven take.
    static let streamPatience = Interval.milliseconds(39_500)

    init(first interval: Interval, isRepeated: Bool, now: Instant) {
        self.interval = interval
        self.isRepeated = isRepeated
        due = now + (isRepeated ? interval : Retransmission.streamPatience)
    }

    /// Whether it has been sent for the last time: then `due` is when it has failed.
    var isExhausted: Bool { !isRepeated || sent == Retransmission.maximum }

    mutating func repeated(now: Instant) {
        sent += 1
        guard sent < Retransmission.maximum else {
            // The interval was doubled five times since.
            due = now + interval / 32 * Retransmission.lastFactor
            return
        }
        interval = interval * 2
        due = now + interval
    }
}
