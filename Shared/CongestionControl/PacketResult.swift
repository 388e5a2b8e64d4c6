public import Time

/// Names the cluster of packets that one probe sends (`Prober`), so that their results are told from the rest.
public struct ProbeClusterID: RawRepresentable, Hashable, Sendable {
    /// Counts from 1; 0 is no cluster.
    public let rawValue: UInt32

    /// The cluster of that number.
    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }
}

/// What a receiver said of one packet.
public struct PacketResult: Hashable, Sendable {
    /// Its transport-wide number, unwrapped: later packets have higher ones.
    public var sequence: Int64
    /// When it left.
    public var sent: Instant
    /// When it arrived, by the receiver's clock (only differences mean something); nil: lost so far.
    public var arrival: Instant?
    /// Its UDP payload.
    public var size: ByteCount
    /// The probe it was part of.
    public var probe: ProbeClusterID?

    /// Such a result.
    public init(sequence: Int64, sent: Instant, arrival: Instant?, size: ByteCount, probe: ProbeClusterID? = nil) {
        self.sequence = sequence
        self.sent = sent
        self.arrival = arrival
        self.size = size
        self.probe = probe
    }
}
