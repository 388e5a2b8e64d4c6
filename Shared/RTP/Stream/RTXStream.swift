internal import Bytes

/// The stream of retransmissions beside a stream, with numbers of its own (RFC 4588 §4).
public struct RTXStream: Sendable {
    /// The stream of retransmissions.
    public let ssrc: SSRC
    /// How its payloads are announced.
    public let payloadType: PayloadType
    /// The number of the next one.
    public private(set) var nextSequenceNumber: SequenceNumber

    /// A stream that has sent nothing; its first number should be random.
    public init(ssrc: SSRC, payloadType: PayloadType, firstSequenceNumber: SequenceNumber) {
        self.ssrc = ssrc
        self.payloadType = payloadType
        nextSequenceNumber = firstSequenceNumber
    }

    /// The same packet as a retransmission: with the next number here, and the one it had before its payload.
    public mutating func wrap(_ outgoing: OutgoingRTP) -> OutgoingRTP {
        var wrapped = outgoing
        wrapped.originalSequenceNumber = outgoing.sequenceNumber
        wrapped.sequenceNumber = nextSequenceNumber
        wrapped.ssrc = ssrc
        wrapped.payloadType = payloadType
        nextSequenceNumber = nextSequenceNumber.advanced(by: 1)
        return wrapped
    }

    /// Padding that repeats nothing, to probe for bandwidth.
    public mutating func nextPadding(timestamp: RTPTimestamp) -> OutgoingRTP {
        let padding = OutgoingRTP(
            marker: false, payloadType: payloadType, sequenceNumber: nextSequenceNumber, timestamp: timestamp,
            ssrc: ssrc)
        nextSequenceNumber = nextSequenceNumber.advanced(by: 1)
        return padding
    }
}

extension RTPHeader {
    /// Makes a received retransmission into the packet that it repeats, in place, and tells where that begins: what is
    /// before the payload moves two bytes on, over the original number (RFC 4588 §4).
    ///
    /// `bytes` must be the packet's, from its first byte. Throws if it repeats nothing: such packets only probe.
    @_lifetime(bytes: copy bytes)
    public func restoreRetransmitted(
        in bytes: inout MutableRawSpan, as ssrc: SSRC, payloadType: PayloadType
    ) throws(RTPError) -> Int {
        guard payloadByteCount > 2 else { throw .emptyRetransmission }
        precondition(payloadOffset + payloadByteCount <= bytes.byteCount, "the header belongs to other bytes")
        let original = bytes.bytes.uint16(at: payloadOffset)
        var offset = payloadOffset - 1
        while offset >= 0 {
            let byte = bytes.bytes.uint8(at: offset)
            bytes.storeBytes(of: byte, toByteOffset: offset + 2, as: UInt8.self)
            offset -= 1
        }
        let second = payloadType.rawValue | (marker ? 0x80 : 0)
        bytes.storeBytes(of: second, toByteOffset: 3, as: UInt8.self)
        bytes.store(original, at: 4)
        bytes.store(ssrc.rawValue, at: 10)
        return 2
    }
}
