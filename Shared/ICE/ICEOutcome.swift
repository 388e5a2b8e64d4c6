public import STUN
public import Time

/// Numbers of an agent, with defaults for a node.
public struct ICESettings: Sendable {
    /// How long a peer may be silent (RFC 7675 §5.1).
    public var consentTimeout = Interval.seconds(30)
    /// How many valid paths are kept: a peer with two interfaces, two families and a relay has fewer that answer.
    public var maximumPaths = 8

    /// The defaults.
    public init() {}
}

/// What became of a message.
public enum ICEOutcome: Equatable, Sendable {
    /// Nothing was written.
    case dropped(ICEDrop)
    /// An error answer was written, to be sent back on the same path.
    case refused(STUNErrorCode)
    /// A success was written, to be sent back on the same path.
    case answered(ICEChange)
}

/// Why a message was dropped.
public enum ICEDrop: String, Equatable, Sendable, CaseIterable {
    /// Not STUN, or malformed.
    case malformed
    /// An answer or an indication: a lite agent asks nothing.
    case notARequest
    /// Of a method that is not Binding.
    case otherMethod
    /// The output is too small for the answer.
    case noRoom
}

/// What a good check has changed.
public struct ICEChange: Equatable, Sendable {
    /// The path is valid from now on.
    public var isNew = false
    /// A path that is valid no more, as there are too many.
    public var evicted: ICEPath?
    /// The path is the selected one from now on.
    public var nominated = false
    /// The credentials of a restart have taken over: the earlier ones are worth nothing any more.
    public var restarted = false

    /// Nothing.
    public init(isNew: Bool = false, evicted: ICEPath? = nil, nominated: Bool = false, restarted: Bool = false) {
        self.isNew = isNew
        self.evicted = evicted
        self.nominated = nominated
        self.restarted = restarted
    }
}

/// The peer is gone.
public enum ICETimeout: Equatable, Sendable {
    /// Nothing authenticated came for as long as consent lasts; `everConnected` says whether there had been a valid path.
    case lost(everConnected: Bool)
}
