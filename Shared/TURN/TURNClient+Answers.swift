internal import Addresses
internal import Bytes
internal import STUN
public import Time

// What comes from the server.

extension TURNClient {
    /// Takes one message of the server: a datagram, or a frame of the stream.
    public mutating func receive(_ bytes: RawSpan, now: Instant) throws(TURNClientDrop) -> TURNClientEvent? {
        if ChannelData.looksLikeChannelData(bytes) { return try receiveChannelData(bytes) }
        let message: STUNMessage
        do throws(STUNError) {
            message = try STUNMessage(parsing: bytes)
        } catch {
            throw .malformed(error)
        }
        let unknown = message.unknownRequired(isKnown: TURNClient.understands)
        guard unknown.isEmpty else { throw .notUnderstood(unknown[0]) }
        switch (message.header.messageClass, message.header.method) {
        case (.success, _), (.failure, _): return try receiveAnswer(message, now: now)
        case (.indication, .data): return try receiveData(message)
        case (let messageClass, let method): throw .unexpected(method, messageClass)
        }
    }

    private func receiveChannelData(_ bytes: RawSpan) throws(TURNClientDrop) -> TURNClientEvent {
        let message: ChannelData
        do throws(TURNError) {
            message = try ChannelData(parsing: bytes)
        } catch {
            throw .malformedData(error)
        }
        let position = message.channel.position
        guard position < bindings.count, !bindings[position].isOver else { throw .unknownChannel(message.channel) }
        let start = ChannelData.headerByteCount
        return .data(from: bindings[position].peer, start..<(start + message.data.byteCount))
    }

    private func receiveData(_ message: borrowing STUNMessage) throws(TURNClientDrop) -> TURNClientEvent {
        let sender: Endpoint?
        let icmp: (type: UInt8, code: UInt16, data: UInt32)?
        do throws(STUNError) {
            sender = try message.xorPeerAddress()
            icmp = try message.icmp()
        } catch {
            throw .malformed(error)
        }
        guard let sender else { throw .malformed(.malformed(.xorPeerAddress)) }
        guard permissions[sender.address]?.isGranted == true else { throw .notPermitted(sender.address) }
        if let icmp { return .unreachable(sender, type: icmp.type, code: icmp.code, data: icmp.data) }
        guard let range = message.dataRange() else { throw .malformed(.malformed(.data)) }
        return .data(from: sender, range)
    }

    private mutating func receiveAnswer(
        _ message: borrowing STUNMessage, now: Instant
    ) throws(TURNClientDrop) -> TURNClientEvent? {
        let header = message.header
        guard let index = requests.firstIndex(where: { $0.isAnswered(by: header) }),
            case .sent(let sent) = requests[index].phase
        else { throw .unknownTransaction }
        let isSigned = sent.authentication.map { message.verify($0.integrity, $0.key) }
        if header.messageClass == .success {
            guard isSigned != false else { throw .notAuthentic }
            return succeed(requests.remove(at: index).purpose, message, now: now)
        }
        let code: STUNErrorCode?
        do throws(STUNError) {
            code = try message.errorCode()
        } catch {
            throw .malformed(error)
        }
        guard let code else { throw .malformed(.malformed(.errorCode)) }
        guard isSigned != false || TURNClient.comeUnsigned.contains(code) else { throw .notAuthentic }
        if code == .unauthenticated || code == .staleNonce {
            guard let failure = challenged(index, code, message, sent) else { return nil }
            return fail(requests.remove(at: index).purpose, failure)
        }
        return fail(requests.remove(at: index).purpose, TURNClient.failure(code, message))
    }

    /// Signs a request anew, as the server wants it; or says why not (RFC 8489 §9.2.5).
    private mutating func challenged(
        _ index: Int, _ code: STUNErrorCode, _ message: borrowing STUNMessage, _ sent: ClientRequest.Sent
    ) -> TURNFailure? {
        let next: LongTermAuthentication
        do throws(TURNFailure) {
            next = try LongTermAuthentication(
                challenge: message, credentials: settings.credentials, previous: sent.authentication)
        } catch {
            return error
        }
        // Signed for this very realm, and still refused: name or password are wrong.
        if code == .unauthenticated, sent.authentication?.realm == next.realm { return .refused(code) }
        guard requests[index].challenges < ClientRequest.maximumChallenges else { return .refused(code) }
        requests[index].challenges += 1
        requests[index].phase = .waiting
        authentication = next
        return nil
    }

