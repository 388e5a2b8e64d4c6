/// Why bytes are no part of a TURN conversation, or why something could not be written.
public enum TURNError: Error, Equatable, Sendable {
    /// The first two bytes are no channel number.
    case notAChannel(UInt16)
    /// A ChannelData message that is shorter than its header, or than the length it states.
    case cutChannelData(stated: Int?, actual: Int)
    /// The stream carries something that is neither STUN nor ChannelData: it has lost its frames, or never had any.
    case notTURN(firstByte: UInt8)
    /// A STUN message on the stream without the magic cookie.
    case noMagicCookie(UInt32)
    /// A length that no message can have: a STUN length that is no multiple of four.
    case impossibleLength(Int)
    /// A message longer than the receiver takes.
    case tooLong(bytes: Int)
    /// The output is too small.
    case noRoom(needed: Int, left: Int)
}
