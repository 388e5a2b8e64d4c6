public import Addresses
public import Time

/// Who a client says it is. Texts must be prepared already (RFC 8265 OpaqueString). Never shown.
public struct TURNCredentials: Sendable, CustomStringConvertible, CustomReflectable {
    let username: String
    let password: String

    /// A name and its password.
    public init(username: String, password: String) {
        self.username = username
        self.password = password
    }

    /// The ones that a registry or a REST service handed out.
    public init(_ credential: TimeLimitedCredential) {
        self.init(username: credential.username, password: credential.password)
    }

    /// Says nothing of them.
    public var description: String { "(credentials)" }

    /// Says nothing of them.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// Which relay address a client wants. Only what RFC 8656 §7.1 lets stand together can be said.
public enum TURNRelayRequest: Equatable, Sendable {
    /// One of that family.
    case one(IPAddress.Family)
    /// One of each family; a server that has but one gives that and says why.
    case both
    /// One with an even port, for RTP; with `reserving`, the port after it is kept, and a token for it comes back.
    case evenPort(IPAddress.Family, reserving: Bool)
    /// The port that was kept for this token.
    case reserved(token: UInt64)
}

/// What a client is to do, and how.
public struct TURNClientSettings: Sendable {
    /// How bytes reach the server.
    public enum Transport: Sendable {
        /// Datagrams: requests are repeated, ChannelData bears no padding.
        case udp
        /// TCP or TLS: requests are not repeated, ChannelData is padded.
        case stream
    }

    /// How bytes reach the server.
    public var transport: Transport
    /// Given when the server asks; nil for servers that do not.
    public var credentials: TURNCredentials?
    /// Which relay address is wanted.
    public var relay = TURNRelayRequest.one(.v4)
    /// How long the allocation is to live between refreshes, in whole seconds; nil leaves it to the server (600 s).
    public var lifetime: Interval?
    /// Whether the server must be able to send with DF set.
    public var dontFragment = false
    /// Said in each request, where it is not nil.
    public var software: String?
    /// What an answer may take before a request is repeated (RFC 8489 §6.2.1: 500 ms or more).
    public var retransmission = Interval.milliseconds(500)
    /// How many peers may be permitted or bound to channels. A call needs a handful; a server refuses far more itself.
    public var maximumPeers = 256

    /// Settings for a transport; all else as it is most often.
    public init(_ transport: Transport, credentials: TURNCredentials?) {
        self.transport = transport
        self.credentials = credentials
    }
}
