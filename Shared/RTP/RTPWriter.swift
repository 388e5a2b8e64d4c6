internal import Bytes

extension RTPPacket {
    /// Writes a copy of the packet for one receiver: header and extensions anew, the payload copied. Allocates nothing.
    ///
    /// Of the extensions, mid, transport number and send time are the receiver's own; audio level, orientation, playout
    /// delay, capture time and dependency descriptor are copied under the receiver's ids. Simulcast ids and contributing
    /// sources are not passed on, as a slot shows one stream of one member. `places` must come from this packet.
    public func write(
        _ outgoing: OutgoingRTP, from places: ExtensionPlaces, for receiver: ReceiverExtensions,
        to output: inout OutputRawSpan
    ) throws(RTPError) -> WrittenRTP {
        let plan = ExtensionPlan(receiver, places, in: bytes.byteCount)
        let original = outgoing.originalSequenceNumber == nil ? 0 : 2
        let needed = RTPHeader.fixedByteCount &+ plan.byteCount &+ original &+ header.payloadByteCount
        guard needed <= output.freeCapacity else {
            throw .noRoom(needed: needed, left: output.freeCapacity)
        }
        do throws(BytesError) {
            var written = try outgoing.writeHeader(
                plan, receiver, hasPadding: false, elements: bytes, places, to: &output)
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
        _ outgoing: OutgoingRTP, byteCount: Int, for receiver: ReceiverExtensions,
        to output: inout OutputRawSpan
    ) throws(RTPError) -> WrittenRTP {
        precondition((1...255).contains(byteCount), "padding has 1 to 255 bytes (RFC 3550 §5.1)")
        let places = ExtensionPlaces()
        let plan = ExtensionPlan(receiver, places, in: 0)
        let original = outgoing.originalSequenceNumber == nil ? 0 : 2
        let needed = RTPHeader.fixedByteCount + plan.byteCount + original + byteCount
        guard needed <= output.freeCapacity else {
            throw .noRoom(needed: needed, left: output.freeCapacity)
        }
        do throws(BytesError) {
            var written = try outgoing.writeHeader(
                plan, receiver, hasPadding: true, elements: RawSpan(), places, to: &output)
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

/// Which elements a packet gets, in which form, and how long they are together.
struct ExtensionPlan {
    /// What is copied from the received packet as it is.
    static let copied: [5 of HeaderExtension] = [
        .audioLevel, .videoOrientation, .playoutDelay, .absoluteCaptureTime, .dependencyDescriptor,
    ]

    var isTwoByte: Bool
    /// The extension with its head of four bytes; 0 if there are no elements.
    var byteCount: Int
    /// The elements without padding.
    var elementByteCount = 0

    @inline(__always)
    init(_ receiver: ReceiverExtensions, _ places: ExtensionPlaces, in packetByteCount: Int) {
        var isTwoByte = receiver.needsTwoByteForm
        var values = 0
        var count = 0
        let ids = receiver.ids
        if let mid = receiver.mid, ids.id(.mid) != 0 {
            values &+= mid.count
            count &+= 1
        }
        if ids.id(.transportSequenceNumber) != 0 {
            values &+= 2
            count &+= 1
        }
        if ids.id(.absoluteSendTime) != 0 {
            values &+= 3
            count &+= 1
        }
        for index in 0..<ExtensionPlan.copied.count {
            let kind = ExtensionPlan.copied[index]
            guard let length = ExtensionPlan.length(kind, receiver, places, packetByteCount) else {
                continue
            }
            if length > 16 { isTwoByte = true }
            values &+= length
            count &+= 1
        }
        self.isTwoByte = isTwoByte
        guard count > 0 else {
            byteCount = 0
            return
        }
        elementByteCount = values &+ count &* (isTwoByte ? 2 : 1)
        byteCount = 4 &+ (elementByteCount &+ 3) & ~3
    }

    /// How long the value is that is copied; nil if it is not.
    @inline(__always)
    static func length(
        _ kind: HeaderExtension, _ receiver: ReceiverExtensions, _ places: ExtensionPlaces,
        _ packetByteCount: Int
    ) -> Int? {
        guard receiver.ids.id(kind) != 0, let range = places[kind], range.upperBound <= packetByteCount
        else {
            return nil
        }
        // An empty value cannot be said in the one-byte form, and means nothing for any of these.
        guard range.count > 0, range.count <= (receiver.ids.allowsTwoByteForm ? 255 : 16) else {
            return nil
        }
        return range.count
    }
}

extension OutgoingRTP {
    /// Writes everything before the payload.
    @inline(__always)
    func writeHeader(
        _ plan: ExtensionPlan, _ receiver: ReceiverExtensions, hasPadding: Bool, elements: RawSpan,
        _ places: ExtensionPlaces, to output: inout OutputRawSpan
    ) throws(BytesError) -> WrittenRTP {
        let start = output.byteCount
        var written = WrittenRTP(
            byteCount: 0, payloadOffset: RTPHeader.fixedByteCount &+ plan.byteCount)
        let first: UInt8 = 0x80 | (hasPadding ? 0x20 : 0) | (plan.byteCount > 0 ? 0x10 : 0)
        let second = payloadType.rawValue | (marker ? 0x80 : 0)
        try output.write(
            UInt64(first) << 56 | UInt64(second) << 48 | UInt64(sequenceNumber.rawValue) << 32
                | UInt64(timestamp.rawValue))
        try output.write(ssrc.rawValue)
        guard plan.byteCount > 0 else { return written }

        let words = UInt32(truncatingIfNeeded: plan.byteCount &- 4) >> 2
        try output.write((plan.isTwoByte ? 0x1000_0000 : 0xbede_0000) | words)
        let ids = receiver.ids
        if ids.id(.transportSequenceNumber) != 0 {
            try plan.writeHead(ids.id(.transportSequenceNumber), 2, to: &output)
            written.transportSequenceNumberOffset = output.byteCount &- start
            try output.write(transportSequenceNumber.rawValue)
        }
        if let mid = receiver.mid, ids.id(.mid) != 0 {
            try plan.writeHead(ids.id(.mid), mid.count, to: &output)
            for index in 0..<mid.count { try output.write(mid[index]) }
        }
        if ids.id(.absoluteSendTime) != 0 {
            try plan.writeHead(ids.id(.absoluteSendTime), 3, to: &output)
            written.absoluteSendTimeOffset = output.byteCount &- start
            try output.write(UInt8(truncatingIfNeeded: absoluteSendTime.rawValue >> 16))
            try output.write(UInt16(truncatingIfNeeded: absoluteSendTime.rawValue))
        }
        for index in 0..<ExtensionPlan.copied.count {
            let kind = ExtensionPlan.copied[index]
            guard let length = ExtensionPlan.length(kind, receiver, places, elements.byteCount),
                let range = places[kind]
            else { continue }
            try plan.writeHead(ids.id(kind), length, to: &output)
            try output.write(elements.extracting(range))
        }
        try output.writeZeros(plan.byteCount &- 4 &- plan.elementByteCount)
        return written
    }
}

extension ExtensionPlan {
    /// Writes an element's id and length (RFC 8285 §4.2, §4.3).
    @inline(__always)
    func writeHead(_ id: UInt8, _ length: Int, to output: inout OutputRawSpan) throws(BytesError) {
        if isTwoByte {
            try output.write(UInt16(id) << 8 | UInt16(truncatingIfNeeded: length))
        } else {
            try output.write(id << 4 | UInt8(truncatingIfNeeded: length &- 1))
        }
    }
}
