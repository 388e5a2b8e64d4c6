public import Addresses
public import Time

/// The number of an allocation in log lines: the worker in the top byte, then a count. Unique within a process.
public struct AllocationID: Hashable, Sendable, CustomStringConvertible {
    /// The number.
    public let rawValue: UInt64

    init(worker: Int, count: UInt64) { rawValue = UInt64(worker) << 56 | count & 0xff_ffff_ffff_ffff }

    /// `3-1f`: worker and count, in hex.
    public var description: String {
        "\(String(rawValue >> 56, radix: 16))-\(String(rawValue & 0xff_ffff_ffff_ffff, radix: 16))"
    }
}

/// Why an allocation ended. The raw value is for logs and metrics.
public enum AllocationEnd: String, CaseIterable, Sendable {
    /// The client said so.
    case deleted
    /// The client did not refresh it.
    case expired
    /// Its TCP or TLS connection closed.
    case streamClosed = "stream_closed"
    /// The server is going down.
    case serverEnds = "server_ends"
}

/// Something an operator may want to read: a line for each allocation made, refreshed, ended.
public struct TURNEvent: Sendable {
    /// What happened.
    public enum Kind: Hashable, Sendable {
        /// It lives.
        case created
        /// It lives on.
        case refreshed
        /// It is over.
        case ended(AllocationEnd)
    }

    /// What happened.
    public let kind: Kind
    /// To which one.
    public let allocation: AllocationID
    /// Whose it is: a personal datum.
    public let user: String
    /// Between whom: the client's address is a personal datum.
    public let flow: Flow
    /// Its IPv4 relay address, as peers see it.
    public let relayedV4: Endpoint?
    /// Its IPv6 relay address, as peers see it.
    public let relayedV6: Endpoint?
    /// How long it lives on.
    public let lifetime: Interval
    /// How old it is.
    public let age: Interval
    /// Relayed for it to peers, so far.
    public let toPeers: TURNTraffic
    /// Relayed for it from peers, so far.
    public let toClient: TURNTraffic
}
