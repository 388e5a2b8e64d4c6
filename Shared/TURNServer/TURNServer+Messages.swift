internal import Addresses
internal import Bytes
internal import STUN
internal import Time

/// A request, as far as its answer depends on it.
struct Request {
    let kind: TURNRequestKind
    let header: STUNHeader
    let flow: Flow
    let byteCount: Int
    let hasFingerprint: Bool
    /// How its answer is vouched for; nil until it is authenticated.
    var trust: Trust?
}

/// Why a request is answered with an error.
struct Refusal: Error {
    let code: STUNErrorCode

    init(_ code: STUNErrorCode) { self.code = code }

    /// A request whose attributes break their rules is malformed (RFC 8489 §6.3.1).
    init(_ error: STUNError) { code = .badRequest }
}

extension TURNServer {
    /// Takes a STUN message of a client.
    mutating func receive(
        message bytes: RawSpan, from flow: Flow, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        let source = flow.client.address
        guard flow.client.port != 0, !source.isUnspecified, !source.isMulticast, !source.isBroadcast else {
            return drop(.badSource)
        }
        precondition(output.freeCapacity >= TURNServer.outputBytes, "an output must have room for 512 bytes")
        do throws(STUNError) {
            let message = try STUNMessage(parsing: bytes)
            switch (message.header.messageClass, message.header.method) {
            case (.request, let method):
                guard let kind = TURNRequestKind(method) else { return drop(.unsupportedMethod) }
                let request = Request(
                    kind: kind, header: message.header, flow: flow, byteCount: bytes.byteCount,
                    hasFingerprint: message.hasFingerprint)
                return kind == .binding
                    ? bind(message, request, now: now, output: &output)
                    : receive(message, request, now: now, output: &output)
            case (.indication, .send):
                return send(message, from: flow, now: now, output: &output)
            default:
                return drop(.notRequest)
            }
        } catch {
            switch error {
            case .notSTUN: return drop(.notTURN)
            case .wrongFingerprint: return drop(.wrongFingerprint)
            default: return drop(.malformed)
            }
        }
    }

    /// A request of TURN: all of them want credentials (RFC 8656 §5).
    private mutating func receive(
        _ message: STUNMessage, _ unknown: Request, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        var request = unknown
        let credentials: Credentials
        do throws(Refusal) {
            credentials = try authenticate(message, from: request.flow, now: now)
        } catch {
            return challenge(request, error.code, now: now, output: &output)
        }
        request.trust = credentials.trust
        let strange = message.unknownRequired {
            TURNServer.isKnown($0) && ($0 != .dontFragment || configuration.relaysWithDontFragment)
        }
        guard strange.isEmpty else {
            return fail(request, .unknownAttribute, unknown: strange, output: &output)
        }
        do throws(Refusal) {
            switch request.kind {
            case .allocate: return try allocate(message, request, credentials, now: now, output: &output)
            case .refresh: return try refresh(message, request, credentials, now: now, output: &output)
            case .createPermission: return try permit(message, request, credentials, now: now, output: &output)
            case .channelBind: return try bindChannel(message, request, credentials, now: now, output: &output)
            case .binding: return drop(.unsupportedMethod)
            }
        } catch {
            return fail(request, error.code, output: &output)
        }
    }

    /// Binding: tells who asks its address as seen from here (RFC 8489 §12). Credentials are not looked at: the answer is
    /// worth nothing to anyone else.
    private mutating func bind(
        _ message: STUNMessage, _ request: Request, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        guard admit(request.flow, now: now) else { return drop(.overRate) }
        let strange = message.unknownRequired(isKnown: TURNServer.isKnown)
        guard strange.isEmpty else {
            return fail(request, .unknownAttribute, unknown: strange, output: &output)
        }
        return succeed(request, output: &output) { (writer, output) throws(STUNError) in
            try writer.add(.xorMappedAddress, xorAddress: request.flow.client, to: &output)
        }
    }

    /// A Send indication: nobody hears of its errors (RFC 8656 §11.2).
    private mutating func send(
        _ message: STUNMessage, from flow: Flow, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        guard let allocation = live(flow) else { return drop(.noAllocation) }
        let strange = message.unknownRequired {
            TURNServer.isKnown($0) && ($0 != .dontFragment || configuration.relaysWithDontFragment)
        }
        guard strange.isEmpty, let payload = message.dataRange() else { return drop(.badIndication) }
        let peer: Endpoint
        let dontFragment: Bool
        do throws(STUNError) {
            guard let stated = try message.xorPeerAddress() else { return drop(.badIndication) }
            peer = stated
            dontFragment = try message.dontFragment()
        } catch {
            return drop(.badIndication)
        }
        guard let permission = table.permission(for: peer.address, of: allocation),
            table.permissions.rows[permission].expires > now
        else { return drop(.noPermission) }
        guard peer.port != 0, !table.permissions.rows[permission].isByPort || refusal(of: peer) == nil else {
            return drop(.refusedPeer)
        }
        return relay(
            payload, of: allocation, to: peer, isOwn: table.permissions.rows[permission].isOwn,
            dontFragment: dontFragment, now: now, output: &output)
    }

    /// Whether one more answer may go to a network that nobody vouches for. Who came by TCP or TLS did not forge its address.
    mutating func admit(_ flow: Flow, now: Instant) -> Bool {
        flow.isStream || limiter.admit(flow.client.address, now: now)
    }

    /// The kinds of attributes that are understood, or may be passed over though they should be.
    private static func isKnown(_ type: STUNAttributeType) -> Bool {
        switch type {
        case .username, .userhash, .realm, .nonce, .messageIntegrity, .messageIntegritySHA256, .passwordAlgorithm,
            .mappedAddress, .xorMappedAddress, .errorCode, .unknownAttributes, .channelNumber, .lifetime,
            .xorPeerAddress, .data, .xorRelayedAddress, .requestedAddressFamily, .evenPort, .requestedTransport,
            .dontFragment, .reservationToken:
            true
        default:
            false
        }
    }
}
