package import Time

/// The payload of HELLO. What follows the known fields belongs to later versions and is skipped.
package struct Hello: Sendable, Hashable {
    /// The versions of this protocol that there are.
    package static let version: UInt16 = 1
    private static let magic: UInt64 = 0x524F_4F53_5442_5553  // "ROOSTBUS"

    /// The oldest version that the sender speaks.
    package var oldest: UInt16 = Hello.version
    /// The newest version that the sender speaks.
    package var newest: UInt16 = Hello.version
    /// Bytes of messages that may be sent to it on a new stream.
    package var streamCredit: UInt32
    /// Streams that may be open to it at once.
    package var streams: UInt32
    /// What it calls itself: a service's id.
    package var name: String

    package init(streamCredit: UInt32, streams: UInt32, name: String) {
        self.streamCredit = streamCredit
        self.streams = streams
        self.name = name
    }

    package init(parsing bytes: Span<UInt8>) throws(ProtocolViolation) {
        var reader = PayloadReader(bytes)
        guard try reader.integer(UInt64.self) == Hello.magic else {
            throw ProtocolViolation("the peer does not speak this protocol")
        }
        oldest = try reader.integer(UInt16.self)
        newest = try reader.integer(UInt16.self)
        streamCredit = try reader.integer(UInt32.self)
        streams = try reader.integer(UInt32.self)
        name = try reader.text()
    }

    package func write(to bytes: inout [UInt8]) {
        bytes.append(integer: Hello.magic)
        bytes.append(integer: oldest)
        bytes.append(integer: newest)
        bytes.append(integer: streamCredit)
        bytes.append(integer: streams)
        bytes.append(text: name)
    }
}

/// The payload of HEADERS.
package struct CallHead: Sendable, Hashable {
    /// `/package.Service/Method`
    package var method: String
    /// Time left for the call; nil where it may take for ever.
    package var timeout: Interval?
    /// What travels beside the messages.
    package var metadata: BusMetadata

    package init(method: String, timeout: Interval?, metadata: BusMetadata) {
        self.method = method
        self.timeout = timeout
        self.metadata = metadata
    }

    package init(parsing bytes: Span<UInt8>) throws(ProtocolViolation) {
        var reader = PayloadReader(bytes)
        let microseconds = try reader.integer(UInt64.self)
        // Beyond 292 years is for ever.
        timeout = microseconds == 0 ? nil : .microseconds(1) * Int64(clamping: microseconds)
        method = try reader.text()
        metadata = BusMetadata()
        let count = try reader.integer(UInt16.self)
        guard count <= WireLimits.metadataEntries else { throw ProtocolViolation("too much metadata") }
        for _ in 0..<count {
            let key = try reader.text()
            metadata[key] = try reader.text()
        }
        guard metadata.byteCount <= WireLimits.metadataBytes else { throw ProtocolViolation("too much metadata") }
    }

    package func write(to bytes: inout [UInt8]) {
        // Zero means for ever, so what is almost over is one microsecond.
        bytes.append(integer: timeout.map { UInt64(max($0.microseconds, 1)) } ?? 0)
        bytes.append(text: method)
        bytes.append(integer: UInt16(metadata.entries.count))
        for entry in metadata.entries {
            bytes.append(text: entry.key)
            bytes.append(text: entry.value)
        }
    }
}

extension BusMetadata {
    var byteCount: Int { entries.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count } }

    var fits: Bool { entries.count <= WireLimits.metadataEntries && byteCount <= WireLimits.metadataBytes }
}

extension BusStatus {
    init(parsing bytes: Span<UInt8>) throws(ProtocolViolation) {
        var reader = PayloadReader(bytes)
        // A code of a later version is an unknown end.
        code = StatusCode(rawValue: try reader.integer(UInt32.self)) ?? .unknown
        message = try reader.text()
    }

    func write(to bytes: inout [UInt8]) {
        bytes.append(integer: code.rawValue)
        // Long texts are cut to what a control frame holds.
        bytes.append(text: message.utf8.count <= 4096 ? message : String(message.prefix(1024)))
    }
}
