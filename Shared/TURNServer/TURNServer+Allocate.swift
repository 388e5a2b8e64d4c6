internal import Addresses
internal import Bytes
internal import STUN
public import Time

// Allocate (RFC 8656 §7.2): from the request over quota and relay to the answer.

extension TURNServer {
    mutating func allocate(
        _ message: STUNMessage, _ request: Request, _ credentials: Credentials, now: Instant,
        output: inout OutputRawSpan
    ) throws(Refusal) -> TURNAction {
        if let allocation = table.allocation(of: request.flow) {
            // Sent again, it is the same request: it gets the same answer, or none while the first is in work.
            guard let own = details[allocation], own.transaction == request.header.transaction else {
                throw Refusal(.allocationMismatch)
            }
            guard users.rows[Int(table.allocations.rows[allocation].user)].name == credentials.user else {
                throw Refusal(.wrongCredentials)
            }
            guard table.allocations.rows[allocation].state == .live else { return drop(.pending) }
            return answer(allocation, own, request, output: &output)
        }
        let wish = try AllocateWish(message, configuration) { newToken() }
        guard configuration.acceptsAllocations, allocationCount < configuration.allocationLimit else {
            throw Refusal(.insufficientCapacity)
        }
        let (userQuota, totalQuota) = (configuration.userQuota, configuration.totalQuota)
        guard limits.admit(credentials.user, userQuota: userQuota, totalQuota: totalQuota) else {
            throw Refusal(.allocationQuotaReached)
        }
        let allocation = insert(wish, request, credentials, now: now)
        guard configuration.asksForQuota else { return bind(allocation, now: now) }
        table.allocations.rows[allocation].state = .asking
        heap.set(allocation, now + configuration.quotaDeadline)
        return .ask(ticket(of: allocation))
    }

    /// Takes the registry's answer for `user`, whom `user(of:)` named. One that comes too late is taken note of: a grant is
    /// counted for an allocation that lives, and given back where none does.
    public mutating func quotaAnswered(
        _ ticket: TURNTicket, user: String, granted: Bool, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        guard let allocation = allocation(of: ticket), let own = details[allocation] else {
            if granted { release(.quotaReleased(user: user)) }
            return drop(.lateAnswer)
        }
        if granted { details[allocation]?.isGranted = true }
        guard table.allocations.rows[allocation].state == .asking else { return drop(.lateAnswer) }
        guard !granted else { return bind(allocation, now: now) }
        let request = self.request(of: allocation, own)
        end(allocation, nil, now: now)
        return fail(request, .allocationQuotaReached, output: &output)
    }

    /// Takes the worker's relays. What nobody needs any more comes back by `nextRelease`.
    public mutating func bound(
        _ ticket: TURNTicket, _ grant: RelayGrant, now: Instant, output: inout OutputRawSpan
    ) -> TURNAction {
        guard let allocation = allocation(of: ticket), table.allocations.rows[allocation].state == .binding,
            let own = details[allocation]
        else {
            for relay in [grant.v4, grant.v6] {
                if let relay { release(.closeRelay(relay.id)) }
            }
            return drop(.lateAnswer)
        }
        let request = self.request(of: allocation, own)
        guard grant.v4 != nil || grant.v6 != nil else {
            end(allocation, nil, now: now)
            return fail(request, .insufficientCapacity, output: &output)
        }
        let expires = now + own.wish.lifetime
        if let relay = grant.v4 {
            insert(relay, of: allocation)
            table.allocations.rows[allocation].relayV4 = relay.id.number
            table.allocations.rows[allocation].expiresV4 = expires
        }
        if let relay = grant.v6 {
            insert(relay, of: allocation)
            table.allocations.rows[allocation].relayV6 = relay.id.number
            table.allocations.rows[allocation].expiresV6 = expires
        }
        table.allocations.rows[allocation].state = .live
        heap.set(allocation, expires)
        counters.allocationsMade &+= 1
        report(.created, allocation, lifetime: own.wish.lifetime, now: now)
        return answer(allocation, own, request, output: &output)
    }

