import Addresses
import COpenSSL
import CPacketIO
import Foundation

/// A blocking TCP client.
class PlainStream: @unchecked Sendable {
    let descriptor: Int32

    init(_ endpoint: Endpoint) {
        var to = pio_address(testing: endpoint)
        descriptor = unsafe pio_tcp_client(&to)
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        _ = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { if descriptor >= 0 { pio_close(descriptor) } }

    /// Resets the connection, whatever waits.
    func reset() {
        var none = linger(l_onoff: 1, l_linger: 0)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &none, socklen_t(MemoryLayout<linger>.size))
        _ = shutdown(descriptor, Int32(SHUT_RDWR))
    }

    func closeWriting() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { unsafe write($0.baseAddress, sent, bytes.count - sent) }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Sends beneath whatever else there is.
    func sendRaw(_ bytes: [UInt8]) {
        _ = unsafe bytes.withUnsafeBytes {
            unsafe Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
    }

    /// A message with its length before it.
    func send(message: [UInt8]) { send([UInt8(message.count >> 8), UInt8(message.count & 255)] + message) }

    /// Exactly so many bytes; fewer if the stream ends before.
    func receive(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var received = 0
        while received < count {
            let got = unsafe bytes.withUnsafeMutableBytes { unsafe read($0.baseAddress, received, count - received) }
            guard got > 0 else { break }
            received += got
        }
        return Array(bytes[..<received])
    }

    func receiveMessage() -> [UInt8] {
        let length = receive(2)
        guard length.count == 2 else { return [] }
        return receive(Int(length[0]) << 8 | Int(length[1]))
    }

    /// Whether the other side has closed, with nothing more before.
    var isAtEnd: Bool { receive(1).isEmpty }

    /// Whether the other side closes within a time, with nothing more before.
    func isAtEndAfter(milliseconds: Int32) -> Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&wanted, 1, milliseconds) > 0 && isAtEnd
    }

    func write(_ base: UnsafeRawPointer?, _ offset: Int, _ count: Int) -> Int {
        guard let base = unsafe base else { return 0 }
        return unsafe Foundation.send(descriptor, base + offset, count, Int32(MSG_NOSIGNAL))
    }

    func read(_ base: UnsafeMutableRawPointer?, _ offset: Int, _ count: Int) -> Int {
        guard let base = unsafe base else { return 0 }
        return unsafe recv(descriptor, base + offset, count, 0)
    }
}

/// A blocking TLS client that checks nothing.
@safe final class TLSStream: PlainStream, @unchecked Sendable {
    private var session: OpaquePointer?
    private(set) var isConnected = false

    /// `version` is the only one it speaks; `protocols` it offers by ALPN.
    init(_ endpoint: Endpoint, version: Int32 = TLS1_3_VERSION, protocols: [String] = []) {
        super.init(endpoint)
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { return }
        // So that old versions may be tried at all.
        unsafe SSL_CTX_set_security_level(context, 0)
        _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(version), nil)
        _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
        let names = protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        if !names.isEmpty { _ = unsafe SSL_CTX_set_alpn_protos(context, names, UInt32(names.count)) }
        unsafe session = SSL_new(context)
        unsafe SSL_CTX_free(context)
        guard let session = unsafe session else { return }
        _ = unsafe SSL_set_fd(session, descriptor)
        isConnected = unsafe SSL_connect(session) == 1
    }

    deinit { if let session = unsafe session { unsafe SSL_free(session) } }

    /// The server's certificate, as the SHA-256 of its DER form.
    var fingerprint: [UInt8] {
        guard let session = unsafe session, let certificate = unsafe SSL_get1_peer_certificate(session) else {
            return []
        }
        defer { unsafe X509_free(certificate) }
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 32
        _ = unsafe X509_digest(certificate, EVP_sha256(), &digest, &length)
        return digest
    }

    var chosenProtocol: String {
        guard let session = unsafe session else { return "" }
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        unsafe SSL_get0_alpn_selected(session, &name, &length)
        guard let name = unsafe name else { return "" }
        return unsafe String(decoding: UnsafeBufferPointer(start: name, count: Int(length)), as: UTF8.self)
    }

    override func write(_ base: UnsafeRawPointer?, _ offset: Int, _ count: Int) -> Int {
        guard let session = unsafe session, let base = unsafe base, isConnected else { return 0 }
        return unsafe Int(SSL_write(session, base + offset, Int32(count)))
    }

    override func read(_ base: UnsafeMutableRawPointer?, _ offset: Int, _ count: Int) -> Int {
        guard let session = unsafe session, let base = unsafe base, isConnected else { return 0 }
        return unsafe Int(SSL_read(session, base + offset, Int32(count)))
    }
}

/// A certificate made for a test, in a folder that goes with it.
final class TestCertificate: Sendable {
    let folder: URL
    var certificateFile: String { folder.appending(path: "certificate.pem").path }
    var keyFile: String { folder.appending(path: "key.pem").path }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "packetio-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let openssl = Process()
        openssl.executableURL = URL(filePath: "/usr/bin/openssl")
        openssl.arguments =
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=roost.test", "-out", certificateFile, "-keyout", keyFile,
            ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
    }

    /// Signs it anew with an end in the past.
    func expire() {
        guard let input = unsafe BIO_new_file(certificateFile, "r"), let keyInput = unsafe BIO_new_file(keyFile, "r")
        else { return }
        let certificate = unsafe PEM_read_bio_X509(input, nil, nil, nil)
        let key = unsafe PEM_read_bio_PrivateKey(keyInput, nil, nil, nil)
        _ = unsafe X509_gmtime_adj(X509_getm_notAfter(certificate), -60)
        _ = unsafe X509_sign(certificate, key, EVP_sha256())
        let output = unsafe BIO_new_file(certificateFile, "w")
        _ = unsafe PEM_write_bio_X509(output, certificate)
        unsafe BIO_free(output)
        unsafe BIO_free(input)
        unsafe BIO_free(keyInput)
        unsafe X509_free(certificate)
        unsafe EVP_PKEY_free(key)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }
}
