public import Addresses

/// What the worker is to do about one input. A plain value: making and reading one costs no reference.
public enum TURNAction: Sendable {
    /// Nothing; it is counted already.
    case drop(TURNDrop)
    /// Send the message in the output to a client.
    case reply(to: Flow)
    /// Send a part of the input's bytes out of a relay.
    case toPeer(ToPeer)
    /// Send a part of the input's bytes to a client, with a header before them.
    case toClient(ToClient)
    /// Bind relay sockets and call `bound`, at once or within `TURNServer.bindDeadline`.
    case bind(RelayRequest)
    /// Ask the registry whether `user(of:)` may have one more allocation, and call `quotaAnswered`.
    case ask(TURNTicket)

    /// Data to a peer.
    public struct ToPeer: Sendable {
        /// The socket to send from.
        public let relay: RelayID
        /// Whom to send to.
        public let peer: Endpoint
        let start: Int32
        let end: Int32
        /// Whether IP's DF bit is to be set.
        public let dontFragment: Bool

        /// Which of the input's bytes.
        public var payload: Range<Int> { Int(start)..<Int(end) }
    }

    /// Data to a client.
    public struct ToClient: Sendable {
        /// Whom to send to.
        public let flow: Flow
        /// What comes before the data.
        public let header: ClientHeader
        let start: Int32
        let end: Int32
        /// How many zero bytes come after the data, 0 to 3.
        public let padding: Int8

        /// Which of the input's bytes.
        public var payload: Range<Int> { Int(start)..<Int(end) }
    }
}

/// What comes before data to a client.
public enum ClientHeader: Hashable, Sendable {
    /// These four bytes, big-endian: a ChannelData message.
    case channelData(UInt32)
    /// What stands in the output, at most 64 bytes: a Data indication.
    case written
}
