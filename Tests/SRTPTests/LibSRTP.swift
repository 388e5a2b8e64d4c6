import CSRTP
import SRTP

/// One direction of libsrtp2.
@safe final class LibSRTP {
    private let session: OpaquePointer

    init?(_ profile: SRTPProfile, seals: Bool, seed: UInt8 = 1) {
        var key = masterKeyBytes(profile, seed)
        guard let session = unsafe csrtp_create(UInt32(profile.rawValue), &key, seals ? 1 : 0) else { return nil }
        unsafe self.session = session
    }

    deinit { _ = unsafe srtp_dealloc(session) }

    func seal(_ packet: [UInt8]) -> [UInt8]? { unsafe run(packet, srtp_protect) }
    func open(_ packet: [UInt8]) -> [UInt8]? { unsafe run(packet, srtp_unprotect) }
    func sealControl(_ packet: [UInt8]) -> [UInt8]? { unsafe run(packet, srtp_protect_rtcp) }
    func openControl(_ packet: [UInt8]) -> [UInt8]? { unsafe run(packet, srtp_unprotect_rtcp) }

    private func run(
        _ packet: [UInt8],
        _ call: (OpaquePointer?, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int32>?) -> srtp_err_status_t
    ) -> [UInt8]? {
        var bytes = packet + [UInt8](repeating: 0, count: 64)
        var length = Int32(packet.count)
        guard unsafe call(session, &bytes, &length) == srtp_err_status_ok else { return nil }
        return Array(bytes[..<Int(length)])
    }
}
