import Addresses
import Bytes
import STUN
import TURN
import Testing
import Time

private let peer = endpoint("192.0.2.44:9000")
private let other = endpoint("192.0.2.45:9000")

/// A Data indication as a server writes it.
private func indication(
    from peer: Endpoint, _ data: [UInt8]?, icmp: (type: UInt8, code: UInt8, data: UInt32)? = nil
) throws(STUNError) -> [UInt8] {
    try [UInt8](capacity: 2_000) { (output: inout OutputRawSpan) throws(STUNError) -> Void in
        let header = STUNHeader(.indication, .data, TransactionID(high: 1, low: 2))
        let writer = try STUNWriter(header, to: &output)
        try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
        if let data { try writer.add(.data, bytes: data.span.raw, to: &output) }
        if let icmp { try writer.addICMP(type: icmp.type, code: icmp.code, data: icmp.data, to: &output) }
    }
}

struct TURNClientPeersTests {
    func write(_ talk: inout Conversation, _ data: [UInt8], to peer: Endpoint) throws(TURNClientError) -> [UInt8] {
        let (client, seed) = (talk.client, talk.random)
        return try [UInt8](capacity: 2_000) { (output) throws(TURNClientError) in
            var random = seed
            try client.write(data.span.raw, to: peer, using: &random, to: &output)
        }
    }

    @Test func `a permitted peer is sent to and heard`() throws {
        var talk = Conversation()
        try talk.allocated()
        #expect(throws: TURNClientError.notPermitted(peer.address)) { try write(&talk, [1], to: peer) }

        try talk.client.permit(peer.address)
        try talk.client.permit(peer.address)
        #expect(throws: TURNClientError.notPermitted(peer.address)) { try write(&talk, [1], to: peer) }
        try talk.exchange()

        #expect(talk.take() == [.permitted(peer.address)])
        #expect(talk.server.heard.map(\.method) == [.createPermission])
        #expect(talk.server.heard.map(\.peer) == [Endpoint(address: peer.address, port: 0)])
        let sent = try write(&talk, [1, 2, 3], to: peer)
        let message = try STUNMessage(parsing: sent.span.raw)
        #expect(message.header.method == .send)
        #expect(message.header.messageClass == .indication)
        #expect(try message.xorPeerAddress() == peer)
        var data: [UInt8]?
        if let value = message.value(of: .data) { data = [UInt8](copying: value) }
        #expect(data == [1, 2, 3])

        let came = try indication(from: peer, [7, 8])
        guard case .data(let sender, let range) = try talk.client.receive(came.span.raw, now: talk.now) else {
            Issue.record("no data")
            return
        }
        #expect(sender == peer)
        #expect(Array(came[range]) == [7, 8])
    }

