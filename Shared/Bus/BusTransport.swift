/// The byte stream under a connection: Unix sockets now, TLS beside them later.
///
/// Neither call blocks. `read` and `write` are each called by one thread at a time.
package protocol BusTransport: AnyObject, Sendable {
    /// What to poll for readiness.
    var descriptor: Int32 { get }
    /// Who is at the other end, as far as the system vouches for it.
    var peer: PeerIdentity { get }
    /// Reads what is there into `buffer`.
    func read(into buffer: inout [UInt8]) -> TransportOutcome
    /// Writes `bytes` from `offset` on, or a part of them.
    func write(_ bytes: [UInt8], from offset: Int) -> TransportOutcome
    /// Ends both directions; a blocked poll wakes.
    func shutdown()
}

/// What came of a read or write.
package enum TransportOutcome: Sendable, Hashable {
    /// So many bytes went through.
    case bytes(Int)
    /// Nothing now.
    case wouldBlock
    /// The other end closed.
    case closed
    /// The system's error number.
    case failed(Int32)
}

/// Who is at the other end of a connection.
public struct PeerIdentity: Sendable, Hashable {
    /// What it calls itself in its hello, a service's id; empty before. Not vouched for on Unix sockets.
    public internal(set) var name: String
    /// The user that its process runs as, by the kernel.
    public let userID: UInt32?
    /// Its process when it connected, by the kernel.
    public let processID: Int32?

    package init(name: String = "", userID: UInt32? = nil, processID: Int32? = nil) {
        self.name = name
        self.userID = userID
        self.processID = processID
    }
}
