public import Addresses
internal import Bytes

/// Writes one message at the end of an output, attribute by attribute. After each call the output holds a whole message.
///
/// A call that throws leaves the output as it was. Padding is always zeros.
public struct STUNWriter: Sendable {
    /// Where in the output the message starts.
    public let start: Int
    /// What was written first.
    public let header: STUNHeader

    /// Writes a header without attributes.
    public init(_ header: STUNHeader, to output: inout OutputRawSpan) throws(STUNError) {
        self.header = header
        start = output.byteCount
        try STUNWriter.check(output, STUNHeader.byteCount)
        STUNWriter.put(&output) { output throws(BytesError) in
            try output.write(header.type)
            try output.write(UInt16(0))
            try output.write(STUNHeader.magicCookie)
            try output.write(header.transaction.high)
            try output.write(header.transaction.low)
        }
    }

    /// Adds an attribute with these bytes.
    public func add(_ type: STUNAttributeType, bytes: RawSpan, to output: inout OutputRawSpan) throws(STUNError) {
        try begin(type, length: bytes.byteCount, &output)
        STUNWriter.put(&output) { output throws(BytesError) in
            try output.write(bytes)
            try output.writeZeros(-bytes.byteCount & 3)
        }
    }

    /// Adds an attribute whose value is text: USERNAME, REALM, NONCE, SOFTWARE, ALTERNATE-DOMAIN.
    public func add(_ type: STUNAttributeType, text: String, to output: inout OutputRawSpan) throws(STUNError) {
        let length = text.utf8.count
        guard length <= (type == .username ? STUNLimits.username : STUNLimits.text) else { throw .tooLong(type) }
        try begin(type, length: length, &output)
        STUNWriter.put(&output) { output throws(BytesError) in
            try output.write(text)
            try output.writeZeros(-length & 3)
        }
    }

    /// Adds an attribute whose value is one 32-bit number.
    public func add(_ type: STUNAttributeType, uint32 value: UInt32, to output: inout OutputRawSpan) throws(STUNError) {
        try begin(type, length: 4, &output)
        STUNWriter.put(&output) { output throws(BytesError) in try output.write(value) }
    }

    /// Adds an attribute whose value is one 64-bit number.
    public func add(_ type: STUNAttributeType, uint64 value: UInt64, to output: inout OutputRawSpan) throws(STUNError) {
        try begin(type, length: 8, &output)
        STUNWriter.put(&output) { output throws(BytesError) in try output.write(value) }
    }

    /// Adds an address in plain form: MAPPED-ADDRESS, ALTERNATE-SERVER.
    public func add(
        _ type: STUNAttributeType, address endpoint: Endpoint, to output: inout OutputRawSpan
    ) throws(STUNError) {
        let address = endpoint.address
        try begin(type, length: address.family == .v4 ? 8 : 20, &output)
        STUNWriter.put(&output) { output throws(BytesError) in
            try output.write(UInt16(address.family == .v4 ? 1 : 2))
            try output.write(endpoint.port)
            if let bits = address.v4Bits {
                try output.write(bits)
            } else {
                try output.write(address.high)
                try output.write(address.low)
            }
        }
    }

    /// Adds an address mixed with cookie and transaction: XOR-MAPPED-ADDRESS and its relatives.
    public func add(
        _ type: STUNAttributeType, xorAddress endpoint: Endpoint, to output: inout OutputRawSpan
    ) throws(STUNError) {
        try add(type, address: STUNAddress.xor(endpoint, header.transaction), to: &output)
    }

    /// Adds ERROR-CODE. The reason is for people and may be empty.
    public func addErrorCode(
        _ code: STUNErrorCode, reason: String, to output: inout OutputRawSpan
    ) throws(STUNError) {
        precondition((300...699).contains(code.rawValue), "an error code is 300 to 699")
        let length = 4 + reason.utf8.count
        guard length <= 4 + STUNLimits.text else { throw .tooLong(.errorCode) }
        try begin(.errorCode, length: length, &output)
        STUNWriter.put(&output) { output throws(BytesError) in
            try output.write(UInt16(0))
            try output.write(UInt8(code.rawValue / 100))
            try output.write(UInt8(code.rawValue % 100))
            try output.write(reason)
            try output.writeZeros(-length & 3)
        }
    }

    /// Adds UNKNOWN-ATTRIBUTES.
    public func addUnknownAttributes(
        _ types: STUNUnknownAttributes, to output: inout OutputRawSpan
    ) throws(STUNError) {
        try begin(.unknownAttributes, length: types.count * 2, &output)
        STUNWriter.put(&output) { output throws(BytesError) in
            for index in 0..<types.count { try output.write(types[index].rawValue) }
            try output.writeZeros(-(types.count * 2) & 3)
        }
    }

    /// Adds PASSWORD-ALGORITHM or PASSWORD-ALGORITHMS, without parameters (those known have none).
    public func add(
        _ type: STUNAttributeType, algorithms: [STUNPasswordAlgorithm], to output: inout OutputRawSpan
    ) throws(STUNError) {
        try begin(type, length: algorithms.count * 4, &output)
        STUNWriter.put(&output) { output throws(BytesError) in
            for algorithm in algorithms {
                try output.write(algorithm.rawValue)
                try output.write(UInt16(0))
            }
        }
    }

    /// Adds an integrity over all that was written so far. Only another kind of it and FINGERPRINT may follow.
    public func addIntegrity(
        _ kind: STUNIntegrity, _ key: STUNKey, to output: inout OutputRawSpan
    ) throws(STUNError) {
        let length = kind == .sha1 ? 20 : 32
        let end = output.byteCount - start
        try begin(kind.type, length: length, &output)
        let mac = Digest.hmac(
            kind, key, over: output.bytes.extracting(droppingFirst: start), first: end, endingAt: end + 4 + length)
        STUNWriter.put(&output) { output throws(BytesError) in
            for index in 0..<length { try output.write(mac[index]) }
        }
    }

    /// Adds FINGERPRINT, which must be the last.
    public func addFingerprint(to output: inout OutputRawSpan) throws(STUNError) {
        let end = output.byteCount - start
        try begin(.fingerprint, length: 4, &output)
        let crc = CRC32.checksum(of: output.bytes.extracting(droppingFirst: start), first: end)
        STUNWriter.put(&output) { output throws(BytesError) in
            try output.write(crc ^ STUNMessage.fingerprintMask)
        }
    }

    /// Writes type and length, having made sure that the value and its padding fit.
    private func begin(_ type: STUNAttributeType, length: Int, _ output: inout OutputRawSpan) throws(STUNError) {
        let padded = 4 + (length + 3) & ~3
        let total = output.byteCount - start - STUNHeader.byteCount + padded
        guard total <= Int(UInt16.max) else { throw .tooLong(type) }
        try STUNWriter.check(output, padded)
        output.replace(UInt16(total), at: start + 2)
        STUNWriter.put(&output) { output throws(BytesError) in
            try output.write(type.rawValue)
            try output.write(UInt16(length))
        }
    }

    private static func check(_ output: borrowing OutputRawSpan, _ count: Int) throws(STUNError) {
        guard count <= output.freeCapacity else { throw .noRoom(needed: count, left: output.freeCapacity) }
    }

    /// Writes what was checked to fit.
    private static func put(
        _ output: inout OutputRawSpan, _ body: (inout OutputRawSpan) throws(BytesError) -> Void
    ) {
        do throws(BytesError) {
            try body(&output)
        } catch {
            preconditionFailure("a field was checked to fit and does not: \(error)")
        }
    }
}
