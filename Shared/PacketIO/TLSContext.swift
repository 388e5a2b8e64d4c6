internal import COpenSSL
internal import Glibc
internal import Synchronization

/// A certificate and its key for TLS 1.2 and 1.3, which can be exchanged while it serves.
public final class TLSContext: Sendable {
    private let current: Mutex<Settings>

    /// Loads PEM files: the certificate with its chain behind it, and the key, without a passphrase.
    public init(certificateFile: String, keyFile: String) throws(TLSError) {
        current = unsafe Mutex(Settings(try Settings.load(certificateFile: certificateFile, keyFile: keyFile)))
        files = Mutex((certificateFile, keyFile))
    }

    private let files: Mutex<(certificate: String, key: String)>

    /// Loads the same files again, as after a renewal. If they are wrong it throws, and goes on with what it has. New
    /// connections get the new certificate; present ones keep theirs.
    public func reload() throws(TLSError) {
        let (certificate, key) = files.withLock { $0 }
        try reload(certificateFile: certificate, keyFile: key)
    }

    /// Loads other files.
    public func reload(certificateFile: String, keyFile: String) throws(TLSError) {
        let fresh = unsafe Settings(try Settings.load(certificateFile: certificateFile, keyFile: keyFile))
        current.withLock { $0 = fresh }
        files.withLock { $0 = (certificateFile, keyFile) }
    }

    /// The server's side of a new connection, nil if there is no memory. Whoever takes it frees it.
    func makeSession(_ descriptor: Int32) -> OpaquePointer? {
        unsafe current.withLock { settings in
            guard let session = unsafe SSL_new(settings.context) else { return nil }
            guard unsafe SSL_set_fd(session, descriptor) == 1 else {
                unsafe SSL_free(session)
                return nil
            }
            unsafe SSL_set_accept_state(session)
            return unsafe session
        }
    }
}

/// Owns an SSL_CTX; connections made of it hold it too.
@safe private final class Settings: Sendable {
    // Proof: never changed once it is made, freed with its last owner, and OpenSSL counts an SSL_CTX's references
    // atomically, so several loops may make connections of one.
    nonisolated(unsafe) let context: OpaquePointer

    init(_ context: OpaquePointer) { unsafe self.context = context }

    deinit { unsafe SSL_CTX_free(context) }

    static func load(certificateFile: String, keyFile: String) throws(TLSError) -> OpaquePointer {
        guard let context = unsafe SSL_CTX_new(TLS_server_method()) else { throw .cannotStart(Settings.reason()) }
        do throws(TLSError) {
            unsafe try configure(context)
            unsafe try read(context, certificateFile, keyFile)
        } catch {
            unsafe SSL_CTX_free(context)
            throw error
        }
        return unsafe context
    }

    private static func configure(_ context: OpaquePointer) throws(TLSError) {
        // Macros that Swift does not import.
        let minimum = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
        guard minimum == 1 else { throw .cannotStart(Settings.reason()) }
        let noCompression: UInt64 = 1 << 17
        let noRenegotiation: UInt64 = 1 << 30
        // A peer that just closes TCP is a peer that has closed: TURN messages say their own length.
        let ignoreUnexpectedEnd: UInt64 = 1 << 7
        unsafe SSL_CTX_set_options(context, noCompression | noRenegotiation | ignoreUnexpectedEnd)
        // A record is taken as soon as it is written; what waits may move; a stream at rest owns no record buffers.
        let partialWrite = 0x1
        let movingBuffer = 0x2
        let releaseBuffers = 0x10
        _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_MODE, partialWrite | movingBuffer | releaseBuffers, nil)
        // Several records by one read of the socket, header and body together.
        _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_READ_AHEAD, 1, nil)
        // Tickets carry sessions; a cache beside them would only grow.
        _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, 0, nil)
        unsafe SSL_CTX_set_alpn_select_cb(context, selectProtocol, nil)
    }

    private static func read(_ context: OpaquePointer, _ certificateFile: String, _ keyFile: String) throws(TLSError) {
        ERR_clear_error()
        guard unsafe SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
            throw .cannotRead(certificateFile, reason())
        }
        guard unsafe SSL_CTX_use_PrivateKey_file(context, keyFile, SSL_FILETYPE_PEM) == 1 else {
            // OpenSSL compares the key with the certificate as it loads it.
            let error = ERR_peek_last_error()
            if Int32(truncatingIfNeeded: error & 0x7f_ffff) == X509_R_KEY_VALUES_MISMATCH
                || Int32(truncatingIfNeeded: error & 0x7f_ffff) == X509_R_KEY_TYPE_MISMATCH
            {
                ERR_clear_error()
                throw .mismatch(certificateFile, keyFile)
            }
            throw .cannotRead(keyFile, reason())
        }
        guard unsafe SSL_CTX_check_private_key(context) == 1 else {
            ERR_clear_error()
            throw .mismatch(certificateFile, keyFile)
        }
        if let certificate = unsafe SSL_CTX_get0_certificate(context),
            let end = unsafe X509_get0_notAfter(certificate), unsafe X509_cmp_current_time(end) < 0
        {
            throw .expired(certificateFile)
        }
    }

    /// What went wrong first.
    private static func reason() -> String {
        let code = ERR_peek_error()
        ERR_clear_error()
        // ERR_SYSTEM_ERROR: then the rest is errno.
        if code & 0x8000_0000 != 0 { return unsafe String(cString: strerror(Int32(code & 0x7fff_ffff))) }
        guard code != 0, let text = unsafe ERR_reason_error_string(code) else { return "unknown" }
        return unsafe String(cString: text)
    }
}

/// Accepts the protocols of RFC 7443 where a client offers them, and any other client without one.
private func selectProtocol(
    _ session: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ chosenLength: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ offeredLength: UInt32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    guard let offered = unsafe offered else { return SSL_TLSEXT_ERR_NOACK }
    let names: [StaticString] = ["stun.turn", "stun.nat-discovery"]
    var place = 0
    let end = Int(offeredLength)
    while place < end {
        let length = unsafe Int(offered[place])
        guard place + 1 + length <= end else { break }
        for name in names where name.utf8CodeUnitCount == length {
            let isSame = (0..<length).allSatisfy { unsafe offered[place + 1 + $0] == name.utf8Start[$0] }
            guard isSame else { continue }
            unsafe chosen?.pointee = offered + place + 1
            unsafe chosenLength?.pointee = UInt8(length)
            return SSL_TLSEXT_ERR_OK
        }
        place += 1 + length
    }
    return SSL_TLSEXT_ERR_NOACK
}

/// Why a certificate cannot be used.
public enum TLSError: Error, Equatable, Sendable {
    /// A file is not there, or is not PEM; with OpenSSL's reason.
    case cannotRead(String, String)
    /// The key is another certificate's.
    case mismatch(String, String)
    /// The certificate's time is over.
    case expired(String)
    /// OpenSSL refused to start; with its reason.
    case cannotStart(String)
}

extension TLSError: CustomStringConvertible {
    /// What is wrong, with which file, and what to do.
    public var description: String {
        switch self {
        case .cannotRead(let file, let reason):
            "cannot read \(file): \(reason). It must be a PEM file that this user may read, a key without a passphrase."
        case .mismatch(let certificate, let key):
            "the key \(key) does not belong to the certificate \(certificate). Give the two files of one renewal."
        case .expired(let certificate):
            "the certificate \(certificate) has expired (openssl x509 -enddate -noout -in \(certificate)): renew it."
        case .cannotStart(let reason):
            "cannot start TLS: \(reason). Look at the settings of OpenSSL on this host (openssl version -d)."
        }
    }
}
