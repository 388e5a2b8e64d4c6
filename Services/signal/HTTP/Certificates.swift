import Glibc
import NIOCore
import NIOSSL
import ServiceKit
import Synchronization

/// The certificate that new connections are given; read anew on SIGHUP.
final class Certificates: Sendable {
    private let certificatePath: String
    private let keyPath: String
    private let context: Mutex<NIOSSLContext>

    /// With the given files, or with a self-signed pair in the run folder, made if it is not there.
    init(certificate: String?, privateKey: String?, runFolder: RunFolder) throws {
        if let certificate, let privateKey {
            (certificatePath, keyPath) = (certificate, privateKey)
        } else {
            certificatePath = runFolder.file("certificate.pem")
            keyPath = runFolder.file("private-key.pem")
            if unsafe access(certificatePath, R_OK) != 0 || access(keyPath, R_OK) != 0 {
                let (names, addresses) = Self.ownNames()
                let made = try SelfSignedCertificate(names: names, addresses: addresses)
                try Self.write(made.privateKey, to: keyPath, mode: 0o600)
                try Self.write(made.certificate, to: certificatePath, mode: 0o644)
            }
        }
        context = Mutex(try Self.read(certificatePath, keyPath))
    }

    var current: NIOSSLContext { context.withLock { $0 } }

    /// Reads the files anew; on failure the old pair stays.
    func reload() throws {
        let fresh = try Self.read(certificatePath, keyPath)
        context.withLock { $0 = fresh }
    }

    /// Whether a pair can be used; throws what is wrong with it.
    static func check(_ certificate: String, _ key: String) throws { _ = try read(certificate, key) }

    private static func read(_ certificate: String, _ key: String) throws -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
            let key = try NIOSSLPrivateKey(file: key, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw ServiceFailure(
                "signal: cannot use the certificate \(certificate) with the key \(key): \(error). Check --certificate and --private-key."
            )
        }
    }

    private static func ownNames() -> ([String], [String]) {
        var names = ["localhost"]
        var buffer = [CChar](repeating: 0, count: 256)
        if unsafe gethostname(&buffer, buffer.count - 1) == 0 {
            let host = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if !host.isEmpty, host != "localhost" { names.append(host) }
        }
        var addresses = ["127.0.0.1", "::1"]
        for device in (try? System.enumerateDevices()) ?? [] {
            guard let address = device.address?.ipAddress, !address.contains("%"), !addresses.contains(address) else {
                continue
            }
            addresses.append(address)
        }
        return (names, addresses)
    }

    private static func write(_ text: String, to path: String, mode: mode_t) throws {
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, mode)
        guard file >= 0 else {
            throw ServiceFailure(
                "signal: cannot write \(path): \(errorText(errno)). Make the run folder writable, or set certificate and private-key."
            )
        }
        defer { close(file) }
        let bytes = Array(text.utf8)
        guard unsafe Glibc.write(file, bytes, bytes.count) == bytes.count else {
            throw ServiceFailure("signal: cannot write \(path): \(errorText(errno)).")
        }
    }
}
