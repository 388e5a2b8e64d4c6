public import Addresses
public import DTLS
public import ICE
public import SDP
import SRTP
public import Time

/// One participant without a browser: ICE controlling, DTLS client, SRTP. A machine without I/O, for tests and for load.
@safe
public struct MediaClient: ~Copyable {
    /// What a datagram was.
    public enum Received {
        /// Nothing for the caller.
        case nothing
        /// The connection stands: packets may be sent.
        case connected
        /// An opened packet of so many bytes, at the start of the buffer.
        case rtp(Int)
        case rtcp(Int)
        /// It is over.
        case ended(String)
    }

    private var ice: ICEClient
    private var dtls: DTLSConnection
    private var opener: SRTPOpener?
    private var sealer: SRTPSealer?
    private var random = SystemRandomNumberGenerator()
    private let output: UnsafeMutableRawBufferPointer
    /// Where packets go.
    public private(set) var path: ICEPath?
    /// Packets that did not open.
    public private(set) var refused = 0

    /// A client that goes to the first candidate of an answer that is of the family of its own address, and of `transport`: over TCP
    /// the caller frames what is sent.
    public init(
        context: DTLSContext, local: ICE.ICECredentials, answered: AnsweredSession, family: IPAddress.Family,
        transport: CandidateDescription.Transport = .udp, now: Instant
    ) throws {
        guard let fingerprint = MediaClient.fingerprint(answered.remoteFingerprints),
            let remote = answered.candidates.lazy
                .filter({ $0.transport == transport })
                .compactMap({ candidate in
                    IPAddress(candidate.address).map { Endpoint(address: $0, port: candidate.port) }
                })
                .first(where: { $0.address.family == family })
        else { throw MediaClientError.noCandidate }
        dtls = try DTLSConnection(context, role: .client, peer: fingerprint, now: now)
        var random = SystemRandomNumberGenerator()
        ice = ICEClient(
            local: local,
            remote: ICE.ICECredentials(ufrag: answered.remoteICE.ufrag, password: answered.remoteICE.password),
            tieBreaker: .random(in: 0 ... .max, using: &random), now: now)
        ice.add(ICEPath(socket: 0, local: nil, remote: remote), priority: 1)
        unsafe output = .allocate(byteCount: 2_048, alignment: 16)
        unsafe output.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe output.deallocate() }

    /// Packets may be sent.
    public var isConnected: Bool { sealer != nil }

    /// When `poll` is due.
    public var nextDeadline: Instant {
        min(ice.nextDeadline ?? .distantFuture, path == nil ? .distantFuture : dtls.nextDeadline ?? .distantFuture)
    }

    /// Sends what is due.
    public mutating func poll(now: Instant, send: (RawSpan, Endpoint) -> Void) {
        while true {
            var span = unsafe OutputRawSpan(buffer: output, initializedCount: 0)
            guard let to = ice.nextCheck(now: now, using: &random, to: &span) else { break }
            let length = unsafe span.finalize(for: output)
            unsafe send(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: output[0..<length])), to.remote)
        }
        _ = ice.timeout(now: now)
        guard path != nil else { return }
        if let due = dtls.nextDeadline, due <= now { _ = dtls.timeout(now: now) }
        flush(send)
    }

    /// Takes a datagram, which is opened in place.
    public mutating func receive(
        _ buffer: UnsafeMutableRawBufferPointer, from remote: Endpoint, now: Instant,
        send: (RawSpan, Endpoint) -> Void
    ) -> Received {
        let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(buffer))
        switch PacketKind(bytes) {
        case .stun:
            var span = unsafe OutputRawSpan(buffer: output, initializedCount: 0)
            let from = ICEPath(socket: 0, local: nil, remote: remote)
            let event = ice.receive(bytes, path: from, now: now, to: &span)
            let length = unsafe span.finalize(for: output)
            if length > 0 {
                unsafe send(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: output[0..<length])), remote)
            }
            switch event {
            case .connected(let path):
                self.path = path
                flush(send)
            case .lost, .failed: return .ended("ice")
            case nil: break
            }
            return .nothing
        case .dtls:
            let event = dtls.receive(bytes, now: now)
            flush(send)
            return take(event)
        case .rtp:
            do {
                guard let length = try unsafe opener?.openRTP(buffer) else { return .nothing }
                return .rtp(length)
            } catch {
                refused += 1
                return .nothing
            }
        case .rtcp:
            do {
                guard let length = try unsafe opener?.openRTCP(buffer) else { return .nothing }
                return .rtcp(length)
            } catch {
                refused += 1
                return .nothing
            }
        default: return .nothing
        }
    }

    private mutating func take(_ event: DTLSEvent?) -> Received {
        switch event {
        case nil: return .nothing
        case .connected(let keys):
            guard let srtp = SRTPKeys(profile: keys.profile, exported: keys.exported, isClient: keys.isClient) else {
                return .ended("keys")
            }
            do {
                opener = try SRTPOpener(srtp.remote)
                sealer = try SRTPSealer(srtp.local)
            } catch {
                return .ended("\(error)")
            }
            return .connected
        case .closed: return .ended("closed")
        case .failed(let failure): return .ended("\(failure)")
        }
    }

    /// Seals in place a packet of `length` bytes, which has room for 32 more behind it. Returns its new length, 0 where it cannot.
    public mutating func sealRTP(_ buffer: UnsafeMutableRawBufferPointer, length: Int) -> Int {
        (try? unsafe sealer?.sealRTP(buffer, length: length)) ?? 0
    }

    /// The same for RTCP.
    public mutating func sealRTCP(_ buffer: UnsafeMutableRawBufferPointer, length: Int) -> Int {
        (try? unsafe sealer?.sealRTCP(buffer, length: length)) ?? 0
    }

    /// Says goodbye.
    public mutating func close(send: (RawSpan, Endpoint) -> Void) {
        dtls.close()
        flush(send)
    }

    private mutating func flush(_ send: (RawSpan, Endpoint) -> Void) {
        guard let path else { return }
        while true {
            var span = unsafe OutputRawSpan(buffer: output, initializedCount: 0)
            guard dtls.nextDatagram(to: &span) else { return }
            let length = unsafe span.finalize(for: output)
            unsafe send(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: output[0..<length])), path.remote)
        }
    }

    /// As the DTLS end reads it.
    static func fingerprint(_ fingerprints: [Fingerprint]) -> DTLSFingerprint? {
        fingerprints.lazy.compactMap { each in
            let text = each.bytes.map { byte in
                let digits = String(byte, radix: 16, uppercase: true)
                return digits.count == 1 ? "0" + digits : digits
            }
            return DTLSFingerprint("\(each.hash) \(text.joined(separator: ":"))")
        }.first
    }
}

/// Why there is no client for an answer.
public enum MediaClientError: Error {
    /// The answer has no such candidate of this family, or no fingerprint.
    case noCandidate
}
