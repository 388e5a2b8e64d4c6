internal import Addresses
internal import Bytes
internal import STUN
internal import Time

extension TURNServer {
    /// Refresh (RFC 8656 §8.2): prolongs an allocation, or ends it, or one of its two addresses.
    mutating func refresh(
        _ message: STUNMessage, _ request: Request, _ credentials: Credentials, now: Instant,
        output: inout OutputRawSpan
    ) throws(Refusal) -> TURNAction {
        let allocation = try allocation(of: request, credentials)
        let stated: UInt32?
        let family: UInt8?
        do throws(STUNError) {
            stated = try message.lifetime()
            family = try message.familyNumber(.requestedAddressFamily)
        } catch {
            throw Refusal(error)
        }
        let row = table.allocations.rows[allocation]
        let (isV4, isV6) = (family != 2 && row.relayV4 >= 0, family != 1 && row.relayV6 >= 0)
        guard family == nil || family == 1 || family == 2, isV4 || isV6 else {
            throw Refusal(.peerAddressFamilyMismatch)
        }
        guard stated != 0 else {
            // All that is needed of it is in `request`: it answers for an allocation that is gone.
            if isV4 == (row.relayV4 >= 0), isV6 == (row.relayV6 >= 0) {
                end(allocation, .deleted, now: now)
            } else {
                closeRelay(isV4 ? .v4 : .v6, of: allocation)
            }
            return succeed(request, output: &output) { (writer, output) throws(STUNError) in
                try writer.add(.lifetime, uint32: 0, to: &output)
            }
        }
        let lifetime = AllocateWish.lifetime(stated, configuration)
        if isV4 { table.allocations.rows[allocation].expiresV4 = now + lifetime }
        if isV6 { table.allocations.rows[allocation].expiresV6 = now + lifetime }
        heap.set(allocation, table.nextDeadline(of: allocation))
        report(.refreshed, allocation, lifetime: lifetime, now: now)
        return succeed(request, output: &output) { (writer, output) throws(STUNError) in
            let seconds = lifetime.nanoseconds / 1_000_000_000
            try writer.add(.lifetime, uint32: UInt32(clamping: seconds), to: &output)
        }
    }

    /// The allocation that a request is about: there must be one (437), of the same user (441: RFC 8656 §5).
    func allocation(of request: Request, _ credentials: Credentials) throws(Refusal) -> Int {
        guard let allocation = table.allocation(of: request.flow),
            table.allocations.rows[allocation].state == .live
        else { throw Refusal(.allocationMismatch) }
        // Of the same user, not only of the same name: a client may renew a time-limited one.
        guard users.rows[Int(table.allocations.rows[allocation].user)].name == credentials.user else {
            throw Refusal(.wrongCredentials)
        }
        return allocation
    }
}
