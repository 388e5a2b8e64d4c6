package import DTLS
package import ICE
package import MediaInterface
package import SDP

/// What a member's offer and its answer come to: all that a worker needs to know of a connection.
package struct ConnectionSetup: Sendable {
    /// How the offer stands to the one before.
    package enum Kind: Sendable {
        /// A connection of its own; an earlier one of this member is over.
        case new
        /// The same connection with other m-lines.
        case more
        /// The same, and ICE begins anew on it.
        case restart
    }

    package var member: MediaMember
    package var kind: Kind
    /// The client's number of the offer.
    package var number: UInt64
    package var localICE: ICE.ICECredentials
    package var remoteICE: ICE.ICECredentials
    /// Of the client's certificate.
    package var fingerprint: DTLSFingerprint
    package var session: NegotiatedSession
    /// Whether it may send sound and pictures.
    package var maySend: Bool

    package init(
        member: MediaMember, kind: Kind, number: UInt64, localICE: ICE.ICECredentials, remoteICE: ICE.ICECredentials,
        fingerprint: DTLSFingerprint, session: NegotiatedSession, maySend: Bool
    ) {
        self.member = member
        self.kind = kind
        self.number = number
        self.localICE = localICE
        self.remoteICE = remoteICE
        self.fingerprint = fingerprint
        self.session = session
        self.maySend = maySend
    }
}

/// What a member said before its first offer was answered.
struct SaidEarly: Sendable {
    var tracks: [MediaTrack]?
    var tiles: [MediaTile]?
}
