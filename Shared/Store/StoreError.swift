/// Why a call to Redis has no answer.
public enum StoreError: Error, Hashable, Sendable {
    /// Redis was away until the call's deadline; the command was never sent.
    case unavailable(reason: String)
    /// The connection ended before the answer; the command may have run.
    case connectionLost(reason: String)
    /// No answer within the deadline; the command may have run.
    case timedOut
    /// Redis answered with an error, such as `WRONGTYPE …`.
    case refused(String)
    /// Too many calls wait already, so this one was not taken.
    case overloaded(limit: Int)
    /// The store was shut down.
    case closed

    /// Whether Redis may have carried out the command although the caller has no answer.
    public var mayHaveRun: Bool {
        switch self {
        case .connectionLost, .timedOut: true
        case .unavailable, .refused, .overloaded, .closed: false
        }
    }

    /// Whether Redis itself could not be reached, as opposed to an answer that it gave.
    public var isOutage: Bool {
        switch self {
        case .refused: false
        case .unavailable, .connectionLost, .timedOut, .overloaded, .closed: true
        }
    }
}

extension StoreError: CustomStringConvertible {
    /// A sentence for logs and for people.
    public var description: String {
        switch self {
        case .unavailable(let reason): "Redis cannot be reached: \(reason)"
        case .connectionLost(let reason): "the connection to Redis ended: \(reason)"
        case .timedOut: "Redis did not answer in time"
        case .refused(let message): "Redis refused: \(message)"
        case .overloaded(let limit): "over \(limit) calls to Redis wait already"
        case .closed: "the store is shut down"
        }
    }
}
