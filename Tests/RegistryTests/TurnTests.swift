import Addresses
import Attachment
import Bus
import Foundation
import Messages
import RedisServer
import Registry
import Synchronization
import TURN
import Testing
import Time

/// What turn servers and their clients ask of registries.
@Suite struct TurnTests {
    private let urls = ["stun:192.0.2.1:3478", "turn:192.0.2.1:3478?transport=udp", "TURNS:192.0.2.1:5349"]

    /// A file of these lines, gone after `body`.
    private func withSecrets(
        _ lines: [String], _ body: (String, TurnSecrets) async throws -> Void
    ) async throws {
        let path = NSTemporaryDirectory() + "/secret-\(UInt32.random(in: 0 ... .max))"
        try write(lines, to: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let secrets = try TurnSecrets(path: path, key: "turn-secret-file", lifetime: .seconds(600), logger: silent)
        try await body(path, secrets)
    }

    private func write(_ lines: [String], to path: String) throws {
        try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
    }

    private func servers(_ client: TestClient, _ user: String = "ann") async throws
        -> Roost_Registry_V1_IceServersResponse
    {
        var request = Roost_Registry_V1_IceServersRequest()
        request.user = user
        return try await client.registry.iceServers(request)
    }

    @Test func `with a secret, clients get all URLs and a credential that any turn server with it takes`()
        async throws
    {
        try await withSecrets(["a-secret-of-many-characters"]) { _, secrets in
            try await withTwo(secrets: secrets) { cluster, _, a, _ in
                let node = TestNode("turn-1", kind: .turn, ice: urls, to: cluster.address("B"))
                defer { _ = node }
                #expect(await isKnown("turn-1", to: a))
                let now = WallTime.now
                let response = try await servers(a)

                let server = try #require(response.servers.first)
                #expect(response.servers.count == 1 && server.urls == urls && response.lifetimeS == 600)
                let secret = try #require(SharedSecret("a-secret-of-many-characters"))
                let name = try TimeLimitedCredential.verify(
                    username: server.username, password: server.credential, secrets: [secret], now: now)
                #expect(name.user == "ann")
                #expect((595...601).contains((name.expires - now).inSeconds))

                var guest = Roost_Registry_V1_IceServersRequest()
                guest.user = "guest"
                guest.lifetimeS = 60
                let short = try await a.registry.iceServers(guest)
                let expires = try #require(
                    short.servers.first?.username.split(separator: ":").first.flatMap { Int64($0) })
                #expect(short.lifetimeS == 60 && (55...61).contains(expires - now.milliseconds / 1_000))
                guest.lifetimeS = 86_400
                #expect(try await a.registry.iceServers(guest).lifetimeS == 600, "no longer than the registry gives")
                await #expect(throws: BusStatus.self) {
                    try await servers(a, String(repeating: "a", count: 257))
                }
            }
        }
    }

    @Test func `without a secret clients get STUN URLs alone`() async throws {
        try await withTwo { cluster, _, a, _ in
            let node = TestNode("turn-1", kind: .turn, ice: urls, to: cluster.address("A"))
            let relay = TestNode(
                "turn-2", kind: .turn, ice: ["turn:192.0.2.2:3478"], to: cluster.address("A"))
            defer { _ = (node, relay) }
            #expect(await isKnown("turn-1", to: a))
            #expect(await isKnown("turn-2", to: a))
            let response = try await servers(a)
            #expect(response.servers.map(\.urls) == [["stun:192.0.2.1:3478"]])
            #expect(response.servers.allSatisfy { $0.username.isEmpty && $0.credential.isEmpty })
        }
    }

    @Test func `after a reload the file's first line signs; a file that cannot be used changes nothing`() async throws {
        try await withSecrets(["the-first-of-the-secrets"]) { path, secrets in
            func signs(_ secret: String) throws -> Bool {
                let credential = secrets.credential(for: "ann", now: .now)
                let secret = try #require(SharedSecret(secret))
                return TimeLimitedCredential.password(of: credential.username, secret: secret) == credential.password
            }
            #expect(try signs("the-first-of-the-secrets"))
            try write(["the-second-of-the-secrets", "the-first-of-the-secrets"], to: path)
            try secrets.reload()
            #expect(try signs("the-second-of-the-secrets"))
            try write([""], to: path)
            #expect(throws: (any Error).self) { try secrets.reload() }
            #expect(try signs("the-second-of-the-secrets"))
        }
    }

    @Test func `a drain asked of one registry takes a turn server off the other's list, and can be taken back`()
        async throws
    {
        try await withTwo { cluster, _, a, b in
            let node = TestNode("turn-1", kind: .turn, ice: urls, to: cluster.address("A"))
            defer { _ = node }
            #expect(await isKnown("turn-1", to: a))
            #expect(await isKnown("turn-1", to: b))
            var request = Roost_Registry_V1_DrainNodeRequest()
            request.nodeID = "turn-1"
            request.draining = true
            _ = try await a.registry.drainNode(request)
            #expect(try await servers(a).servers.isEmpty)
            let isGone = await within { (try? await servers(b).servers.isEmpty) ?? false }
            #expect(isGone)

            request.draining = false
            _ = try await b.registry.drainNode(request)
            let isBack = await within { (try? await servers(a).servers.isEmpty) == false }
            #expect(isBack)
        }
    }

    @Test func `turn servers are told all media and relay ports, and of each change`() async throws {
        func range(_ last: UInt32) -> NodePorts {
            NodePorts(address: IPAddress(v4: 0x0a00_0000 | last), ports: 40_000...40_003)
        }
        try await withTwo { cluster, _, a, b in
            let turn = TestNode("turn-1", kind: .turn, relay: [range(1)], to: cluster.address("A"))
            let first = await within { turn.allowedPeers == [range(1)] }
            #expect(first)
            let sfu = TestNode("sfu-1", media: [range(2), range(3)], to: cluster.address("B"))
            let second = await within { turn.allowedPeers == [range(1), range(2), range(3)] }
            #expect(second)
            let late = TestNode("turn-2", kind: .turn, to: cluster.address("B"))
            let third = await within { late.allowedPeers == [range(1), range(2), range(3)] }
            #expect(third)
            // Whose calls go on stays reachable.
            var drain = Roost_Registry_V1_DrainNodeRequest()
            drain.nodeID = "sfu-1"
            drain.draining = true
            _ = try await b.registry.drainNode(drain)
            #expect(await isKnown("sfu-1", to: a))
            #expect(turn.allowedPeers == [range(1), range(2), range(3)])

            await sfu.kill()
            let fourth = await within { turn.allowedPeers == [range(1)] && late.allowedPeers == [range(1)] }
            #expect(fourth)
            #expect(sfu.allowedPeers == nil)
        }
    }

    @Test(arguments: [("0.0.0.0", 1, 2), ("name", 1, 2), ("192.0.2.1", 0, 2), ("192.0.2.1", 3, 2), ("::1", 1, 65_536)])
    func `a node whose ranges are not exact is refused`(address: String, first: UInt32, last: UInt32) async throws {
        try await withTwo { _, _, a, _ in
            let call = try await a.registry.attach()
            var request = Roost_Registry_V1_AttachRequest()
            request.hello.node.nodeID = "turn-1"
            request.hello.node.bootID = "1"
            request.hello.node.kind = .turn
            var range = Roost_Registry_V1_PeerRange()
            range.address = address
            range.firstPort = first
            range.lastPort = last
            request.hello.node.relayRanges = [range]
            try await call.requests.send(request)
            await #expect(throws: BusStatus.self) { for try await _ in call.replies {} }
        }
    }

    @Test func `a quota holds over two turn servers at two registries, and a dead one's allocations are free`()
        async throws
    {
        try await withTwo { cluster, _, a, b in
            let one = TestNode("turn-1", kind: .turn, to: cluster.address("A"))
            let two = TestNode("turn-2", kind: .turn, to: cluster.address("B"))
            defer { _ = two }
            #expect(await isKnown("turn-1", to: a))
            #expect(await isKnown("turn-2", to: b))
            func quota(_ node: String, _ client: TestClient) -> RegistryQuota {
                RegistryQuota(node: node, boot: "1", limit: 3, logger: silent) { client.registry }
            }
            let (atOne, atTwo) = (quota("turn-1", a), quota("turn-2", b))
            let release = Task { await atOne.run() }
            defer { release.cancel() }
            for _ in 1...3 { #expect(await atOne.reserve(user: "ann")) }
            #expect(await atTwo.reserve(user: "ann") == false)
            #expect(await atTwo.reserve(user: "bob"))

            atOne.release(user: "ann")
            let isFree = await within { await atTwo.reserve(user: "ann") }
            #expect(isFree)
            #expect(await atTwo.reserve(user: "ann") == false)
            await one.kill()
            let isFreed = await within { await atTwo.reserve(user: "ann") }
            #expect(isFreed)
            #expect(await atTwo.reserve(user: "ann"))
            #expect(await atTwo.reserve(user: "ann") == false)
        }
    }
}

