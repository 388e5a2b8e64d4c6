/// Why an input had no effect, or data was not relayed. The raw value is the metric's label.
public enum TURNDrop: String, Error, CaseIterable, Sendable {
    /// Longer than the receiver's buffer; its end was cut off. The worker says so: see `dropTruncated`.
    case truncated
    /// Neither STUN nor ChannelData, or STUN of RFC 3489 without the magic cookie.
    case notTURN = "not_turn"
    /// STUN or ChannelData whose length or attributes are broken.
    case malformed
    /// FINGERPRINT does not fit.
    case wrongFingerprint = "wrong_fingerprint"
    /// An answer, or an indication that no client sends.
    case notRequest = "not_request"
    /// A method that this server does not have.
    case unsupportedMethod = "unsupported_method"
    /// From port 0, a multicast, broadcast or unspecified address: an answer would hit others.
    case badSource = "bad_source"
    /// The sender's network gets more answers without authentication than an honest one would need.
    case overRate = "over_rate"
    /// A request so short that the answer would be more than four times as long.
    case overAmplified = "over_amplified"
    /// Data from a flow without an allocation.
    case noAllocation = "no_allocation"
    /// Data on a channel that is not bound.
    case noChannel = "no_channel"
    /// Data to or from a peer without a permission.
    case noPermission = "no_permission"
    /// Data to or from a peer that the policy refuses.
    case refusedPeer = "refused_peer"
    /// A Send indication that is not one: no peer, no data, attributes that are not understood.
    case badIndication = "bad_indication"
    /// A request that is in work already.
    case pending
    /// The user's bandwidth is used up.
    case userBandwidth = "user_bandwidth"
    /// The server's bandwidth is used up.
    case totalBandwidth = "total_bandwidth"
    /// Data for a relay that nobody has (any more).
    case unknownRelay = "unknown_relay"
    /// Data that does not fit a message to the client.
    case tooLong = "too_long"
    /// An ICMP error that is not for a client (RFC 8656 §11.5).
    case otherICMP = "other_icmp"
    /// The worker's answer came too late: the allocation has ended.
    case lateAnswer = "late_answer"

    /// Its place in a table of counters.
    var index: Int {
        switch self {
        case .truncated: 0
        case .notTURN: 1
        case .malformed: 2
        case .wrongFingerprint: 3
        case .notRequest: 4
        case .unsupportedMethod: 5
        case .badSource: 6
        case .overRate: 7
        case .overAmplified: 8
        case .noAllocation: 9
        case .noChannel: 10
        case .noPermission: 11
        case .refusedPeer: 12
        case .badIndication: 13
        case .pending: 14
        case .userBandwidth: 15
        case .totalBandwidth: 16
        case .unknownRelay: 17
        case .tooLong: 18
        case .otherICMP: 19
        case .lateAnswer: 20
        }
    }
}
