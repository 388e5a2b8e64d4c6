import Bus
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
        let source = Source.of(address)
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
}
