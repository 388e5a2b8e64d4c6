import Addresses
import STUN
import TURN
import TURNServer
import Time

/// RFC 8656 §8.2.
let refreshCases: [ErrorCase] = [
    ErrorCase(method: .refresh, code: .peerAddressFamilyMismatch, why: "IPv6, of an IPv4 allocation") { _, client in
        client.allocate()
        return client.refresh(600, family: .v6)
    },
    ErrorCase(method: .refresh, code: .peerAddressFamilyMismatch, why: "the end of what is not there") { _, client in
        client.allocate()
        return client.refresh(0, family: .v6)
    },
    ErrorCase(method: .refresh, code: .peerAddressFamilyMismatch, why: "a family that nobody knows") { _, client in
        client.allocate()
        return client.ask(.refresh) { (writer, output) throws(STUNError) in
            try writer.add(.requestedAddressFamily, uint32: 9 << 24, to: &output)
        }
    },
    ErrorCase(method: .refresh, code: .badRequest, why: "a lifetime of the wrong length") { _, client in
        client.allocate()
        return client.ask(.refresh) { (writer, output) throws(STUNError) in
            try writer.add(.lifetime, uint64: 600, to: &output)
        }
    },
]

/// A ChannelBind with a number as it is.
private func bind(_ client: TestClient, _ number: UInt16?, _ peer: Endpoint?) -> Answer? {
    client.ask(.channelBind) { (writer, output) throws(STUNError) in
        if let number { try writer.addChannelNumber(number, to: &output) }
        if let peer { try writer.add(.xorPeerAddress, xorAddress: peer, to: &output) }
    }
}

/// A ChannelBind whose peer has these eight bytes.
private func bind(_ client: TestClient, _ number: UInt16, raw: UInt64) -> Answer? {
    client.ask(.channelBind) { (writer, output) throws(STUNError) in
        try writer.addChannelNumber(number, to: &output)
        try writer.add(.xorPeerAddress, uint64: raw, to: &output)
    }
}

/// RFC 8656 §10.2 and §12.2.
let peerCases: [ErrorCase] = [
    ErrorCase(method: .createPermission, code: .badRequest, why: "no peer") { _, client in
        client.allocate()
        return client.permit()
    },
    ErrorCase(method: .createPermission, code: .badRequest, why: "a peer of the wrong length") { _, client in
        client.allocate()
        return client.ask(.createPermission) { (writer, output) throws(STUNError) in
            try writer.add(.xorPeerAddress, uint64: 0x0002_1111_2222_3333, to: &output)
        }
    },
    ErrorCase(method: .createPermission, code: .badRequest, why: "a peer of no family, after a good one") { _, client in
        client.allocate()
        return client.ask(.createPermission) { (writer, output) throws(STUNError) in
            try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
            try writer.add(.xorPeerAddress, uint64: 0x0003_1111_2222_3333, to: &output)
        }
    },
    ErrorCase(method: .createPermission, code: .peerAddressFamilyMismatch, why: "an IPv6 peer") { _, client in
        client.allocate()
        return client.permit(peerV6)
    },
    ErrorCase(method: .createPermission, code: .forbidden, why: "a peer in loopback") { _, client in
        client.allocate()
        return client.permit(at("127.0.0.1:6379"))
    },
    ErrorCase(method: .createPermission, code: .forbidden, why: "a refused peer after a good one") { _, client in
        client.allocate()
        return client.permit(peer, at("169.254.169.254:80"))
    },
    ErrorCase(
        method: .createPermission, code: .insufficientCapacity, why: "one peer too many",
        configure: { $0.permissionLimit = 2 }
    ) { _, client in
        client.allocate()
        return client.permit(peer, otherPeer, at("1.1.1.1:1"))
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "no number") { _, client in
        client.allocate()
        return bind(client, nil, peer)
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "no peer") { _, client in
        client.allocate()
        return bind(client, 0x4000, nil)
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "a peer of no family") { _, client in
        client.allocate()
        return bind(client, 0x4000, raw: 0x0003_1111_2222_3333)
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "an IPv6 peer of an IPv4 peer's length") { _, client in
        client.allocate()
        return bind(client, 0x4000, raw: 0x0002_1111_2222_3333)
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "0x3FFF") { _, client in
        client.allocate()
        return bind(client, 0x3FFF, peer)
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "0x8000") { _, client in
        client.allocate()
        return bind(client, 0x8000, peer)
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "0xFFFF") { _, client in
        client.allocate()
        return bind(client, 0xFFFF, peer)
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "a number of another peer") { _, client in
        client.allocate()
        client.bind(0x4000, to: peer)
        return client.bind(0x4000, to: otherPeer)
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "a peer with another number") { _, client in
        client.allocate()
        client.bind(0x4000, to: peer)
        return client.bind(0x4001, to: peer)
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "two that are bound crosswise") { _, client in
        client.allocate()
        client.bind(0x4000, to: peer)
        client.bind(0x4001, to: otherPeer)
        return client.bind(0x4000, to: otherPeer)
    },
    ErrorCase(method: .channelBind, code: .badRequest, why: "a number kept for the peer it was bound to") {
        server, client in
        client.allocate { (writer, output) throws(STUNError) in try writer.add(.lifetime, uint32: 3_600, to: &output) }
        client.bind(0x4000, to: peer)
        server.advance(.seconds(600 + 299))
        return client.bind(0x4000, to: otherPeer)
    },
    ErrorCase(method: .channelBind, code: .peerAddressFamilyMismatch, why: "an IPv6 peer") { _, client in
        client.allocate()
        return client.bind(0x4000, to: peerV6)
    },
    ErrorCase(method: .channelBind, code: .forbidden, why: "a private peer") { _, client in
        client.allocate()
        return client.bind(0x4000, to: at("10.0.0.1:6379"))
    },
    ErrorCase(method: .channelBind, code: .forbidden, why: "port 0") { _, client in
        client.allocate()
        return client.bind(0x4000, to: at("8.8.8.8:0"))
    },
    ErrorCase(
        method: .channelBind, code: .insufficientCapacity, why: "one channel too many",
        configure: { $0.channelLimit = 1 }
    ) { _, client in
        client.allocate()
        client.bind(0x4000, to: peer)
        return client.bind(0x4001, to: otherPeer)
    },
    ErrorCase(
        method: .channelBind, code: .insufficientCapacity, why: "a channel that needs a permission too many",
        configure: { $0.permissionLimit = 1 }
    ) { _, client in
        client.allocate()
        client.permit(peer)
        return client.bind(0x4001, to: otherPeer)
    },
]
