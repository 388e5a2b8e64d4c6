import Bus
import Glibc
import Messages
import NIOCore
import ServiceKit
import Time

/// ICE servers for who is not signed in: the page /diagnostics asks for them (docs/decisions/0008).
struct GuestServers: Sendable {
    /// What a guest is told.
    enum Answer: Sendable {
        case servers([UInt8])
        case off
        case tooOften
        case unavailable
    }

    /// A check takes seconds, and a page may stand open for a while before it is asked again. Whoever takes the credential elsewhere has
    /// little of it.
    private static let lifetime: UInt32 = 3_600

    private let registry: Roost_Registry_V1_RegistryClient
    private let region: String
    private let gate: SourceGate?

    /// `perMinute` is for each source; 0 turns it off.
    init(registry: Roost_Registry_V1_RegistryClient, region: String, perMinute: Int) {
        self.registry = registry
        self.region = region
        gate =
            perMinute == 0
            ? nil
            : SourceGate(
                burst: perMinute, oneEach: .milliseconds(60_000 / Int64(perMinute)),
                now: MonotonicClock.now)
    }

    /// Asks a registry, in the name of the address: quotas of a user hold for all guests behind it.
    func ask(from address: SocketAddress?) async -> Answer {
        guard let gate else { return .off }
        let source = Self.source(of: address)
        guard gate.admits(source, now: MonotonicClock.now) else { return .tooOften }
        var request = Roost_Registry_V1_IceServersRequest()
        request.user = "guest-\(Digest.short(source, length: 12))"
        request.region = region
        request.lifetimeS = Self.lifetime
        guard let reply = try? await registry.iceServers(request, options: CallOptions(timeout: .seconds(2))) else {
            return .unavailable
        }
        return .servers(
            JSONWriter.object { writer in
                Answers.iceServers(reply.servers, into: &writer)
                writer.field("iceSeconds", reply.lifetimeS)
            })
    }

    /// An IPv4 address, or the network of an IPv6 one: a host has all the addresses of its /64 (RFC 4291 §2.5.4).
    static func source(of address: SocketAddress?) -> String {
        guard let address else { return "unknown" }
        guard case .v6(let v6) = address, let text = address.ipAddress else { return address.ipAddress ?? "unknown" }
        let bytes = unsafe withUnsafeBytes(of: v6.address.sin6_addr) { unsafe Array($0) }
        let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        if isMapped, let v4 = text.split(separator: ":").last { return String(v4) }
        return bytes[..<8].map { String($0, radix: 16) }.joined(separator: ".")
    }
}