    /// Asks the worker for relays.
    mutating func bind(_ allocation: Int, now: Instant) -> TURNAction {
        guard let own = details[allocation] else { return drop(.lateAnswer) }
        table.allocations.rows[allocation].state = .binding
        heap.set(allocation, now + TURNServer.bindDeadline)
        return .bind(
            RelayRequest(
                ticket: ticket(of: allocation), families: own.wish.families, port: own.wish.port,
                flow: table.allocations.rows[allocation].flow))
    }

    private mutating func insert(
        _ wish: AllocateWish, _ request: Request, _ credentials: Credentials, now: Instant
    ) -> Int {
        let user: Int
        if let row = userRows[credentials.user] {
            user = row
        } else {
            user = users.insert(UserRow(name: credentials.user))
            userRows[credentials.user] = user
        }
        users.rows[user].allocations += 1
        let allocation = table.insert(request.flow, state: .binding, user: user)
        while details.count <= allocation { details.append(nil) }
        allocationsMade += 1
        details[allocation] = AllocationDetails(
            id: AllocationID(worker: worker, count: allocationsMade), username: credentials.username,
            transaction: request.header.transaction, wish: wish, trust: credentials.trust,
            hasFingerprint: request.hasFingerprint, made: now)
        return allocation
    }

    private mutating func insert(_ relay: BoundRelay, of allocation: Int) {
        let advertised = Endpoint(
            address: configuration.advertised(relay.local.address), port: relay.local.port)
        table.insert(
            Relay(allocation: Int32(allocation), local: relay.local, advertised: advertised), number: relay.id)
        limits.relays.insert(advertised)
    }

    /// The success that a retransmission gets, too.
    private mutating func answer(
        _ allocation: Int, _ own: AllocationDetails, _ request: Request, output: inout OutputRawSpan
    ) -> TURNAction {
        let row = table.allocations.rows[allocation]
        let relayed = [relayed(row.relayV4), relayed(row.relayV6)]
        return succeed(request, output: &output) { (writer, output) throws(STUNError) in
            for endpoint in relayed {
                if let endpoint { try writer.add(.xorRelayedAddress, xorAddress: endpoint, to: &output) }
            }
            if let missing = own.wish.missing {
                try writer.addAddressErrorCode(missing, .addressFamilyNotSupported, to: &output)
            } else if own.wish.families == .both, !own.wish.port.isKept {
                if relayed[0] == nil { try writer.addAddressErrorCode(.v4, .insufficientCapacity, to: &output) }
                if relayed[1] == nil { try writer.addAddressErrorCode(.v6, .insufficientCapacity, to: &output) }
            }
            let seconds = own.wish.lifetime.nanoseconds / 1_000_000_000
            try writer.add(.lifetime, uint32: UInt32(clamping: seconds), to: &output)
            if case .evenAndNext(let token) = own.wish.port {
                try writer.add(.reservationToken, uint64: token, to: &output)
            }
            try writer.add(.xorMappedAddress, xorAddress: request.flow.client, to: &output)
        }
    }

    /// A relay's address as clients see it.
    func relayed(_ number: Int32) -> Endpoint? { number < 0 ? nil : table.relays[Int(number)].advertised }

    /// The Allocate that an allocation came from.
    private func request(of allocation: Int, _ own: AllocationDetails) -> Request {
        Request(
            kind: .allocate, header: STUNHeader(.request, .allocate, own.transaction),
            flow: table.allocations.rows[allocation].flow, byteCount: 0, hasFingerprint: own.hasFingerprint,
            trust: own.trust)
    }

    /// The worker in the top byte, so that another one may know whom to ask; the rest nobody can guess.
    private mutating func newToken() -> UInt64 {
        tokens += 1
        var message = [64 of UInt8](repeating: 0)
        for index in 0..<8 { message[index] = UInt8(truncatingIfNeeded: tokens >> UInt64(index * 8)) }
        let digest = tokenKey.digest(message, count: 8)
        var token = UInt64(worker)
        for index in 0..<7 { token = token << 8 | UInt64(digest[index]) }
        return token
    }
}

extension PortWish {
    var isKept: Bool { if case .kept = self { true } else { false } }
}
