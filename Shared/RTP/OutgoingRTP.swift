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
        marker: Bool, payloadType: PayloadType, sequenceNumber: SequenceNumber, timestamp: RTPTimestamp,
        ssrc: SSRC
    ) {
        self.marker = marker
        self.payloadType = payloadType
        self.sequenceNumber = sequenceNumber
        self.timestamp = timestamp
        self.ssrc = ssrc
    }
}

/// What a receiver has agreed on, and which of its m-lines a stream belongs to: the same for all packets of a slot.
public struct ReceiverExtensions: Sendable {
    /// The receiver's ids.
    public let ids: HeaderExtensionMap
    /// The slot's m-line, stamped on each packet; nil for none.
    public let mid: StreamLabel?
    /// Whether an id does not fit the one-byte form, so that the two-byte form must be used always.
    let needsTwoByteForm: Bool

    /// Extensions of a slot. Ids over 14 count only where the two-byte form is allowed.
    public init(ids: HeaderExtensionMap, mid: StreamLabel?) {
        var usable = ids
        var needsTwoByteForm = false
        for kind in HeaderExtension.allCases {
            guard let id = ids[kind], id > 14 else { continue }
            if ids.allowsTwoByteForm { needsTwoByteForm = true } else { usable[kind] = nil }
        }
        self.ids = usable
        self.mid = mid
        self.needsTwoByteForm = needsTwoByteForm
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
