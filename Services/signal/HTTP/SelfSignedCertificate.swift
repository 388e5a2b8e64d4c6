import COpenSSL

/// What goes wrong while making a certificate.
package struct CertificateError: Error, Sendable, CustomStringConvertible {
    package var description: String
}

/// A certificate of our own for first steps: P-256, for the given names and addresses. Browsers warn before they accept it.
package struct SelfSignedCertificate: Sendable {
    /// PEM texts.
    package let certificate: String
    package let privateKey: String

    /// The longest life that Safari accepts of any certificate.
    private static let days = 825

    package init(names: [String], addresses: [String]) throws(CertificateError) {
        guard let context = unsafe EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) else { throw Self.failure("a key context") }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        var made: OpaquePointer?
        guard unsafe EVP_PKEY_keygen_init(context) == 1,
            unsafe EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1,
            unsafe EVP_PKEY_keygen(context, &made) == 1, let key = unsafe made
        else { throw Self.failure("a P-256 key") }
        defer { unsafe EVP_PKEY_free(key) }
        guard let certificate = unsafe X509_new() else { throw Self.failure("a certificate") }
        defer { unsafe X509_free(certificate) }

        unsafe X509_set_version(certificate, 2)
        unsafe ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), UInt64.random(in: 1...UInt64.max >> 1))
        // An hour back: clocks of phones are not ours.
        unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), -3_600)
        unsafe X509_gmtime_adj(X509_getm_notAfter(certificate), Self.days * 86_400)
        unsafe X509_set_pubkey(certificate, key)
        let subject = unsafe X509_get_subject_name(certificate)
        for (field, text) in [("O", "Roost, made on first start"), ("CN", names.first ?? "localhost")] {
            unsafe X509_NAME_add_entry_by_txt(
                subject, field, MBSTRING_UTF8, Array(text.utf8), Int32(text.utf8.count), -1, 0)
        }
        unsafe X509_set_issuer_name(certificate, subject)
        let alternatives = (names.map { "DNS:\($0)" } + addresses.map { "IP:\($0)" }).joined(separator: ",")
        unsafe try Self.add(NID_basic_constraints, "critical,CA:FALSE", to: certificate)
        unsafe try Self.add(NID_key_usage, "critical,digitalSignature", to: certificate)
        unsafe try Self.add(NID_ext_key_usage, "serverAuth", to: certificate)
        unsafe try Self.add(NID_subject_alt_name, alternatives, to: certificate)
        guard unsafe X509_sign(certificate, key, EVP_sha256()) > 0 else { throw Self.failure("its signature") }

        self.certificate = unsafe try Self.pem { unsafe PEM_write_bio_X509($0, certificate) }
        privateKey = unsafe try Self.pem { unsafe PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) }
    }

    private static func add(_ kind: Int32, _ value: String, to certificate: OpaquePointer) throws(CertificateError) {
        guard let extended = unsafe X509V3_EXT_conf_nid(nil, nil, kind, value) else {
            throw failure("the extension \(value)")
        }
        defer { unsafe X509_EXTENSION_free(extended) }
        guard unsafe X509_add_ext(certificate, extended, -1) == 1 else { throw failure("the extension \(value)") }
    }

    private static func pem(_ write: (OpaquePointer) -> Int32) throws(CertificateError) -> String {
        guard let buffer = unsafe BIO_new(BIO_s_mem()) else { throw failure("a buffer") }
        defer { unsafe BIO_free(buffer) }
        guard unsafe write(buffer) == 1 else { throw failure("a PEM text") }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = unsafe BIO_read(buffer, &bytes, Int32(bytes.count))
        guard count > 0 else { throw failure("a PEM text") }
        return String(decoding: bytes.prefix(Int(count)), as: UTF8.self)
    }

    private static func failure(_ what: String) -> CertificateError {
        CertificateError(description: "OpenSSL could not make \(what) (error \(ERR_get_error())).")
    }
}
