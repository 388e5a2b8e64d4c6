public import Addresses
public import STUN
public import Time

/// What a server gave.
public struct TURNAllocation: Equatable, Sendable {
    /// Where peers send to: one address, or one of each family.
    public var relayed: [Endpoint]
    /// Where the server sees the client.
    public var mapped: Endpoint?
    /// How long it lives unless refreshed.
    public var lifetime: Interval
    /// With it another allocation can have the port after this one's.
    public var reservationToken: UInt64?
    /// Which family could not be had, and why, where both were wanted.
    public var missing: Missing?

    /// A family without a relay address.
    public struct Missing: Equatable, Sendable {
        /// The family.
        public var family: IPAddress.Family
        /// Why.
        public var code: STUNErrorCode

        /// That family, for that reason.
        public init(family: IPAddress.Family, code: STUNErrorCode) {
            self.family = family
            self.code = code
        }
    }

    /// An allocation of these.
    public init(
        relayed: [Endpoint], mapped: Endpoint?, lifetime: Interval, reservationToken: UInt64? = nil,
        missing: Missing? = nil
    ) {
        self.relayed = relayed
        self.mapped = mapped
        self.lifetime = lifetime
        self.reservationToken = reservationToken
        self.missing = missing
    }
}

/// Why something was not had.
public enum TURNFailure: Error, Equatable, Sendable {
    /// The server said no. 401: name or password are wrong; 486: quota; 508: no port left; 437, 403, 440, …
    case refused(STUNErrorCode)
    /// The server names another to ask (300), and perhaps the name in that one's certificate.
    case alternate(Endpoint, domain: String?)
    /// All repetitions went unanswered.
    case noAnswer
    /// The server wants credentials, and there are none.
    case credentialsNeeded
    /// The server offers no password algorithm that is known here.
    case noKnownAlgorithm
    /// The nonce says that a list of password algorithms was sent, and none came: someone took it out on the way
    /// (RFC 8489 §9.2.5).
    case bidDown
    /// The answer lacks what it must have, or breaks the rules of an attribute.
    case malformedAnswer
}

/// What happened.
public enum TURNClientEvent: Equatable, Sendable {
    /// There is a relay address.
    case allocated(TURNAllocation)
    /// There is none, and will not be unless asked again. After 486 and 508 wait a minute or more (RFC 8656 §7.4).
    case notAllocated(TURNFailure)
    /// A peer's address may send and be sent to.
    case permitted(IPAddress)
    /// It may not, or no longer.
    case notPermitted(IPAddress, TURNFailure)
    /// A channel stands for a peer from now on.
    case bound(ChannelNumber, Endpoint)
    /// It does not, or no longer.
    case notBound(ChannelNumber, Endpoint, TURNFailure)
    /// A peer sent data: where it is in the bytes that were just received.
    case data(from: Endpoint, Range<Int>)
    /// A packet to a peer brought back an ICMP error: type, code, and the MTU where it was too big (RFC 8656 §18.13).
    case unreachable(Endpoint, type: UInt8, code: UInt16, data: UInt32)
    /// The allocation is gone: refused, or not answered when it was to be refreshed, or over.
    case lost(TURNFailure)
    /// The allocation was given back, as asked.
    case released
}

/// Why a call could not be done. The machine is as before.
public enum TURNClientError: Error, Equatable, Sendable {
    /// It wants an allocation, and there is none.
    case notAllocated
    /// There is an allocation, or one is asked for.
    case alreadyAllocated
    /// There is no relay address of the peer's family.
    case noRelayAddress(IPAddress.Family)
    /// The peer is not permitted yet.
    case notPermitted(IPAddress)
    /// As many peers as the settings allow are there.
    case tooManyPeers(limit: Int)
    /// It cannot be written.
    case unwritable(STUNError)
    /// It is no ChannelData that can be written.
    case unwritableData(TURNError)
}

/// Why bytes from the server were dropped. Nothing changed.
public enum TURNClientDrop: Error, Equatable, Sendable {
    /// They are not STUN.
    case malformed(STUNError)
    /// They are not ChannelData.
    case malformedData(TURNError)
    /// The channel is bound to nobody.
    case unknownChannel(ChannelNumber)
    /// An answer to nothing that was asked, or a second one.
    case unknownTransaction
    /// A request, or an indication that is no Data.
    case unexpected(STUNMethod, STUNClass)
    /// An answer that nobody vouches for, or somebody with another key.
    case notAuthentic
    /// It holds attributes that must be understood and are not.
    case notUnderstood(STUNAttributeType)
    /// Data from somebody who was not permitted.
    case notPermitted(IPAddress)
}
