/// Why an offer gets no answer, or an answer is not understood.
public enum NegotiationError: Error, Equatable, Sendable {
    /// No m-line.
    case noMedia
    /// An m-line in use without `a=mid`, or with one that does not fit into a header extension (16 bytes).
    case noMid(index: Int)
    /// Two m-lines of the same name.
    case duplicateMid(String)
    /// Nothing is bundled.
    case noBundle
    /// No ICE credentials, or of wrong length.
    case noICECredentials
    /// No fingerprint that may be trusted: SHA-256 or stronger.
    case noFingerprint
    /// The client wants to be the DTLS server, and so do we.
    case cannotBePassive
    /// Fewer m-lines than before.
    case mediaRemoved(had: Int, has: Int)
    /// Another mid or kind in the place of an m-line that is in use.
    case mediaChanged(mid: String)

    /// A sentence for whoever sent the offer.
    public var reason: String {
        switch self {
        case .noMedia: "the description has no m-line"
        case .noMid(let index): "m-line \(index) has no a=mid, or one of more than 16 bytes"
        case .duplicateMid(let mid): "two m-lines have the mid \(mid)"
        case .noBundle: "the description has no a=group:BUNDLE with an m-line in use"
        case .noICECredentials: "the bundle has no a=ice-ufrag and a=ice-pwd of the lengths that RFC 8839 demands"
        case .noFingerprint: "the bundle has no a=fingerprint of sha-256, sha-384 or sha-512"
        case .cannotBePassive: "a=setup says passive, and the node is the DTLS server: offer actpass or active"
        case .mediaRemoved(let had, let has): "the description has \(has) m-lines, and the one before had \(had)"
        case .mediaChanged(let mid): "another mid or kind stands where the m-line \(mid) was"
        }
    }
}