/// What turn servers are told to let clients reach.
@Suite struct PeerListTests {
    private func range(_ port: UInt32) -> Roost_Registry_V1_PeerRange {
        var range = Roost_Registry_V1_PeerRange()
        range.address = "192.0.2.1"
        range.firstPort = port
        range.lastPort = port
        return range
    }

    @Test func `a node stays on it for ten seconds after it was last live, and its return is no news`() {
        var list = PeerList()
        let start = Instant.zero + .seconds(100)
        let (isFirst, isSame) = (
            list.update(live: [range(2), range(1), range(2)], now: start),
            list.update(live: [range(1), range(2)], now: start)
        )
        #expect(isFirst && !isSame)
        #expect(list.current.ranges == [range(1), range(2)])

        let isEarly = list.update(live: [range(1)], now: start + .milliseconds(9_999))
        let isBack = list.update(live: [range(1), range(2)], now: start + .milliseconds(9_999))
        #expect(!isEarly && !isBack)
        let isGone = list.update(live: [range(1)], now: start + .milliseconds(19_999))
        #expect(isGone && list.current.ranges == [range(1)])
        let isExchanged = list.update(live: [range(3)], now: start + .milliseconds(29_999))
        #expect(isExchanged && list.current.ranges == [range(3)])
    }
}

