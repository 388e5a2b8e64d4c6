/// How an offer stands to what was agreed before.
public enum OfferRelation: Sendable, Equatable {
    /// There was nothing before.
    case first
    /// The same transport: m-lines were added or changed.
    case renegotiation
    /// Other ICE credentials and the same certificate: answer with new ICE credentials, keep DTLS (RFC 8842 §5.1).
    case iceRestart
    /// Another certificate: another connection, which replaces the one before.
    case newConnection
}

extension SessionDescription {
    /// How this offer stands to what was agreed before. An offer without usable transport counts as `renegotiation`: answering
    /// it says what is wrong.
    public func relation(to previous: NegotiatedSession?) -> OfferRelation {
        guard let previous else { return .first }
        let transport = bundleTransport
        let fingerprints = transport.fingerprints.filter(\.isStrong)
        guard let ice = transport.ice, !fingerprints.isEmpty else { return .renegotiation }
        guard fingerprints.contains(where: previous.remoteFingerprints.contains) else { return .newConnection }
        return ice == previous.remoteICE ? .renegotiation : .iceRestart
    }

    /// The mids of the first bundle, as far as m-lines of that name are here and not refused.
    var bundledMids: Set<String> {
        guard let bundle = bundles.first else { return [] }
        let live = Set(media.lazy.filter { !$0.isRefused }.compactMap(\.mid))
        return live.intersection(bundle)
    }

    /// ICE and DTLS of the bundle: what its first m-line in use says, and where that is silent the others and the session
    /// (RFC 9143 §7.1.3: the others need not say it).
    var bundleTransport: TransportAttributes {
        let mids = bundledMids
        var found = TransportAttributes()
        for section in media {
            guard let mid = section.mid, mids.contains(mid) else { continue }
            found.take(section.transport)
        }
        found.take(transport)
        return found
    }
}

extension TransportAttributes {
    /// Takes what is not known yet.
    fileprivate mutating func take(_ other: TransportAttributes) {
        ice = ice ?? other.ice
        setup = setup ?? other.setup
        if fingerprints.isEmpty { fingerprints = other.fingerprints }
        if iceOptions.isEmpty { iceOptions = other.iceOptions }
    }
}
