internal import Bytes
internal import COpenSSL
public import Time

/// DTLS 1.2 with one peer (RFC 6347), for the keys of SRTP (RFC 5764): datagrams and the time come in, datagrams and events go out.
///
/// Feed it only from paths that ICE has validated: so it needs no cookies. After each call that may answer, take what
/// `nextDatagram` gives until it gives nothing. It stays useful once connected: the peer's last flight may have to be answered
/// again, and its close_notify is how a peer says goodbye.
@safe public struct DTLSConnection: ~Copyable {
    private enum State { case handshaking, connected, over }

    /// No datagram is longer: fits any path, with a TURN server's and IPv6's headers too.
    public static let longestDatagram = 1_200
    /// Who has not finished by then is not there.
    private static let handshakeTimeout = Interval.seconds(30)

    private let session: OpaquePointer
    private let exchange: DatagramExchange
    // The session uses the context's certificate.
    private let context: DTLSContext
    private let peer: DTLSFingerprint
    private let role: DTLSRole
    private let startedAt: Instant
    private var retransmitAt: Instant?
    private var state = State.handshaking
    /// A client's first flight failed, and nobody was told yet.
    private var early: DTLSEvent?

    /// A connection with a peer whose certificate must have that fingerprint. A client's first flight is queued at once.
    public init(_ context: DTLSContext, role: DTLSRole, peer: DTLSFingerprint, now: Instant) throws(DTLSError) {
        try self.init(context, role: role, peer: peer, now: now, longestDatagram: DTLSConnection.longestDatagram)
    }

    /// With shorter datagrams, and as a client with a longer ClientHello, as browsers with post-quantum key shares have: by
    /// `helloPadding` bytes of an extension that a server passes over.
    package init(
        _ context: DTLSContext, role: DTLSRole, peer: DTLSFingerprint, now: Instant, longestDatagram: Int,
        helloPadding: Int = 0
    ) throws(DTLSError) {
        let exchange = DatagramExchange()
        guard let session = unsafe SSL_new(context.context) else { throw .refusedByOpenSSL(openSSLReason()) }
        guard let bio = unsafe DatagramBIO.make(exchange) else {
            unsafe SSL_free(session)
            throw .refusedByOpenSSL(openSSLReason())
        }
        unsafe SSL_set_bio(session, bio, bio)
        _ = unsafe SSL_ctrl(session, SSL_CTRL_SET_MTU, longestDatagram, nil)
        // RFC 6347 §4.2.4.1 begins with a second; a lost datagram then delays a call that much. 200 ms is above most round trips;
        // a retransmission that was not needed does no harm.
        unsafe DTLS_set_timer_cb(session) { _, previous in previous == 0 ? 200_000 : min(previous * 2, 4_000_000) }
        if helloPadding > 0 {
            var names: [UInt8] = []
            while names.count < helloPadding { names += [250] + [UInt8](repeating: 0x78, count: 250) }
            _ = unsafe SSL_set_alpn_protos(session, names, UInt32(names.count))
        }
        switch role {
        case .server: unsafe SSL_set_accept_state(session)
        case .client: unsafe SSL_set_connect_state(session)
        }
        unsafe self.session = session
        self.exchange = exchange
        self.context = context
        self.peer = peer
        self.role = role
        startedAt = now
        if role == .client { early = proceed(now) }
    }

    deinit { unsafe SSL_free(session) }

    /// Whether the handshake is done and nobody has said goodbye.
    public var isConnected: Bool { state == .connected }

    /// When `timeout` is due; nil if never.
    public var nextDeadline: Instant? {
        guard state == .handshaking else { return nil }
        if early != nil { return startedAt }
        let end = startedAt + DTLSConnection.handshakeTimeout
        return min(retransmitAt ?? end, end)
    }

    /// Takes a datagram. What is not DTLS, damaged, repeated or too early is passed over.
    public mutating func receive(_ datagram: RawSpan, now: Instant) -> DTLSEvent? {
        guard state != .over, datagram.byteCount > 0 else { return nil }
        return unsafe datagram.withUnsafeBytes { bytes in
            unsafe exchange.incoming = bytes
            defer { unsafe exchange.incoming = nil }
            return proceed(now)
        }
    }

    /// Call when `nextDeadline` has come: repeats a flight that was not answered. An early call does nothing.
    public mutating func timeout(now: Instant) -> DTLSEvent? {
        guard let due = nextDeadline, due <= now else { return nil }
        if let early {
            self.early = nil
            state = .over
            return early
        }
        guard startedAt + DTLSConnection.handshakeTimeout > now else { return fail(.timedOut) }
        ERR_clear_error()
        // A macro: DTLSv1_handle_timeout. Zero: by OpenSSL's own clock it is too early.
        guard unsafe SSL_ctrl(session, DTLS_CTRL_HANDLE_TIMEOUT, 0, nil) >= 0 else { return fail(.timedOut) }
        setDeadline(now)
        return nil
    }

