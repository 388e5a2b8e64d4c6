internal import Addresses
internal import STUN
internal import Time

/// What an Allocate asks for, checked in the order of RFC 8656 §7.2.
struct AllocateWish {
    /// What the worker is to bind.
    let families: RelayFamilies
    /// A second family was wished for that this server does not have: said in the answer, which is a success (§7.2).
    let missing: IPAddress.Family?
    let port: PortWish
    let lifetime: Interval

    /// The attributes, each read but not yet weighed.
    private struct Attributes {
        let transport: TURNTransport?
        let requested: UInt8?
        let additional: UInt8?
        let evenPort: Bool?
        let token: UInt64?
        let lifetime: UInt32?

        init(_ message: STUNMessage) throws(STUNError) {
            transport = try message.requestedTransport()
            requested = try message.familyNumber(.requestedAddressFamily)
            additional = try message.familyNumber(.additionalAddressFamily)
            evenPort = try message.evenPort()
            token = try message.reservationToken()
            lifetime = try message.lifetime()
            _ = try message.dontFragment()
        }
    }

    /// - Parameter newToken: the token of a port that is to be kept; only asked for if one is.
    init(
        _ message: STUNMessage, _ configuration: borrowing TURNServerConfiguration, newToken: () -> UInt64
    ) throws(Refusal) {
        let attributes: Attributes
        do throws(STUNError) {
            attributes = try Attributes(message)
        } catch {
            throw Refusal(error)
        }
        guard let transport = attributes.transport else { throw Refusal(.badRequest) }
        // TCP to peers is RFC 6062, which would begin here.
        guard transport == .udp else { throw Refusal(.unsupportedTransportProtocol) }
        lifetime = AllocateWish.lifetime(attributes.lifetime, configuration)
        if let token = attributes.token {
            guard attributes.evenPort == nil, attributes.requested == nil, attributes.additional == nil else {
                throw Refusal(.badRequest)
            }
            // The family is that of the port that was kept.
            (families, missing, port) = (.both, nil, .kept(token: token))
            return
        }
        guard attributes.requested == nil || attributes.additional == nil else { throw Refusal(.badRequest) }
        // Only IPv6 can be additional to IPv4; and a port kept beside each of two is not foreseen.
        guard attributes.additional != 1, attributes.additional == nil || attributes.evenPort != true else {
            throw Refusal(.badRequest)
        }
        let requested = try AllocateWish.family(attributes.requested ?? 1)
        if let number = attributes.additional {
            let additional = try AllocateWish.family(number)
            switch (configuration.families.contains(requested), configuration.families.contains(additional)) {
            case (true, true): (families, missing) = (.both, nil)
            case (true, false): (families, missing) = (.v4, additional)
            case (false, true): (families, missing) = (.v6, requested)
            case (false, false): throw Refusal(.addressFamilyNotSupported)
            }
        } else {
            guard configuration.families.contains(requested) else { throw Refusal(.addressFamilyNotSupported) }
            (families, missing) = (requested == .v4 ? .v4 : .v6, nil)
        }
        switch attributes.evenPort {
        case nil: port = .any
        case false?: port = .even
        case true?: port = .evenAndNext(token: newToken())
        }
    }

    /// The lifetime for a wish: no less than the default, no more than the maximum (§7.2).
    static func lifetime(_ stated: UInt32?, _ configuration: TURNServerConfiguration) -> Interval {
        let wish = stated.map { Interval.seconds(Int64($0)) } ?? configuration.defaultLifetime
        return max(configuration.defaultLifetime, min(wish, configuration.maximumLifetime))
    }

    /// A family that nobody knows is not supported (§7.2), which is no malformed request.
    private static func family(_ number: UInt8) throws(Refusal) -> IPAddress.Family {
        switch number {
        case 1: .v4
        case 2: .v6
        default: throw Refusal(.addressFamilyNotSupported)
        }
    }
}
