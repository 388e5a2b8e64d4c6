internal import COpenSSL

/// What all connections share: a certificate made for this process, and the settings. May be used by any thread.
@safe public final class DTLSContext: Sendable {
    // Proof: never changed once it is made; OpenSSL counts its references atomically, so several threads may make connections.
    nonisolated(unsafe) let context: OpaquePointer

    /// Of our certificate: for `a=fingerprint` of what we answer.
    public let fingerprint: DTLSFingerprint

    /// Makes a key and a certificate.
    public convenience init() throws(DTLSError) {
        // A server's order counts. GCM-128 costs least; Chromium would put AES-CM first.
        try self.init(profiles: "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80")
    }

    /// With other SRTP profiles, in OpenSSL's names.
    package init(profiles: String) throws(DTLSError) {
        guard let context = unsafe SSL_CTX_new(DTLS_method()) else { throw .refusedByOpenSSL(openSSLReason()) }
        do throws(DTLSError) {
            fingerprint = try unsafe DTLSContext.configure(context, profiles)
        } catch {
            unsafe SSL_CTX_free(context)
            throw error
        }
        unsafe self.context = context
    }

    deinit { unsafe SSL_CTX_free(context) }

    private static func configure(_ context: OpaquePointer, _ profiles: String) throws(DTLSError) -> DTLSFingerprint {
        let key = try unsafe Certificate.makeKey()
        defer { unsafe EVP_PKEY_free(key) }
        let certificate = try unsafe Certificate.make(key)
        defer { unsafe X509_free(certificate) }
        guard let fingerprint = unsafe DTLSFingerprint(.sha256, of: certificate),
            unsafe SSL_CTX_use_certificate(context, certificate) == 1,
            unsafe SSL_CTX_use_PrivateKey(context, key) == 1,
            // Macros that Swift does not import. DTLS 1.2 and nothing below (RFC 8827 §6.5).
            unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(DTLS1_2_VERSION), nil) == 1,
            // What RFC 8827 §6.5 wants, with GCM first; RSA is for clients of foreign servers.
            unsafe SSL_CTX_set_cipher_list(
                context,
                "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                    + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                    + "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA") == 1,
            // Zero is success here.
            unsafe SSL_CTX_set_tlsext_use_srtp(context, profiles) == 0
        else { throw .refusedByOpenSSL(openSSLReason()) }

        let noQueryMTU: UInt64 = 1 << 12
        let noTicket: UInt64 = 1 << 14
        let noCompression: UInt64 = 1 << 17
        let serverPreference: UInt64 = 1 << 22
        let noRenegotiation: UInt64 = 1 << 30
        unsafe SSL_CTX_set_options(
            context, noQueryMTU | noTicket | noCompression | serverPreference | noRenegotiation)
        // Sessions are never resumed: each member has its own keys.
        _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, 0, nil)
        // A write buffer of one datagram instead of 16 KiB for each connection.
        _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_SEND_FRAGMENT, DTLSConnection.longestDatagram, nil)
        // Any certificate passes the handshake; its fingerprint is compared after it.
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        unsafe SSL_CTX_set_cert_verify_callback(context, { _, _ in 1 }, nil)
        return fingerprint
    }
}

/// A self-signed certificate on P-256 (RFC 8827 §6.5).
private enum Certificate {
    static func makeKey() throws(DTLSError) -> OpaquePointer {
        guard let context = unsafe EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) else {
            throw .refusedByOpenSSL(openSSLReason())
        }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard unsafe EVP_PKEY_keygen_init(context) == 1,
            unsafe EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1,
            unsafe EVP_PKEY_keygen(context, &key) == 1, let key = unsafe key
        else { throw .refusedByOpenSSL(openSSLReason()) }
        return unsafe key
    }

    static func make(_ key: OpaquePointer) throws(DTLSError) -> OpaquePointer {
        guard let certificate = unsafe X509_new() else { throw .refusedByOpenSSL(openSSLReason()) }
        // Nobody looks at the dates, as the fingerprint is what is believed; a year is more than a process lives.
        let day = 86_400
        let name = unsafe X509_get_subject_name(certificate)
        let serial = Int.random(in: 1 ... .max)
        guard unsafe X509_set_version(certificate, 2) == 1,
            unsafe ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), UInt64(serial)) == 1,
            unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), -day) != nil,
            unsafe X509_gmtime_adj(X509_getm_notAfter(certificate), 365 * day) != nil,
            unsafe X509_set_pubkey(certificate, key) == 1,
            // Says nothing of the host.
            unsafe X509_NAME_add_entry_by_txt(name, "CN", 0x1001, "WebRTC", -1, -1, 0) == 1,
            unsafe X509_set_issuer_name(certificate, name) == 1,
            unsafe X509_sign(certificate, key, EVP_sha256()) > 0
        else {
            let reason = openSSLReason()
            unsafe X509_free(certificate)
            throw .refusedByOpenSSL(reason)
        }
        return unsafe certificate
    }
}

/// What went wrong first in this thread, in OpenSSL's words.
func openSSLReason() -> String {
    let code = ERR_peek_error()
    ERR_clear_error()
    guard code != 0, let text = unsafe ERR_reason_error_string(code) else { return "unknown" }
    return unsafe String(cString: text)
}