/// Which turn servers a client is given.
@Suite struct IceServerChoiceTests {
    private func choose(_ servers: [NodeShare], region: String = "x") -> [String] {
        var random = SystemRandomNumberGenerator()
        return IceServerChoice.choose(from: servers, region: region, using: &random)
    }

    private func server(_ id: String, _ region: String = "x", isOpen: Bool = true, cpu: Double = 0.1) -> NodeShare {
        NodeShare(id: id, region: region, isOpen: isOpen, cpu: cpu)
    }

    @Test func `two are given, those of the region first`() {
        #expect(choose([server("a", "y"), server("b"), server("c", "y")]).first == "b")
        #expect(choose([server("a", "y"), server("b"), server("c", "y")]).count == 2)
        #expect(Set(choose([server("a"), server("b", "y"), server("c")])) == ["a", "c"])
    }

    @Test func `who drains or is dead is not given`() {
        #expect(choose([server("a", isOpen: false), server("b")]) == ["b"])
    }

    @Test func `full ones come last, but come: STUN works there still`() {
        #expect(choose([server("a", cpu: 0.99), server("b", "y")]) == ["b", "a"])
        #expect(choose([server("a", cpu: 0.99), server("b", cpu: 0.96)]) == ["b", "a"])
        var full = server("c")
        full.rooms = 10
        full.roomCapacity = 10
        #expect(choose([full, server("b")]) == ["b", "c"])
    }
}
