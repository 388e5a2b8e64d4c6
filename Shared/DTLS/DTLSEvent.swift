/// Which end of the handshake we are.
public enum DTLSRole: Sendable {
    /// Waits for a ClientHello (`a=setup:passive`): a node.
    case server
    /// Begins (`a=setup:active`): load clients, tests.
    case client
}

/// What came out of a handshake.
public struct DTLSKeys: Equatable, Sendable {
    /// The number of the SRTP profile (RFC 5764 §4.1.2).
    public let profile: UInt16
    /// What the exporter gives for it: client's key, server's key, client's salt, server's salt (RFC 5764 §4.2).
    public let exported: [UInt8]
    /// Whether we are the client, so which of them are ours.
    public let isClient: Bool
}

/// What a connection reports.
public enum DTLSEvent: Equatable, Sendable {
    /// The handshake is done, and the peer's certificate is the one that its SDP states.
    case connected(DTLSKeys)
    /// The peer said goodbye (close_notify).
    case closed
    /// It is over.
    case failed(DTLSFailure)
}

/// Why a connection failed.
public enum DTLSFailure: Error, Equatable, Sendable {
    /// The peer's certificate is not the one that its SDP states: somebody is between us, or the SDP is of another connection.
    case wrongFingerprint
    /// The peer offers no SRTP profile that we have.
    case noProfile
    /// The handshake took longer than 30 s.
    case timedOut
    /// An alert of the peer's, or a message that breaks the protocol; in OpenSSL's words.
    case refused(String)
}

/// Why there is no context or connection.
public enum DTLSError: Error, Equatable, Sendable {
    /// OpenSSL would not, and why.
    case refusedByOpenSSL(String)
}
