public import Addresses
internal import STUN
public import TURNServer
public import Time

/// Answers Binding requests: who asks learns its address as seen from here (RFC 8489 §12, the basic server).
///
/// A machine without I/O and, but for its limits, without state. It never says more than three times what it was asked, and
/// nothing at all to anything but a well-formed Binding request. No credentials: the answer is worth nothing to anyone else.
public struct StunResponder: Sendable {
    /// What an answer was.
    public enum Answer: Sendable {
        /// The address.
        case address
        /// 420, with the attributes that were not understood.
        case unknownAttributes
    }

    /// An answer is at most so many times as long as its request, as a request's source may be forged.
    public static let amplification = 3

    private let software: String
    private var limiter: SourceLimiter

    /// A responder that calls itself `software`, which has at most 8 characters to keep answers short.
    public init(software: String, limiter: SourceLimiter) {
        precondition(software.utf8.count <= 8, "a longer name would break the bound on answers")
        self.software = software
        self.limiter = limiter
    }

    /// Takes a datagram and writes the answer to `output`. Throws why there is none.
    public mutating func receive(
        _ bytes: RawSpan, from source: Endpoint, now: Instant, to output: inout OutputRawSpan
    ) throws(StunDrop) -> Answer {
        let address = source.address
        guard source.port != 0, !address.isUnspecified, !address.isMulticast, !address.isBroadcast else {
            throw .badSource
        }
        let message = try StunResponder.parse(bytes)
        guard message.header.messageClass == .request else { throw .notRequest }
        guard message.header.method == .binding else { throw .unsupportedMethod }
        guard limiter.admit(address, now: now) else { throw .overRate }

        let unknown = message.unknownRequired(isKnown: StunResponder.isKnown)
        do throws(STUNError) {
            if unknown.isEmpty {
                let header = STUNHeader(.success, .binding, message.header.transaction)
                let writer = try STUNWriter(header, to: &output)
                try writer.add(.xorMappedAddress, xorAddress: source, to: &output)
                try finish(writer, fingerprint: message.hasFingerprint, &output)
                return .address
            }
            let header = STUNHeader(.failure, .binding, message.header.transaction)
            let writer = try STUNWriter(header, to: &output)
            try writer.addErrorCode(.unknownAttribute, reason: "", to: &output)
            try writer.addUnknownAttributes(unknown, to: &output)
            try finish(writer, fingerprint: message.hasFingerprint, &output)
            return .unknownAttributes
        } catch {
            preconditionFailure("an answer of under 150 bytes does not fit its output: \(error)")
        }
    }

    /// RFC 8489 §6.3.1: SOFTWARE should be there; FINGERPRINT where the request had one.
    private func finish(
        _ writer: STUNWriter, fingerprint: Bool, _ output: inout OutputRawSpan
    ) throws(STUNError) {
        try writer.add(.software, text: software, to: &output)
        if fingerprint { try writer.addFingerprint(to: &output) }
    }

    @_lifetime(copy bytes)
    private static func parse(_ bytes: RawSpan) throws(StunDrop) -> STUNMessage {
        do throws(STUNError) {
            return try STUNMessage(parsing: bytes)
        } catch {
            switch error {
            case .notSTUN: throw .notSTUN
            case .wrongFingerprint: throw .wrongFingerprint
            default: throw .malformed
            }
        }
    }

    /// Credentials may come with a request and are not looked at: this server asks for none.
    private static func isKnown(_ type: STUNAttributeType) -> Bool {
        switch type {
        case .username, .userhash, .realm, .nonce, .messageIntegrity, .messageIntegritySHA256, .passwordAlgorithm,
            .mappedAddress, .xorMappedAddress, .errorCode, .unknownAttributes:
            true
        default:
            false
        }
    }
}
