internal import Bytes

extension RTPPacket {
    /// Writes a copy of the packet for one receiver: header and extensions anew, the payload copied. Allocates nothing.
    ///
    /// Of the extensions, mid, transport number and send time are the receiver's own; audio level, orientation, playout
    /// delay, capture time and dependency descriptor are copied under the receiver's ids. Simulcast ids and contributing
    /// sources are not passed on, as a slot shows one stream of one member. `places` must come from this packet.
    public func write(
        _ outgoing: OutgoingRTP, from places: ExtensionPlaces, for receiver: borrowing ReceiverExtensions,
        to output: inout OutputRawSpan
    ) throws(RTPError) -> WrittenRTP {
        let plan = ExtensionPlan(receiver, places, in: bytes.byteCount)
        let original = outgoing.originalSequenceNumber == nil ? 0 : 2
        let needed = RTPHeader.fixedByteCount &+ plan.byteCount &+ original &+ header.payloadByteCount
        guard needed <= output.freeCapacity else { throw .noRoom(needed: needed, left: output.freeCapacity) }
        do throws(BytesError) {
            var written = try outgoing.writeStart(plan, receiver, hasPadding: false, to: &output)
            if plan.byteCount > 0 {
                try plan.writeCopied(receiver, places, from: bytes, to: &output)
                try output.writeZeros(plan.byteCount &- 4 &- plan.elementByteCount)
            }
            if let number = outgoing.originalSequenceNumber { try output.write(number.rawValue) }
            let start = output.byteCount
            try output.write(payload)
            if let vp8 = outgoing.vp8 {
                var copy = output.mutableBytes
                vp8.apply(to: &copy, payload: start..<(start &+ header.payloadByteCount))
            }
            written.byteCount = needed
            return written
        } catch {
            throw .noRoom(needed: needed, left: output.freeCapacity)
        }
    }

    /// Writes a packet of mere padding, 1 to 255 bytes: to probe for bandwidth, or in place of a packet that is not for
    /// this receiver but whose number is given away already. In a retransmission the number it had comes before it.
    public static func writePadding(
        _ outgoing: OutgoingRTP, byteCount: Int, for receiver: borrowing ReceiverExtensions,
        to output: inout OutputRawSpan
    ) throws(RTPError) -> WrittenRTP {
        precondition((1...255).contains(byteCount), "padding has 1 to 255 bytes (RFC 3550 §5.1)")
        let plan = ExtensionPlan(receiver, ExtensionPlaces(), in: 0)
        let original = outgoing.originalSequenceNumber == nil ? 0 : 2
        let needed = RTPHeader.fixedByteCount + plan.byteCount + original + byteCount
        guard needed <= output.freeCapacity else { throw .noRoom(needed: needed, left: output.freeCapacity) }
        do throws(BytesError) {
            var written = try outgoing.writeStart(plan, receiver, hasPadding: true, to: &output)
            if plan.byteCount > 0 { try output.writeZeros(plan.byteCount - 4 - plan.elementByteCount) }
            if let number = outgoing.originalSequenceNumber { try output.write(number.rawValue) }
            try output.writeZeros(byteCount - 1)
            try output.write(UInt8(byteCount))
            written.byteCount = needed
            return written
        } catch {
            throw .noRoom(needed: needed, left: output.freeCapacity)
        }
    }
}

/// Which form a packet's extension has, and how long it is.
struct ExtensionPlan {
    let isTwoByte: Bool
    /// The extension with its head of four bytes; 0 if there are no elements.
    let byteCount: Int
    /// The elements without padding.
    let elementByteCount: Int

    @inline(__always)
    init(_ receiver: borrowing ReceiverExtensions, _ places: ExtensionPlaces, in packetByteCount: Int) {
        var isTwoByte = receiver.needsTwoByteForm
        var values = 0
        var count = 0
        for index in 0..<receiver.copiedCount {
            guard let range = ExtensionPlan.range(receiver.copied[index], receiver, places, packetByteCount) else {
                continue
            }
            if range.count > 16 { isTwoByte = true }
            values &+= range.count
            count &+= 1
        }
        let start = isTwoByte ? receiver.twoByteStart.count : receiver.oneByteStart.count
        self.isTwoByte = isTwoByte
        elementByteCount = start &+ values &+ count &* (isTwoByte ? 2 : 1)
        byteCount = elementByteCount == 0 ? 0 : 4 &+ (elementByteCount &+ 3) & ~3
    }

