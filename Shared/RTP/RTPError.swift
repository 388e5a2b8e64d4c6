/// Why bytes are not a good packet, or why one could not be written.
public enum RTPError: Error, Equatable, Sendable {
    /// The version is not 2, or there is not even a header.
    case notRTP
    /// A list of sources, an extension or a padding runs beyond the packet's end.
    case cutPacket
    /// The padding's count is zero, or more than there is (RFC 3550 §5.1).
    case wrongPadding
    /// The version is not 2, or there is not even a header, where RTCP should be.
    case notRTCP
    /// A packet of a compound is longer than what is left of it.
    case cutCompound(RTCPType)
    /// A packet breaks the rules of its kind.
    case malformed(RTCPType)
    /// A retransmission has no room for the original sequence number, or repeats nothing (RFC 4588 §4).
    case emptyRetransmission
    /// The blocks of redundant sound are cut (RFC 2198 §3).
    case malformedRedundancy
    /// More report blocks, lost packets or sources than one packet can carry.
    case tooMany(Int)
    /// The output is too small.
    case noRoom(needed: Int, left: Int)
}