    private mutating func succeed(
        _ purpose: ClientRequest.Purpose, _ message: borrowing STUNMessage, now: Instant
    ) -> TURNClientEvent? {
        switch purpose {
        case .allocate:
            guard let allocation = try? TURNAllocation(answer: message) else {
                return fail(purpose, .malformedAnswer)
            }
            state = .allocated(TURNClient.lease(allocation, now: now))
            return .allocated(allocation)
        case .refresh(isRelease: true):
            end()
            return .released
        case .refresh(isRelease: false):
            guard case .allocated(let lease) = state else { return nil }
            let stated =
                (try? message.lifetime()) ?? UInt32(clamping: lease.allocation.lifetime.nanoseconds / 1_000_000_000)
            guard stated > 0 else { return fail(purpose, .noAnswer) }
            var allocation = lease.allocation
            allocation.lifetime = .seconds(Int64(stated))
            state = .allocated(TURNClient.lease(allocation, now: now))
            return nil
        case .permit(let address):
            let isNew = permissions[address]?.isGranted != true
            permissions[address] = Permission(isGranted: true, refreshAt: now + TURNClient.peerRefresh)
            return isNew ? .permitted(address) : nil
        case .bind(let channel, let peer):
            let isNew = !bindings[channel.position].isBound
            bindings[channel.position].isBound = true
            bindings[channel.position].refreshAt = now + TURNClient.peerRefresh
            // The channel's refreshes are this permission's, too (RFC 8656 §12).
            if permissions[peer.address]?.isGranted != true { permissions[peer.address] = Permission(isGranted: true) }
            return isNew ? .bound(channel, peer) : nil
        }
    }

    private static func lease(_ allocation: TURNAllocation, now: Instant) -> Lease {
        // RFC 8656 §8.1 advises a minute before the end: room for all repetitions of a lost request.
        let early = min(Interval.seconds(60), allocation.lifetime / 2)
        return Lease(
            allocation: allocation, expires: now + allocation.lifetime, refreshAt: now + (allocation.lifetime - early))
    }

    private static func failure(_ code: STUNErrorCode, _ message: borrowing STUNMessage) -> TURNFailure {
        guard code == .tryAlternate else { return .refused(code) }
        guard let server = try? message.alternateServer() else { return .malformedAnswer }
        guard let domain = try? message.alternateDomain() else { return .alternate(server, domain: nil) }
        return .alternate(server, domain: String(decoding: [UInt8](copying: domain), as: UTF8.self))
    }

    /// A permission lives five minutes and a channel ten, but grants its permission for five only (RFC 8656 §9, §12). A
    /// minute is left for all repetitions of a lost request.
    static let peerRefresh = Interval.seconds(240)

    /// What a server says before it knows who asks, and so cannot sign. All else must be signed (RFC 8489 §9.2.5).
    private static let comeUnsigned: [STUNErrorCode] = [
        .tryAlternate, .badRequest, .unauthenticated, .unknownAttribute, .staleNonce, .serverError,
    ]

    /// Attributes below 0x8000 that may come from a server.
    private static func understands(_ type: STUNAttributeType) -> Bool {
        switch type {
        case .mappedAddress, .xorMappedAddress, .username, .errorCode, .unknownAttributes, .realm, .nonce,
            .passwordAlgorithm, .userhash, .channelNumber, .lifetime, .xorPeerAddress, .data, .xorRelayedAddress,
            .requestedAddressFamily, .evenPort, .requestedTransport, .dontFragment, .reservationToken:
            true
        default: false
        }
    }
}

extension ClientRequest {
    func isAnswered(by header: STUNHeader) -> Bool {
        guard case .sent(let sent) = phase else { return false }
        return sent.transaction == header.transaction && purpose.method == header.method
    }
}

extension TURNAllocation {
    /// Reads an answer; throws if it lacks the relay address or the lifetime.
    fileprivate init(answer message: borrowing STUNMessage) throws(STUNError) {
        var relayed: [Endpoint] = []
        try message.forEachRelayedAddress { if relayed.count < 2 { relayed.append($0) } }
        guard !relayed.isEmpty else { throw .malformed(.xorRelayedAddress) }
        guard let lifetime = try message.lifetime(), lifetime > 0 else { throw .malformed(.lifetime) }
        self.init(
            relayed: relayed, mapped: try message.xorMappedAddress(), lifetime: .seconds(Int64(lifetime)),
            reservationToken: try message.reservationToken())
        if let (family, code) = try message.addressErrorCode() { missing = Missing(family: family, code: code) }
    }
}
