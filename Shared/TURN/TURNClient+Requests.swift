internal import Addresses
internal import Bytes
public import STUN
public import Time

// What goes to the server, and when.

extension TURNClient {
    /// No request is longer: a header, a realm, nonce, user name and software as long as they may be, and the rest.
    public static let longestRequest = 3_072

    /// Writes the next request that is to be sent now; false if there is none. The generator must be unpredictable, as
    /// answers to unsigned requests are known by nothing but its bits. Throws if `output` is shorter than
    /// `longestRequest`, or for a user name that is longer than RFC 8489 lets it be.
    public mutating func nextRequest(
        now: Instant, using random: inout some RandomNumberGenerator, to output: inout OutputRawSpan
    ) throws(STUNError) -> Bool {
        for index in requests.indices {
            switch requests[index].phase {
            case .waiting:
                let start = output.byteCount
                let transaction = TransactionID(using: &random)
                try write(requests[index].purpose, transaction, to: &output)
                let isRepeated = settings.transport == .udp
                let bytes = isRepeated ? [UInt8](copying: output.bytes.extracting(droppingFirst: start)) : []
                requests[index].phase = .sent(
                    ClientRequest.Sent(
                        transaction: transaction, authentication: authentication, bytes: bytes,
                        schedule: Retransmission(first: settings.retransmission, isRepeated: isRepeated, now: now)))
                return true
            case .sent(var sent) where sent.isDue:
                guard sent.bytes.count <= output.freeCapacity else {
                    throw .noRoom(needed: sent.bytes.count, left: output.freeCapacity)
                }
                for byte in sent.bytes { output.append(byte) }
                sent.isDue = false
                sent.schedule.repeated(now: now)
                requests[index].phase = .sent(sent)
                return true
            case .sent:
                continue
            }
        }
        return false
    }

    /// Does what is due. Call it when `nextDeadline` has come, until it gives nil; an early call does nothing.
    public mutating func timeout(now: Instant) -> TURNClientEvent? {
        var index = 0
        while index < requests.count {
            guard case .sent(var sent) = requests[index].phase, !sent.isDue, sent.schedule.due <= now else {
                index += 1
                continue
            }
            if sent.schedule.isExhausted { return fail(requests.remove(at: index).purpose, .noAnswer) }
            sent.isDue = true
            requests[index].phase = .sent(sent)
            index += 1
        }
        guard case .allocated(var lease) = state else { return nil }
        guard now < lease.expires else {
            end()
            return .lost(.noAnswer)
        }
        if lease.refreshAt <= now {
            // It is set anew by the answer.
            lease.refreshAt = .distantFuture
            state = .allocated(lease)
            requests.append(ClientRequest(purpose: .refresh(isRelease: false)))
        }
        for (address, permission) in permissions where permission.refreshAt <= now {
            permissions[address]?.refreshAt = .distantFuture
            requests.append(ClientRequest(purpose: .permit(address)))
        }
        for index in bindings.indices where bindings[index].refreshAt <= now {
            bindings[index].refreshAt = .distantFuture
            requests.append(ClientRequest(purpose: .bind(ChannelNumber(position: index), bindings[index].peer)))
        }
        return nil
    }

    /// What a request's failure means for what it was to get.
    mutating func fail(_ purpose: ClientRequest.Purpose, _ failure: TURNFailure) -> TURNClientEvent {
        switch purpose {
        case .allocate:
            end()
            return .notAllocated(failure)
        case .refresh(let isRelease):
            end()
            // It is gone, which was the wish.
            return isRelease && failure == .refused(.allocationMismatch) ? .released : .lost(failure)
        case .permit(let address):
            permissions[address] = nil
            return .notPermitted(address, failure)
        case .bind(let channel, let peer):
            bindings[channel.position].isBound = false
            bindings[channel.position].isOver = true
            channels[peer] = nil
            // The channel kept the permission alive; now it must live by itself.
            if permissions[peer.address]?.isGranted == true { permissions[peer.address]?.refreshAt = .zero }
            return .notBound(channel, peer, failure)
        }
    }

    private func write(
        _ purpose: ClientRequest.Purpose, _ transaction: TransactionID, to output: inout OutputRawSpan
    ) throws(STUNError) {
        let writer = try STUNWriter(STUNHeader(.request, purpose.method, transaction), to: &output)
        switch purpose {
        case .allocate:
            try writeAllocate(writer, to: &output)
        case .refresh(let isRelease):
            if isRelease {
                try writer.add(.lifetime, uint32: 0, to: &output)
            } else if let lifetime = settings.lifetime {
                try writer.add(.lifetime, uint32: TURNClient.seconds(lifetime), to: &output)
            }
        case .permit(let address):
            try writer.add(.xorPeerAddress, xorAddress: Endpoint(address: address, port: 0), to: &output)
        case .bind(let channel, let peer):
            try writer.addChannelNumber(channel.rawValue, to: &output)
            try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
        }
        if let software = settings.software { try writer.add(.software, text: software, to: &output) }
        if let authentication, let credentials = settings.credentials {
            try authentication.sign(writer, username: credentials.username, to: &output)
        }
    }

    private func writeAllocate(_ writer: STUNWriter, to output: inout OutputRawSpan) throws(STUNError) {
        try writer.addRequestedTransport(.udp, to: &output)
        if let lifetime = settings.lifetime {
            try writer.add(.lifetime, uint32: TURNClient.seconds(lifetime), to: &output)
        }
        if settings.dontFragment { try writer.addFlag(.dontFragment, to: &output) }
        switch settings.relay {
        // IPv4 is what a request without the attribute asks for, and older servers do not know it.
        case .one(.v4): break
        case .one(.v6): try writer.add(.requestedAddressFamily, family: .v6, to: &output)
        // RFC 8656 §7.1: only IPv6 may be the additional one.
        case .both: try writer.add(.additionalAddressFamily, family: .v6, to: &output)
        case .evenPort(let family, let reserving):
            if family == .v6 { try writer.add(.requestedAddressFamily, family: .v6, to: &output) }
            try writer.addEvenPort(reserve: reserving, to: &output)
        case .reserved(let token):
            try writer.add(.reservationToken, uint64: token, to: &output)
        }
    }

    private static func seconds(_ interval: Interval) -> UInt32 {
        UInt32(clamping: interval.nanoseconds / 1_000_000_000)
    }
}
