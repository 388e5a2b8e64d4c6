/// What a frame is; its byte on the wire.
package enum FrameKind: UInt8, Sendable {
    /// First on each side: version, limits, name.
    case hello = 1
    /// Opens a stream: method, time left, metadata.
    case headers = 2
    /// One message of a stream.
    case message = 3
    /// The opener of a stream has sent its last message.
    case end = 4
    /// The accepter of a stream ends it.
    case status = 5
    /// The opener of a stream takes it back.
    case cancel = 6
    /// More bytes of messages may be sent on a stream.
    case credit = 7
    /// Asks whether the peer lives.
    case ping = 8
    /// The answer.
    case pong = 9
    /// No more streams will be accepted.
    case goaway = 10

    /// Kinds from here on may be skipped by who does not know them; unknown ones below are errors.
    package static let firstSkippable: UInt8 = 0x40
}

/// The sixteen bytes before each payload: length (4), kind (1), flags (1), zero (2), stream (8), big-endian.
package struct FrameHeader: Sendable, Hashable {
    /// Bytes of a header.
    package static let byteCount = 16
    /// The sender's last message on this stream; from the accepter it also says that the call went well.
    package static let endFlag: UInt8 = 1

    /// Bytes of payload that follow.
    package var length: Int
    /// The kind's byte, known or not.
    package var kind: UInt8
    /// Bits; unknown ones are ignored.
    package var flags: UInt8
    /// The stream, or 0 for the connection.
    package var stream: UInt64

    /// A header for a frame to be written.
    package init(_ kind: FrameKind, flags: UInt8 = 0, stream: UInt64, length: Int) {
        self.length = length
        self.kind = kind.rawValue
        self.flags = flags
        self.stream = stream
    }

    /// Reads a header; `bytes` holds 16 bytes from `offset` on.
    package init(parsing bytes: Span<UInt8>, at offset: Int) {
        length = Int(bytes.integer(at: offset, UInt32.self))
        kind = bytes[offset + 4]
        flags = bytes[offset + 5]
        stream = bytes.integer(at: offset + 8, UInt64.self)
    }

    /// Appends the sixteen bytes.
    package func write(to bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(length))
        bytes.append(integer: UInt32(kind) << 24 | UInt32(flags) << 16)
        bytes.append(integer: stream)
    }
}

/// A peer broke the protocol: its connection ends, with these words.
package struct ProtocolViolation: Error, Sendable, Hashable {
    /// What it did.
    package var reason: String

    package init(_ reason: String) { self.reason = reason }
}

extension Span<UInt8> {
    func integer<Number: FixedWidthInteger>(at offset: Int, _: Number.Type) -> Number {
        var value: Number = 0
        for index in 0..<MemoryLayout<Number>.size {
            value = value << 8 | Number(truncatingIfNeeded: self[offset + index])
        }
        return value
    }

    func copied() -> [UInt8] {
        unsafe withUnsafeBufferPointer { unsafe Array($0) }
    }
}

extension [UInt8] {
    mutating func append<Number: FixedWidthInteger>(integer: Number) {
        var shift = Number.bitWidth
        while shift > 0 {
            shift -= 8
            append(UInt8(truncatingIfNeeded: integer >> Number(shift)))
        }
    }

    /// A text with its length in two bytes before it. Texts longer than that are cut: only reasons for people can be so long.
    mutating func append(text: String) {
        let bytes = Array(text.utf8.prefix(Int(UInt16.max)))
        append(integer: UInt16(bytes.count))
        append(contentsOf: bytes)
    }
}

/// Reads a control frame's payload from front to back.
struct PayloadReader: ~Escapable {
    private let bytes: Span<UInt8>
    private var offset = 0

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    mutating func integer<Number: FixedWidthInteger>(_ type: Number.Type) throws(ProtocolViolation) -> Number {
        let size = MemoryLayout<Number>.size
        guard bytes.count - offset >= size else { throw ProtocolViolation("a frame is cut short") }
        defer { offset += size }
        return bytes.integer(at: offset, type)
    }

    mutating func text() throws(ProtocolViolation) -> String {
        let count = Int(try integer(UInt16.self))
        guard bytes.count - offset >= count else { throw ProtocolViolation("a frame is cut short") }
        defer { offset += count }
        let slice = bytes.extracting(offset..<offset + count)
        let text = unsafe slice.withUnsafeBufferPointer { unsafe String(validating: $0, as: UTF8.self) }
        guard let text else { throw ProtocolViolation("a text is not UTF-8") }
        return text
    }
}
