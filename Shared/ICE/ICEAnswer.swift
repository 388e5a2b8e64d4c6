internal import Addresses
internal import Bytes
public import STUN

extension STUNErrorCode {
    /// RFC 8445: both agents have the same role.
    public static let roleConflict = STUNErrorCode(rawValue: 487)
}

/// The answers to checks (RFC 8445 §7.3).
enum ICEAnswer {
    /// Whether USERNAME is for the agent with this fragment: what follows the colon is the peer's and not looked at (RFC 8445 §7.3).
    static func isUser(_ ufrag: String, _ username: RawSpan) -> Bool {
        let length = ufrag.utf8.count
        guard username.byteCount > length, username.uint8(at: length) == UInt8(ascii: ":") else { return false }
        var offset = 0
        for byte in ufrag.utf8 {
            guard username.uint8(at: offset) == byte else { return false }
            offset += 1
        }
        return true
    }

    /// The attributes that must be understood, and are.
    static func isKnown(_ type: STUNAttributeType) -> Bool {
        type == .username || type == .priority || type == .useCandidate
    }

    static func succeed(
        _ request: STUNHeader, remote: Endpoint, key: STUNKey, to output: inout OutputRawSpan
    ) throws(STUNError) {
        try reserve(output)
        let writer = try STUNWriter(STUNHeader(.success, .binding, request.transaction), to: &output)
        try writer.add(.xorMappedAddress, xorAddress: remote, to: &output)
        try writer.addIntegrity(.sha1, key, to: &output)
        try writer.addFingerprint(to: &output)
    }

    static func refuse(
        _ request: STUNHeader, _ code: STUNErrorCode, key: STUNKey?, unknown: STUNUnknownAttributes? = nil,
        to output: inout OutputRawSpan
    ) throws(STUNError) -> ICEOutcome {
        try reserve(output)
        let writer = try STUNWriter(STUNHeader(.failure, .binding, request.transaction), to: &output)
        try writer.addErrorCode(code, reason: "", to: &output)
        if let unknown { try writer.addUnknownAttributes(unknown, to: &output) }
        if let key { try writer.addIntegrity(.sha1, key, to: &output) }
        try writer.addFingerprint(to: &output)
        return .refused(code)
    }

    /// So that no answer is written by half. The longest lists sixteen unknown attributes: 20 + 8 + 36 + 24 + 8 bytes.
    static let longest = 128

    private static func reserve(_ output: borrowing OutputRawSpan) throws(STUNError) {
        guard output.freeCapacity >= longest else { throw .noRoom(needed: longest, left: output.freeCapacity) }
    }
}
