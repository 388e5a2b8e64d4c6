internal import Bytes

/// What a receiver has agreed on, and which of its m-lines a stream belongs to: the same for all packets of a slot.
public struct ReceiverExtensions: Sendable {
    /// The receiver's ids, as far as they can be written.
    public let ids: HeaderExtensionMap
    /// The slot's m-line, stamped on each packet; nil for none.
    public let mid: StreamLabel?
    /// Whether an id does not fit the one-byte form, so that the two-byte form must be used always.
    let needsTwoByteForm: Bool
    /// Which extensions are copied from received packets, as far as they have them.
    let copied: [5 of HeaderExtension]
    let copiedCount: Int
    /// What each packet's extension begins with, in both forms.
    let oneByteStart: ExtensionStart
    let twoByteStart: ExtensionStart

    /// Extensions of a slot. Ids over 14 count only where the two-byte form is allowed.
    public init(ids: HeaderExtensionMap, mid: StreamLabel?) {
        var usable = ids
        var needsTwoByteForm = false
        for kind in HeaderExtension.allCases {
            guard let id = ids[kind], id > 14 else { continue }
            if ids.allowsTwoByteForm { needsTwoByteForm = true } else { usable[kind] = nil }
        }
        var copied = [5 of HeaderExtension](repeating: .audioLevel)
        var copiedCount = 0
        let candidates: [HeaderExtension] = [
            .audioLevel, .videoOrientation, .playoutDelay, .absoluteCaptureTime, .dependencyDescriptor,
        ]
        for kind in candidates where usable[kind] != nil {
            copied[copiedCount] = kind
            copiedCount += 1
        }
        self.ids = usable
        self.mid = mid
        self.needsTwoByteForm = needsTwoByteForm
        self.copied = copied
        self.copiedCount = copiedCount
        oneByteStart = ExtensionStart(usable, mid, isTwoByte: false)
        twoByteStart = ExtensionStart(usable, mid, isTwoByte: true)
    }
}

/// The elements that are the receiver's own: they have the same length in each packet, and all but two the same value.
struct ExtensionStart: Sendable {
    // Two bytes of transport number, sixteen of mid, three of send time, two before each.
    private(set) var bytes = [28 of UInt8](repeating: 0)
    private(set) var count = 0
    private(set) var transportSequenceNumberOffset: Int?
    private(set) var absoluteSendTimeOffset: Int?

    init(_ ids: HeaderExtensionMap, _ mid: StreamLabel?, isTwoByte: Bool) {
        if let id = ids[.transportSequenceNumber] {
            appendHead(id, 2, isTwoByte)
            transportSequenceNumberOffset = count
            count += 2
        }
        if let id = ids[.mid], let mid {
            appendHead(id, mid.count, isTwoByte)
            for index in 0..<mid.count { append(mid[index]) }
        }
        if let id = ids[.absoluteSendTime] {
            appendHead(id, 3, isTwoByte)
            absoluteSendTimeOffset = count
            count += 3
        }
    }

    private mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    /// An element's id and length (RFC 8285 §4.2, §4.3).
    private mutating func appendHead(_ id: UInt8, _ length: Int, _ isTwoByte: Bool) {
        if isTwoByte {
            append(id)
            append(UInt8(length))
        } else {
            append(id << 4 | UInt8(length - 1))
        }
    }
}
