internal import Bytes
internal import STUN
internal import Time

extension TURNServer {
    /// Answers a request with success.
    mutating func succeed(
        _ request: Request, output: inout OutputRawSpan,
        _ body: (STUNWriter, inout OutputRawSpan) throws(STUNError) -> Void
    ) -> TURNAction {
        counters[request.kind, nil] &+= 1
        do throws(STUNError) {
            let header = STUNHeader(.success, request.header.method, request.header.transaction)
            let writer = try STUNWriter(header, to: &output)
            try body(writer, &output)
            try finish(writer, request, &output)
        } catch {
            preconditionFailure("an answer does not fit \(TURNServer.outputBytes) bytes: \(error)")
        }
        return .reply(to: request.flow)
    }

    /// Answers a request that is authenticated, or needs not be, with an error.
    mutating func fail(
        _ request: Request, _ code: STUNErrorCode, unknown: STUNUnknownAttributes? = nil,
        output: inout OutputRawSpan
    ) -> TURNAction {
        counters[request.kind, code] &+= 1
        do throws(STUNError) {
            let header = STUNHeader(.failure, request.header.method, request.header.transaction)
            let writer = try STUNWriter(header, to: &output)
            // A reason is for people, and only for those who may have a long answer.
            let reason = request.trust == nil ? "" : TURNServer.reason(code)
            try writer.addErrorCode(code, reason: reason, to: &output)
            if let unknown { try writer.addUnknownAttributes(unknown, to: &output) }
            try finish(writer, request, &output)
        } catch {
            preconditionFailure("an error does not fit \(TURNServer.outputBytes) bytes: \(error)")
        }
        return .reply(to: request.flow)
    }

    /// RFC 8489 §6.3.1: SOFTWARE should be there, FINGERPRINT where the request had one. §9.2.4: the integrity is of the kind
    /// that the request had.
    private func finish(
        _ writer: STUNWriter, _ request: Request, _ output: inout OutputRawSpan
    ) throws(STUNError) {
        if !configuration.software.isEmpty { try writer.add(.software, text: configuration.software, to: &output) }
        if let trust = request.trust { try writer.addIntegrity(trust.integrity, trust.key, to: &output) }
        if request.hasFingerprint { try writer.addFingerprint(to: &output) }
    }

    /// Answers a request of TURN that is not authenticated: 401 and 438 with all that the client needs to be so, 400 alone.
    ///
    /// Whoever lives at the source address may not have asked: over UDP the answer is at most four times as long as the
    /// question, and so short is the nonce, and so much is left out, that it is three times for what browsers send first
    /// (28 bytes) and a realm of at most 8 bytes.
    mutating func challenge(
        _ request: Request, _ code: STUNErrorCode, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        guard admit(request.flow, now: now) else { return drop(.overRate) }
        let limit = request.flow.isStream ? Int.max : request.byteCount * TURNServer.amplification
        let realm = configuration.realm
        let needsNonce = code == .unauthenticated || code == .staleNonce
        var byteCount = STUNHeader.byteCount + 8 + (request.hasFingerprint ? 8 : 0)
        if needsNonce { byteCount += 4 + (Nonce.byteCount + 3) & ~3 + 4 + (realm.utf8.count + 3) & ~3 }
        guard byteCount <= limit else { return drop(.overAmplified) }
        // Offering only MD5 is what a server without PASSWORD-ALGORITHMS does; the nonce says which it is.
        let offersMore = needsNonce && configuration.users.offerSHA256 && byteCount + 12 <= limit
        if offersMore { byteCount += 12 }
        let software = configuration.software
        let namesSoftware = !software.isEmpty && byteCount + 4 + (software.utf8.count + 3) & ~3 <= limit / 4 * 3

        counters[request.kind, code] &+= 1
        do throws(STUNError) {
            let header = STUNHeader(.failure, request.header.method, request.header.transaction)
            let writer = try STUNWriter(header, to: &output)
            try writer.addErrorCode(code, reason: "", to: &output)
            if needsNonce {
                var features: SecurityFeatures = offersMore ? .passwordAlgorithms : []
                if configuration.secrets.isEmpty, configuration.users.count > 0 {
                    features.insert(.usernameAnonymity)
                }
                let nonce = Nonce(features, for: request.flow, at: wallTime(at: now), key: configuration.nonceKey)
                try writer.add(.nonce, bytes: nonce.text.span.raw, to: &output)
                try writer.add(.realm, text: realm, to: &output)
                if offersMore {
                    try writer.add(.passwordAlgorithms, algorithms: TURNServer.offeredAlgorithms, to: &output)
                }
            }
            if namesSoftware { try writer.add(.software, text: software, to: &output) }
            if request.hasFingerprint { try writer.addFingerprint(to: &output) }
        } catch {
            preconditionFailure("a challenge does not fit \(TURNServer.outputBytes) bytes: \(error)")
        }
        return .reply(to: request.flow)
    }

    private static func reason(_ code: STUNErrorCode) -> String {
        switch code {
        case .badRequest: "Bad Request"
        case .forbidden: "Forbidden"
        case .unknownAttribute: "Unknown Attribute"
        case .allocationMismatch: "Allocation Mismatch"
        case .addressFamilyNotSupported: "Address Family not Supported"
        case .wrongCredentials: "Wrong Credentials"
        case .unsupportedTransportProtocol: "Unsupported Transport Protocol"
        case .peerAddressFamilyMismatch: "Peer Address Family Mismatch"
        case .allocationQuotaReached: "Allocation Quota Reached"
        case .insufficientCapacity: "Insufficient Capacity"
        default: ""
        }
    }
}
