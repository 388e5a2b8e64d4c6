/// Why bytes could not be read or written.
public enum BytesError: Error, Equatable, Sendable {
    /// Fewer bytes are left than the field takes.
    case tooShort(needed: Int, left: Int)
    /// The output has less room than the field takes.
    case noRoom(needed: Int, left: Int)
}