    /// Writes the next datagram to be sent at the end of `output`, if there is one. Without room for it, it is lost.
    public mutating func nextDatagram(to output: inout OutputRawSpan) -> Bool {
        exchange.withNext { datagram in
            try? output.write(datagram)
        } != nil
    }

    /// Says goodbye, and is over. The datagram is to be sent as any other.
    public mutating func close() {
        guard state != .over else { return }
        if state == .connected, unsafe SSL_alloc_buffers(session) == 1 { _ = unsafe SSL_shutdown(session) }
        ERR_clear_error()
        state = .over
    }

    private mutating func proceed(_ now: Instant) -> DTLSEvent? {
        // Errors are kept for each thread, and an old one would be taken for ours.
        ERR_clear_error()
        switch state {
        case .handshaking:
            let result = unsafe SSL_do_handshake(session)
            if result == 1 { return finish() }
            guard unsafe SSL_get_error(session, result) == SSL_ERROR_WANT_READ else {
                return fail(.refused(openSSLReason()))
            }
            setDeadline(now)
            return nil
        case .connected:
            // Without buffers OpenSSL 3.0 would write an alert or a repeated flight to nowhere.
            guard unsafe SSL_alloc_buffers(session) == 1 else { return nil }
            let event = read()
            rest()
            return event
        case .over: return nil
        }
    }

    /// Reads what there is and drops it, as there are no data channels; what counts are alerts and repeated flights.
    private mutating func read() -> DTLSEvent? {
        unsafe withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { buffer in
            while true {
                let count = unsafe SSL_read(session, buffer.baseAddress, Int32(buffer.count))
                if count > 0 { continue }
                switch unsafe SSL_get_error(session, count) {
                case SSL_ERROR_WANT_READ: return nil
                case SSL_ERROR_ZERO_RETURN:
                    close()
                    return .closed
                default: return fail(.refused(openSSLReason()))
                }
            }
        }
    }

    private mutating func finish() -> DTLSEvent {
        guard let certificate = unsafe SSL_get1_peer_certificate(session) else { return fail(.wrongFingerprint) }
        defer { unsafe X509_free(certificate) }
        guard unsafe peer.isOf(certificate) else { return reject(.wrongFingerprint) }
        guard let chosen = unsafe SSL_get_selected_srtp_profile(session) else { return reject(.noProfile) }
        let profile = unsafe UInt16(truncatingIfNeeded: chosen.pointee.id)
        // Two keys and two salts (RFC 5764 §4.1.2, RFC 7714 §12).
        let length: Int
        switch profile {
        case 0x0001: length = 2 * (16 + 14)
        case 0x0007: length = 2 * (16 + 12)
        case 0x0008: length = 2 * (32 + 12)
        default: return reject(.noProfile)
        }
        var exported = [UInt8](repeating: 0, count: length)
        let label = "EXTRACTOR-dtls_srtp"
        guard
            unsafe SSL_export_keying_material(session, &exported, length, label, label.utf8.count, nil, 0, 0) == 1
        else { return reject(.refused(openSSLReason())) }
        state = .connected
        retransmitAt = nil
        rest()
        return .connected(DTLSKeys(profile: profile, exported: exported, isClient: role == .client))
    }

    /// Gives the buffers of records back, 18 KiB: hardly anything passes through them any more.
    private func rest() { _ = unsafe SSL_free_buffers(session) }

    /// After a handshake whose outcome is not good: the peer is told that it is over.
    private mutating func reject(_ failure: DTLSFailure) -> DTLSEvent {
        _ = unsafe SSL_shutdown(session)
        return fail(failure)
    }

    private mutating func fail(_ failure: DTLSFailure) -> DTLSEvent {
        ERR_clear_error()
        state = .over
        return .failed(failure)
    }

    /// Asks OpenSSL when it wants to repeat a flight. Its clock is the wall's, so only the time from now counts.
    private mutating func setDeadline(_ now: Instant) {
        var left = timeval()
        // A macro: DTLSv1_get_timeout.
        guard unsafe SSL_ctrl(session, DTLS_CTRL_GET_TIMEOUT, 0, &left) == 1 else {
            retransmitAt = nil
            return
        }
        // Never now: a timer that is met must move on.
        let interval = Interval.seconds(Int64(left.tv_sec)) + .microseconds(Int64(left.tv_usec))
        retransmitAt = now + max(interval, .milliseconds(1))
    }
}