    @Test func `strangers are not heard`() throws {
        var talk = Conversation()
        try talk.allocated()
        try talk.client.permit(peer.address)
        try talk.exchange()

        let stranger = try indication(from: other, [1])
        #expect(throws: TURNClientDrop.notPermitted(other.address)) {
            try talk.client.receive(stranger.span.raw, now: talk.now)
        }
        let empty = try indication(from: peer, nil)
        #expect(throws: TURNClientDrop.malformed(.malformed(.data))) {
            try talk.client.receive(empty.span.raw, now: talk.now)
        }
        let channel = try channelData(0, [1], padded: false)
        #expect(throws: TURNClientDrop.unknownChannel(ChannelNumber(position: 0))) {
            try talk.client.receive(channel.span.raw, now: talk.now)
        }
    }

    @Test func `an ICMP error is told`() throws {
        var talk = Conversation()
        try talk.allocated()
        try talk.client.permit(peer.address)
        try talk.exchange()

        let came = try indication(from: peer, nil, icmp: (3, 4, 1_280))
        #expect(
            try talk.client.receive(came.span.raw, now: talk.now)
                == .unreachable(peer, type: 3, code: 4, data: 1_280))
    }

    @Test(arguments: [TURNClientSettings.Transport.udp, .stream])
    func `a channel shortens what is sent and heard`(transport: TURNClientSettings.Transport) throws {
        var talk = Conversation(transport)
        try talk.allocated()

        let channel = try talk.client.bind(peer)
        #expect(talk.client.channel(of: peer) == nil)
        #expect(try talk.client.bind(peer) == channel)
        try talk.exchange()

        #expect(talk.take() == [.bound(channel, peer)])
        #expect(talk.client.channel(of: peer) == channel)
        #expect(
            talk.server.heard == [
                .init(.channelBind, [.channelNumber, .xorPeerAddress, .username, .realm, .nonce], peer: peer)
            ])
        let padding: [UInt8] = transport == .stream ? [0, 0, 0] : []
        #expect(try write(&talk, [5], to: peer) == [0x40, 0, 0, 1, 5] + padding)
        let came: [UInt8] = [0x40, 0, 0, 2, 8, 9]
        #expect(try talk.client.receive(came.span.raw, now: talk.now) == .data(from: peer, 4..<6))
        // The channel permits the whole address: data from another port of it comes as an indication.
        let elsewhere = try indication(from: Endpoint(address: peer.address, port: 1), [1])
        #expect(try talk.client.receive(elsewhere.span.raw, now: talk.now) != nil)
    }

    @Test func `what is refused is told and forgotten`() throws {
        var talk = Conversation()
        try talk.allocated()
        talk.server.script = [.refuse(.forbidden, signed: true), .refuse(.forbidden, signed: true)]

        try talk.client.permit(peer.address)
        let channel = try talk.client.bind(other)
        try talk.exchange()

        #expect(
            talk.take() == [
                .notPermitted(peer.address, .refused(.forbidden)), .notBound(channel, other, .refused(.forbidden)),
            ])
        // The number stays with the peer it was tried for: asking again takes the next.
        #expect(try talk.client.bind(other) == ChannelNumber(position: 1))
    }

    @Test func `all is refreshed in time, for a day`() throws {
        var talk = Conversation()
        try talk.allocated()
        try talk.client.permit(peer.address)
        _ = try talk.client.bind(other)
        try talk.exchange()
        _ = talk.take()
        talk.server.heard = []
        talk.sentAt = []

        try talk.run(for: .seconds(86_400))

        #expect(talk.take() == [])
        #expect(talk.client.allocation != nil)
        let counts = [STUNMethod.refresh, .createPermission, .channelBind].map { method in
            talk.server.heard.filter { $0.method == method }.count
        }
        #expect(counts == [86_400 / 540, 86_400 / 240, 86_400 / 240])
    }

    @Test func `a nonce that grows stale meanwhile goes unnoticed`() throws {
        var talk = Conversation()
        try talk.allocated()
        _ = try talk.client.bind(peer)
        try talk.exchange()
        _ = talk.take()
        talk.server.nonce = "nonce-2"

        try talk.run(for: .seconds(3_600))

        #expect(talk.take() == [])
        #expect(talk.client.channel(of: peer) != nil)
    }

    @Test func `one lost request of each kind does no harm`() throws {
        var talk = Conversation()
        try talk.allocated()
        try talk.client.permit(peer.address)
        _ = try talk.client.bind(other)
        try talk.exchange()
        _ = talk.take()

        // Every other request is lost, so each is sent twice.
        for _ in 0..<40 { talk.server.script += [.silence, .normal] }
        try talk.run(for: .seconds(3_000))

        #expect(talk.take() == [])
        #expect(talk.client.allocation != nil)
    }

    @Test func `a server that falls silent is noticed before the allocation ends`() throws {
        var talk = Conversation()
        try talk.allocated()
        talk.server.script = [ScriptedServer.Step](repeating: .silence, count: 1_000)

        try talk.run(for: .seconds(540 + 39))
        #expect(talk.take() == [])
        try talk.run(for: .seconds(1))

        #expect(talk.take() == [.lost(.noAnswer)])
        #expect(talk.client.nextDeadline == nil)
        #expect(throws: TURNClientError.notAllocated) { try talk.client.permit(peer.address) }
    }

    @Test func `an allocation that the server forgot is lost, and can be asked for anew`() throws {
        var talk = Conversation()
        try talk.allocated()
        talk.server.script = [.refuse(.allocationMismatch, signed: true)]

        try talk.run(for: .seconds(540))
        #expect(talk.take() == [.lost(.refused(.allocationMismatch))])

        try talk.client.allocate()
        try talk.exchange()
        #expect(talk.client.allocation != nil)
    }

    @Test func `it is given back`() throws {
        var talk = Conversation()
        try talk.allocated()

        try talk.client.release()
        try talk.exchange()

        #expect(talk.take() == [.released])
        #expect(talk.server.heard.map(\.lifetime) == [0])
        #expect(talk.client.nextDeadline == nil)
        #expect(throws: TURNClientError.notAllocated) { try talk.client.release() }
    }

    @Test func `peers are bounded, and of the relay address's family`() throws {
        var talk = Conversation { $0.maximumPeers = 2 }
        try talk.allocated()
        try talk.client.permit(peer.address)
        try talk.client.permit(other.address)

        #expect(throws: TURNClientError.tooManyPeers(limit: 2)) {
            try talk.client.permit(endpoint("192.0.2.46:1").address)
        }
        _ = try talk.client.bind(peer)
        _ = try talk.client.bind(other)
        #expect(throws: TURNClientError.tooManyPeers(limit: 2)) { try talk.client.bind(endpoint("192.0.2.44:9001")) }
        #expect(throws: TURNClientError.noRelayAddress(.v6)) {
            try talk.client.permit(endpoint("[2001:db8::7]:1").address)
        }
    }
}
