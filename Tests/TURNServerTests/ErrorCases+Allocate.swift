import Addresses
import STUN
import TURN
import TURNServer
import Time

/// An Allocate with just these attributes.
private func allocate(_ client: TestClient, _ body: TestClient.Body) -> Answer? { client.ask(.allocate, body) }

/// RFC 8656 §7.2, in its order.
let allocateCases: [ErrorCase] = [
    ErrorCase(method: .allocate, code: .allocationMismatch, why: "a second one") { _, client in
        client.allocate()
        return client.allocate()
    },
    ErrorCase(method: .allocate, code: .wrongCredentials, why: "sent again by somebody else") { _, client in
        let transaction = client.transaction()
        let body: TestClient.Body = { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
        }
        _ = client.ask(.allocate, transaction: transaction, body)
        (client.username, client.password) = ("bob", "hunter2")
        return client.ask(.allocate, transaction: transaction, body)
    },
    ErrorCase(method: .allocate, code: .badRequest, why: "no transport") { _, client in
        allocate(client) { (_, _) throws(STUNError) in }
    },
    ErrorCase(method: .allocate, code: .badRequest, why: "a transport of the wrong length") { _, client in
        allocate(client) { (writer, output) throws(STUNError) in
            try writer.add(.requestedTransport, uint64: 17 << 56, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .unsupportedTransportProtocol, why: "TCP to peers") { _, client in
        allocate(client) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.tcp, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .unsupportedTransportProtocol, why: "a transport that is none") { _, client in
        allocate(client) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(TURNTransport(rawValue: 255), to: &output)
        }
    },
    ErrorCase(
        method: .allocate, code: .unknownAttribute, why: "DF, where it cannot be set",
        configure: { $0.relaysWithDontFragment = false }
    ) { _, client in
        client.allocate { (writer, output) throws(STUNError) in try writer.addFlag(.dontFragment, to: &output) }
    },
    ErrorCase(method: .allocate, code: .badRequest, why: "a token and an even port") { _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.reservationToken, uint64: 1, to: &output)
            try writer.addEvenPort(reserve: false, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .badRequest, why: "a token and a family") { _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.reservationToken, uint64: 1, to: &output)
            try writer.add(.requestedAddressFamily, family: .v4, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .badRequest, why: "a token and an additional family") { _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.reservationToken, uint64: 1, to: &output)
            try writer.add(.additionalAddressFamily, family: .v6, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .badRequest, why: "a token of the wrong length") { _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.reservationToken, uint32: 1, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .insufficientCapacity, why: "a token that nobody gave") { _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.reservationToken, uint64: 77, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .insufficientCapacity, why: "a token that another user was given") {
        server, client in
        let bob = TestClient(server, flow("198.18.1.9:1"), username: "bob", password: "hunter2")
        let given = bob.allocate { (writer, output) throws(STUNError) in
            try writer.addEvenPort(reserve: true, to: &output)
        }
        return client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.reservationToken, uint64: given?.token ?? 0, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .badRequest, why: "a family and an additional one") { _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.requestedAddressFamily, family: .v4, to: &output)
            try writer.add(.additionalAddressFamily, family: .v6, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .badRequest, why: "IPv4 as the additional family") { _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.additionalAddressFamily, family: .v4, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .badRequest, why: "an additional family and a port to be kept") { _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.additionalAddressFamily, family: .v6, to: &output)
            try writer.addEvenPort(reserve: true, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .badRequest, why: "a lifetime of the wrong length") { _, client in
        client.allocate { (writer, output) throws(STUNError) in try writer.add(.lifetime, uint64: 1, to: &output) }
    },
    ErrorCase(method: .allocate, code: .addressFamilyNotSupported, why: "a family that nobody knows") { _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.requestedAddressFamily, uint32: 3 << 24, to: &output)
        }
    },
    ErrorCase(method: .allocate, code: .addressFamilyNotSupported, why: "an additional family that nobody knows") {
        _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.additionalAddressFamily, uint32: 3 << 24, to: &output)
        }
    },
    ErrorCase(
        method: .allocate, code: .addressFamilyNotSupported, why: "IPv6 where there is none",
        configure: { $0.families = .v4 }
    ) { _, client in
        client.allocate { (writer, output) throws(STUNError) in
            try writer.add(.requestedAddressFamily, family: .v6, to: &output)
        }
    },
    ErrorCase(
        method: .allocate, code: .addressFamilyNotSupported, why: "no family named, IPv6 alone here",
        configure: { $0.families = .v6 }
    ) { _, client in client.allocate() },
    ErrorCase(
        method: .allocate, code: .allocationQuotaReached, why: "one more of a user", configure: { $0.userQuota = 2 }
    ) { server, client in
        for port in 1...2 { TestClient(server, flow("198.18.1.9:\(port)")).allocate() }
        return client.allocate()
    },
    ErrorCase(
        method: .allocate, code: .allocationQuotaReached, why: "one more in all", configure: { $0.totalQuota = 1 }
    ) { server, client in
        TestClient(server, flow("198.18.1.9:1"), username: "bob", password: "hunter2").allocate()
        return client.allocate()
    },
    ErrorCase(
        method: .allocate, code: .allocationQuotaReached, why: "the registry says no",
        configure: { $0.asksForQuota = true }
    ) { server, client in
        let request = client.message(.request, .allocate) { (writer, output) throws(STUNError) in
            try writer.addRequestedTransport(.udp, to: &output)
        }
        guard case .asked(let ticket) = client.send(request) else { return nil }
        return server.quotaAnswered(ticket, user: "ann", granted: false).answer
            .flatMap { Answer($0, key: client.key) }
    },
    ErrorCase(method: .allocate, code: .insufficientCapacity, why: "no port is free") { server, client in
        server.freePorts = 0
        return client.allocate()
    },
    ErrorCase(
        method: .allocate, code: .insufficientCapacity, why: "more than the machine holds",
        configure: { $0.allocationLimit = 1 }
    ) { server, client in
        TestClient(server, flow("198.18.1.9:1")).allocate()
        return client.allocate()
    },
    ErrorCase(
        method: .allocate, code: .insufficientCapacity, why: "the end of a drain",
        configure: { $0.acceptsAllocations = false }
    ) { _, client in client.allocate() },
    ErrorCase(method: .allocate, code: .insufficientCapacity, why: "no room for a port to be kept") { server, client in
        server.kept = KeptPorts(limit: 1, limitOfUser: 1)
        TestClient(server, flow("198.18.1.9:1")).allocate { (writer, output) throws(STUNError) in
            try writer.addEvenPort(reserve: true, to: &output)
        }
        return client.allocate { (writer, output) throws(STUNError) in
            try writer.addEvenPort(reserve: true, to: &output)
        }
    },
]
