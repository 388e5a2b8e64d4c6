import Addresses
import Bytes
import STUN

/// All that a message says, as values that a test can compare (`#expect` cannot hold a view).
struct Reading: Equatable {
    var header: STUNHeader
    var types: [STUNAttributeType] = []
    var hasFingerprint = false
    var username: String?
    var realm: String?
    var nonce: String?
    var software: String?
    var alternateDomain: String?
    var userhash: [UInt8]?
    var mapped: Endpoint?
    var xorMapped: Endpoint?
    var alternateServer: Endpoint?
    var errorCode: STUNErrorCode?
    var errorReason: String?
    var unknownAttributes: [STUNAttributeType]?
    var passwordAlgorithm: STUNPasswordAlgorithm?
    var passwordAlgorithms: [STUNPasswordAlgorithm]?
    var priority: UInt32?
    var iceControlled: UInt64?

    init(header: STUNHeader, types: [STUNAttributeType] = []) {
        self.header = header
        self.types = types
    }

    init(_ bytes: [UInt8]) throws(STUNError) {
        let message = try STUNMessage(parsing: bytes.span.raw)
        header = message.header
        var types: [STUNAttributeType] = []
        message.forEachType { types.append($0) }
        self.types = types
        hasFingerprint = message.hasFingerprint
        if let value = try message.username() { username = Reading.text(value) }
        if let value = try message.realm() { realm = Reading.text(value) }
        if let value = try message.nonce() { nonce = Reading.text(value) }
        if let value = try message.software() { software = Reading.text(value) }
        if let value = try message.alternateDomain() { alternateDomain = Reading.text(value) }
        if let value = try message.userhash() { userhash = [UInt8](copying: value) }
        mapped = try message.mappedAddress()
        xorMapped = try message.xorMappedAddress()
        alternateServer = try message.alternateServer()
        errorCode = try message.errorCode()
        if let value = try message.errorReason() { errorReason = Reading.text(value) }
        if let listed = try message.unknownAttributes() {
            unknownAttributes = (0..<listed.count).map { listed[$0] }
        }
        passwordAlgorithm = try message.passwordAlgorithm()
        passwordAlgorithms = try message.passwordAlgorithms()
        priority = try message.uint32(.priority)
        iceControlled = try message.uint64(.iceControlled)
    }

    private static func text(_ span: RawSpan) -> String { String(decoding: [UInt8](copying: span), as: UTF8.self) }
}

/// Whether the bytes are a message whose integrity fits the key.
func isTrusted(_ bytes: [UInt8], _ kind: STUNIntegrity, _ key: STUNKey) -> Bool {
    guard let message = try? STUNMessage(parsing: bytes.span.raw) else { return false }
    return message.verify(kind, key)
}
