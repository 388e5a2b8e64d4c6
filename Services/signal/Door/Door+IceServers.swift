import Bus
import Messages
import Time

/// STUN and TURN servers of a client, and the credentials for them, which end.
extension Door {
    /// STUN and TURN servers; nil where no registry can be asked in time: a call on one network works without.
    func iceServers(session: String) async -> Roost_Registry_V1_IceServersResponse? {
        guard CallID.current != nil else {
            return await CallID.$current.withValue(session) { await iceServers(session: session) }
        }
        var request = Roost_Registry_V1_IceServersRequest()
        // Not the person's name: user names of TURN travel in the clear.
        request.user = session
        request.region = parts.region
        return try? await parts.registry.iceServers(request, options: CallOptions(timeout: .seconds(1)))
    }

    /// `ice-servers`: fresh ones.
    func renewIceServers(_ session: Session, _ id: UInt64) async throws -> [UInt8] {
        guard let ice = await iceServers(session: session.id) else {
            throw RequestError(.unavailable, "No server for relaying can be asked for just now.")
        }
        return Answers.ok(id) { writer in
            Answers.iceServers(ice.servers, into: &writer)
            writer.field("iceSeconds", ice.lifetimeS)
        }
    }
}
