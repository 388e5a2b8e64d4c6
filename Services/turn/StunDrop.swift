/// Why a datagram got no answer. The raw value is the metric's label.
public enum StunDrop: String, Error, CaseIterable, Sendable {
    /// Longer than any message we take; its end was cut off.
    case truncated
    /// Not STUN, or of RFC 3489 without the magic cookie.
    case notSTUN = "not_stun"
    /// STUN, but its length or an attribute is broken.
    case malformed
    /// FINGERPRINT does not fit.
    case wrongFingerprint = "wrong_fingerprint"
    /// An answer or an indication: there is nothing to answer.
    case notRequest = "not_request"
    /// Another method than Binding.
    case unsupportedMethod = "unsupported_method"
    /// From port 0, a multicast, broadcast or unspecified address: an answer would hit others.
    case badSource = "bad_source"
    /// The sender's network asks more than an honest one would.
    case overRate = "over_rate"

    /// Its place in `StunCounters`.
    var index: Int {
        switch self {
        case .truncated: 0
        case .notSTUN: 1
        case .malformed: 2
        case .wrongFingerprint: 3
        case .notRequest: 4
        case .unsupportedMethod: 5
        case .badSource: 6
        case .overRate: 7
        }
    }
}

/// What became of the datagrams so far.
public struct StunCounters: Sendable {
    /// Binding requests answered with an address.
    public internal(set) var answered: UInt64 = 0
    /// Requests answered with 420.
    public internal(set) var refused: UInt64 = 0
    private var drops = [8 of UInt64](repeating: 0)

    /// None yet.
    public init() {}

    /// Datagrams dropped for a reason.
    public internal(set) subscript(drop: StunDrop) -> UInt64 {
        get { drops[drop.index] }
        set { drops[drop.index] = newValue }
    }
}
