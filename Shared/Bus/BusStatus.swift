/// How a call ended: gRPC's status codes, so that their meanings need not be invented anew.
public enum StatusCode: UInt32, Sendable, Hashable, CaseIterable {
    /// The call did what was asked.
    case ok = 0
    /// The caller took it back.
    case cancelled = 1
    /// An error that has no better code, as of a handler that threw something unforeseen.
    case unknown = 2
    /// The request is wrong whatever the state of the system.
    case invalidArgument = 3
    /// Time ran out; the call may have been carried out all the same.
    case deadlineExceeded = 4
    /// What was asked for does not exist.
    case notFound = 5
    /// What was to be made exists already.
    case alreadyExists = 6
    /// The caller may not do this.
    case permissionDenied = 7
    /// A limit is reached.
    case resourceExhausted = 8
    /// The system's state forbids it; a repeat will not help until that state changes.
    case failedPrecondition = 9
    /// Stopped by a conflict; a repeat from further up may succeed.
    case aborted = 10
    /// Beyond the valid range.
    case outOfRange = 11
    /// The peer does not know this call.
    case unimplemented = 12
    /// An invariant broke.
    case `internal` = 13
    /// Not reachable now; a repeat may succeed.
    case unavailable = 14
    /// Data is lost for good.
    case dataLoss = 15
    /// The caller is not known.
    case unauthenticated = 16
}

/// The end of a call that did not go well: what its caller catches, and what a handler throws to say why.
public struct BusStatus: Error, Sendable, Hashable {
    /// The kind of end.
    public var code: StatusCode
    /// What happened, for people. Never parsed.
    public var message: String

    /// An end of this kind, in these words.
    public init(_ code: StatusCode, _ message: String = "") {
        self.code = code
        self.message = message
    }

    /// An end of this kind, in these words.
    public init(code: StatusCode, message: String) {
        self.init(code, message)
    }

    /// A good end.
    public static let ok = BusStatus(.ok)
}

extension BusStatus: CustomStringConvertible {
    /// `unavailable: no registry answers`.
    public var description: String { message.isEmpty ? "\(code)" : "\(code): \(message)" }
}
