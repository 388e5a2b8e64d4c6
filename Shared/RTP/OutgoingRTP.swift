/// What a packet that goes out says of itself: everything that is not copied from the packet it is made of.
public struct OutgoingRTP: Hashable, Sendable {
    /// For video, whether it ends a frame.
    public var marker: Bool
    /// How the payload is coded, in the receiver's numbers.
    public var payloadType: PayloadType
    /// The packet's place in the outgoing stream.
    public var sequenceNumber: SequenceNumber
    /// The moment of its first sample, on the outgoing stream's clock.
    public var timestamp: RTPTimestamp
    /// The outgoing stream.
    public var ssrc: SSRC
    /// The number in the receiver's transport; written where the receiver has agreed on the extension.
    public var transportSequenceNumber = SequenceNumber(rawValue: 0)
    /// When it leaves; written where the receiver has agreed on the extension.
    public var absoluteSendTime = AbsoluteSendTime(rawValue: 0)
    /// What the copy's VP8 descriptor must say; nil leaves the payload as it is.
    public var vp8: VP8Continuation?
    /// Set for a retransmission: the number that the packet had, which is written before its payload (RFC 4588 §4).
    public var originalSequenceNumber: SequenceNumber?

    /// What a packet says.
    public init(
        marker: Bool, payloadType: PayloadType, sequenceNumber: SequenceNumber, timestamp: RTPTimestamp, ssrc: SSRC
    ) {
        self.marker = marker
        self.payloadType = payloadType
        self.sequenceNumber = sequenceNumber
        self.timestamp = timestamp
        self.ssrc = ssrc
    }
}

/// Where the parts of a written packet are, counted from its first byte.
public struct WrittenRTP: Hashable, Sendable {
    /// How long it is.
    public var byteCount: Int
    /// Where the payload begins: with the original sequence number, in a retransmission.
    public var payloadOffset: Int
    /// Where the two bytes of the transport's number are; nil if it has none.
    public var transportSequenceNumberOffset: Int?
    /// Where the three bytes of the send time are; nil if it has none.
    public var absoluteSendTimeOffset: Int?
}
