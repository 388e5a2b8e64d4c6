/// One of a loop's UDP sockets: a small index, used again after the socket is closed. Those given to `run` are 0, 1, ….
public struct SocketID: Hashable, Sendable {
    /// The index, for tables.
    public let index: Int

    /// The socket at `index`.
    @inlinable
    public init(_ index: Int) { self.index = index }
}

/// One of a loop's TCP or TLS connections: a small index, used again after it has ended.
public struct StreamID: Hashable, Sendable {
    /// The index, for tables.
    public let index: Int

    /// The stream at `index`.
    @inlinable
    public init(_ index: Int) { self.index = index }
}

/// What epoll gives back for a descriptor: its kind, its index, and which of the index's users it is, so that an event that
/// was under way when the descriptor was closed does not reach the next one at that index.
struct Token: Equatable {
    enum Kind: UInt64 { case socket, stream, listener }

    let bits: UInt64

    init(bits: UInt64) { self.bits = bits }

    init(_ kind: Kind, index: Int, generation: UInt32) {
        bits = kind.rawValue << 56 | UInt64(generation & 0xff_ffff) << 32 | UInt64(UInt32(truncatingIfNeeded: index))
    }

    /// The mailbox's eventfd.
    static let mailbox = Token(bits: .max)
    /// The loop's timer.
    static let timer = Token(bits: .max - 1)

    var kind: Kind? { Kind(rawValue: bits >> 56) }
    var index: Int { Int(UInt32(truncatingIfNeeded: bits)) }
    var generation: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) & 0xff_ffff }
}
