internal import Bytes

extension RTPHeader {
    /// The header of the same packet without its redundant blocks (RED, RFC 2198 §3): the payload is the primary block,
    /// which is the last one, and the payload type is its. For receivers that have not agreed on redundancy.
    ///
    /// `bytes` must be the packet's. Throws if a block is cut.
    public func primary(in bytes: RawSpan) throws(RTPError) -> RTPHeader {
        let end = payloadOffset &+ payloadByteCount
        precondition(end <= bytes.byteCount, "the header belongs to other bytes")
        var offset = payloadOffset
        var redundant = 0
        while true {
            guard offset < end else { throw .malformedRedundancy }
            let head = bytes.uint8(at: offset)
            if head & 0x80 == 0 {
                let skipped = offset &+ 1 &+ redundant &- payloadOffset
                guard skipped <= payloadByteCount else { throw .malformedRedundancy }
                return withoutFirst(skipped, payloadType: PayloadType(rawValue: head))
            }
            guard offset &+ 4 <= end else { throw .malformedRedundancy }
            redundant &+= Int(bytes.uint16(at: offset &+ 2) & 0x3ff)
            offset &+= 4
        }
    }
}
