/// Why bytes are not a good message, or why one could not be written.
public enum STUNError: Error, Equatable, Sendable {
    /// Shorter than a header, a wrong first byte, or no magic cookie (RFC 3489 clients have none).
    case notSTUN
    /// The length field disagrees with the datagram, or is no multiple of four.
    case wrongLength(stated: Int, actual: Int)
    /// An attribute runs beyond the message's end.
    case cutAttribute(STUNAttributeType)
    /// FINGERPRINT does not fit the bytes, or is not the last attribute.
    case wrongFingerprint
    /// An attribute's value breaks the rules of its kind.
    case malformed(STUNAttributeType)
    /// A value is longer than its kind allows, or than the message's length field can say.
    case tooLong(STUNAttributeType)
    /// The output is too small.
    case noRoom(needed: Int, left: Int)
}
