/// What becomes of a packet on its way to one receiver.
public enum Rewriting: Hashable, Sendable {
    /// It goes out so; payload type, transport number and send time are the caller's to set.
    case forward(OutgoingRTP)
    /// It is not for this receiver, but its number is given away already: padding goes out in its place.
    case fill(OutgoingRTP)
    /// It does not go out.
    case drop(RewriteDrop)
}

/// Why a packet does not go out.
public enum RewriteDrop: UInt8, CaseIterable, Sendable {
    /// It is of a stream that is not shown, or no longer.
    case notCurrentSource
    /// It came late, from before the point where its stream began to be shown.
    case beforeSwitch
    /// It came so late that its number is forgotten.
    case tooLate
    /// It went out already, and may not a second time: its number is the nonce of its encryption.
    case duplicate
    /// It is not for this receiver, or mere padding; the numbers of later packets close up.
    case skipped
    /// Its video stream made a jump that no receiver could repair. Nothing more goes out before the next switch: ask for
    /// a key frame.
    case sourceJumped
}

/// How a receiver's wish for a lost packet can be met.
public enum Retransmission: Sendable {
    /// By this packet of a publisher, if it is still remembered.
    case packet(PacketOrigin)
    /// By padding with this number, which tells the receiver that nothing is missing there.
    case fill(OutgoingRTP)
    /// Not yet: the packet did not come from its publisher either, and will go out when it does.
    case notYet
    /// Not any more: the number was never given, too long ago, or before a switch to something else.
    case gone
}

/// Which received packet an outgoing one was made of, and how.
public struct PacketOrigin: Sendable {
    /// The stream it came in.
    public let source: SSRC
    /// The number it came with.
    public let sequenceNumber: SequenceNumber
    let outgoingSSRC: SSRC
    let outgoingNumber: SequenceNumber
    let timestampOffset: UInt32
    let vp8: VP8Continuation?
    let isFirstOfSound: Bool

    /// What the packet said when it went out, given the header of the received one.
    public func outgoing(for header: RTPHeader) -> OutgoingRTP {
        var outgoing = OutgoingRTP(
            marker: header.marker || isFirstOfSound, payloadType: header.payloadType, sequenceNumber: outgoingNumber,
            timestamp: RTPTimestamp(rawValue: header.timestamp.rawValue &+ timestampOffset), ssrc: outgoingSSRC)
        outgoing.vp8 = vp8
        return outgoing
    }
}