    /// Where the value is that is copied; nil if it is not.
    @inline(__always)
    static func range(
        _ kind: HeaderExtension, _ receiver: borrowing ReceiverExtensions, _ places: ExtensionPlaces,
        _ packetByteCount: Int
    ) -> Range<Int>? {
        guard let range = places[kind], range.upperBound <= packetByteCount else { return nil }
        // An empty value cannot be said in the one-byte form, and means nothing for any of these.
        guard range.count > 0, range.count <= (receiver.ids.allowsTwoByteForm ? 255 : 16) else { return nil }
        return range
    }

    /// Writes the elements that are copied from the received packet.
    @inline(__always)
    func writeCopied(
        _ receiver: borrowing ReceiverExtensions, _ places: ExtensionPlaces, from bytes: RawSpan,
        to output: inout OutputRawSpan
    ) throws(BytesError) {
        for index in 0..<receiver.copiedCount {
            let kind = receiver.copied[index]
            guard let range = ExtensionPlan.range(kind, receiver, places, bytes.byteCount) else { continue }
            let id = receiver.ids.id(kind)
            if isTwoByte {
                try output.write(UInt16(id) << 8 | UInt16(truncatingIfNeeded: range.count))
            } else {
                try output.write(id << 4 | UInt8(truncatingIfNeeded: range.count &- 1))
            }
            for offset in range { try output.write(bytes.uint8(at: offset)) }
        }
    }
}

extension OutgoingRTP {
    /// Writes the fixed fields, the head of the extension, and its elements that are the receiver's own.
    @inline(__always)
    func writeStart(
        _ plan: ExtensionPlan, _ receiver: borrowing ReceiverExtensions, hasPadding: Bool,
        to output: inout OutputRawSpan
    ) throws(BytesError) -> WrittenRTP {
        var written = WrittenRTP(byteCount: 0, payloadOffset: RTPHeader.fixedByteCount &+ plan.byteCount)
        let first: UInt8 = 0x80 | (hasPadding ? 0x20 : 0) | (plan.byteCount > 0 ? 0x10 : 0)
        let second = payloadType.rawValue | (marker ? 0x80 : 0)
        try output.write(
            UInt64(first) << 56 | UInt64(second) << 48 | UInt64(sequenceNumber.rawValue) << 32
                | UInt64(timestamp.rawValue))
        guard plan.byteCount > 0 else {
            try output.write(ssrc.rawValue)
            return written
        }
        let words = UInt64(truncatingIfNeeded: plan.byteCount &- 4) >> 2
        try output.write(UInt64(ssrc.rawValue) << 32 | (plan.isTwoByte ? 0x1000_0000 : 0xbede_0000) | words)
        if plan.isTwoByte {
            try write(receiver.twoByteStart, &written, to: &output)
        } else {
            try write(receiver.oneByteStart, &written, to: &output)
        }
        return written
    }

    @inline(__always)
    private func write(
        _ start: borrowing ExtensionStart, _ written: inout WrittenRTP, to output: inout OutputRawSpan
    ) throws(BytesError) {
        let offset = output.byteCount
        try output.write(start.bytes.span.raw.extracting(0..<start.count))
        var bytes = output.mutableBytes
        if let place = start.transportSequenceNumberOffset {
            bytes.store(transportSequenceNumber.rawValue, at: offset &+ place)
            written.transportSequenceNumberOffset = RTPHeader.fixedByteCount &+ 4 &+ place
        }
        if let place = start.absoluteSendTimeOffset {
            let high = UInt8(truncatingIfNeeded: absoluteSendTime.rawValue >> 16)
            bytes.storeBytes(of: high, toByteOffset: offset &+ place, as: UInt8.self)
            bytes.store(UInt16(truncatingIfNeeded: absoluteSendTime.rawValue), at: offset &+ place &+ 1)
            written.absoluteSendTimeOffset = RTPHeader.fixedByteCount &+ 4 &+ place
        }
    }
}
