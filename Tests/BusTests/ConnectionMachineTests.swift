import Bus
import Testing
import Time

private let start = Instant.zero

private func machine(_ side: ConnectionMachine.Side, limits: WireLimits = WireLimits()) -> ConnectionMachine {
    ConnectionMachine(side: side, name: side == .connecting ? "client" : "server", limits: limits, now: start)
}

/// Carries what waits in `from` to `to`, and returns what happened there.
@discardableResult
private func carry(
    _ from: inout ConnectionMachine, _ to: inout ConnectionMachine, now: Instant = start
) throws -> [ConnectionMachine.Event] {
    try to.receive(from.outbound.span, now: now)
    from.outbound = []
    defer { to.events = [] }
    return to.events
}

/// Two machines that said hello.
private func pair(
    limits: WireLimits = WireLimits()
) throws -> (client: ConnectionMachine, server: ConnectionMachine) {
    var client = machine(.connecting, limits: limits)
    var server = machine(.accepting, limits: limits)
    try carry(&client, &server)
    try carry(&server, &client)
    return (client, server)
}

private func head(_ timeout: Interval? = nil) -> CallHead {
    CallHead(method: "/t.T/Echo", timeout: timeout, metadata: ["call-id": "c-1"])
}

private func frame(_ kind: UInt8, flags: UInt8 = 0, stream: UInt64, _ payload: [UInt8] = []) -> [UInt8] {
    var bytes: [UInt8] = []
    var header = FrameHeader(.ping, flags: flags, stream: stream, length: payload.count)
    header.kind = kind
    header.write(to: &bytes)
    return bytes + payload
}

@Test func `a call goes there and back, cut into bytes`() throws {
    var (client, server) = try pair()
    let id = try client.open(head(.seconds(5)), now: start)
    try client.send([1, 2, 3], on: id, last: true)

    var events: [ConnectionMachine.Event] = []
    for byte in client.outbound {
        try server.receive([byte].span, now: start)
        events += server.events
        server.events = []
    }
    try server.send([4], on: id, last: true)

    #expect(events == [.opened(1, head(.seconds(5))), .message(1, [1, 2, 3], last: true)])
    #expect(try carry(&server, &client) == [.message(1, [4], last: true), .ended(1, .ok)])
    #expect(client.openStreams == 0)
    #expect(server.openStreams == 0)
}

@Test(arguments: [
    ("a frame before the hello", frame(8, stream: 0, [0, 0, 0, 0, 0, 0, 0, 0]), false),
    ("an unknown kind", frame(0x20, stream: 0), true),
    ("a message on a stream that never was", frame(3, stream: 7), true),
    ("a call on a stream of the wrong side", frame(2, stream: 2, [UInt8](repeating: 0, count: 12)), true),
    ("a status from the caller", frame(5, stream: 2, [0, 0, 0, 0, 0, 0]), true),
    ("a ping that is cut short", frame(8, stream: 0, [1]), true),
    ("a ping on a stream", frame(8, stream: 1, [0, 0, 0, 0, 0, 0, 0, 0]), true),
    ("a text that is not UTF-8", frame(2, stream: 1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0, 0]), true),
    ("a message of 4 MiB and a byte", [0, 0x40, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] as [UInt8], true),
    ("headers of 64 KiB", [0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] as [UInt8], true),
])
func `a peer's mistake ends the connection`(what: String, bytes: [UInt8], afterHello: Bool) throws {
    var server = machine(.accepting)
    if afterHello {
        var client = machine(.connecting)
        try carry(&client, &server)
    }

    #expect(throws: ProtocolViolation.self) { try server.receive(bytes.span, now: start) }
}

@Test func `a peer of another kind or version is refused`() throws {
    var server = machine(.accepting)
    #expect(throws: ProtocolViolation.self) {
        try server.receive(([UInt8]("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8)).span, now: start)
    }
    var hello = Hello(streamCredit: 1, streams: 1, name: "later")
    hello.oldest = 2
    hello.newest = 3
    var payload: [UInt8] = []
    hello.write(to: &payload)
    server = machine(.accepting)
    #expect(throws: ProtocolViolation.self) { try server.receive(frame(1, stream: 0, payload).span, now: start) }
}

@Test func `a kind of a later version is skipped, and so is what comes late for a stream that is over`() throws {
    var (client, server) = try pair()
    let id = try client.open(head(), now: start)
    client.cancel(id)
    try carry(&client, &server)

    try server.receive((frame(0x40, stream: 0, [1, 2]) + frame(3, stream: id, [1])).span, now: start)

    #expect(server.events == [])
    #expect(server.openStreams == 0)
}

@Test func `a stream out of order is refused`() throws {
    var (client, server) = try pair()
    let first = try client.open(head(), now: start)
    let opened = client.outbound
    _ = try client.open(head(), now: start)
    try carry(&client, &server)

    #expect(first == 1)
    #expect(throws: ProtocolViolation.self) { try server.receive(opened.span, now: start) }
}

@Test func `a message after the last one is refused`() throws {
    var (client, server) = try pair()
    let id = try client.open(head(), now: start)
    client.halfClose(id)
    #expect(try carry(&client, &server) == [.opened(id, head()), .halfClosed(id)])

    #expect(throws: ProtocolViolation.self) { try server.receive(frame(3, stream: id).span, now: start) }
}

@Test func `messages wait for credit, and whoever sends without it is refused`() throws {
    var limits = WireLimits()
    limits.streamCredit = 4
    var (client, server) = try pair(limits: limits)
    let id = try client.open(head(), now: start)
    try client.send([1, 2, 3, 4, 5], on: id, last: false)
    #expect(client.maySend(on: id) == false)
    try carry(&client, &server)

    var greedy = server
    #expect(throws: ProtocolViolation.self) { try greedy.receive(frame(3, stream: id, [1]).span, now: start) }
    server.consumed(5, on: id)

    #expect(try carry(&server, &client) == [.writable(id)])
    #expect(client.maySend(on: id) == true)
}

@Test func `more than a connection may hold ends the stream that brings it, and no other`() throws {
    var limits = WireLimits()
    limits.queuedBytes = 10
    var (client, server) = try pair(limits: limits)
    let first = try client.open(head(), now: start)
    let second = try client.open(head(), now: start)
    try client.send([UInt8](repeating: 1, count: 8), on: first, last: false)
    try client.send([UInt8](repeating: 1, count: 8), on: second, last: false)
    try carry(&client, &server)

    let events = try carry(&server, &client)
    #expect(events.count == 1)
    guard case .ended(second, let status) = events.first else {
        Issue.record("the second stream did not end: \(events)")
        return
    }
    #expect(status.code == .resourceExhausted)
    #expect(server.openStreams == 1)
}

@Test func `calls beyond the limit are refused, one by one`() throws {
    var few = WireLimits()
    few.streams = 2
    var server = machine(.accepting, limits: few)
    var client = machine(.connecting)
    try carry(&client, &server)
    for _ in 0..<3 { _ = try client.open(head(), now: start) }
    try carry(&client, &server)

    #expect(server.openStreams == 2)
    let ended = try carry(&server, &client).compactMap { event -> StatusCode? in
        if case .ended(5, let status) = event { status.code } else { nil }
    }
    #expect(ended == [.resourceExhausted])
    _ = try pair(limits: few)
}

@Test func `a deadline ends a call on both sides, each by its own clock`() throws {
    var (client, server) = try pair()
    let id = try client.open(head(.milliseconds(500)), now: start)
    try carry(&client, &server)
    #expect(client.nextDeadline == start + .milliseconds(500))

    try client.timeout(now: start + .milliseconds(500))
    try server.timeout(now: start + .milliseconds(500))

    let late = BusStatus(.deadlineExceeded, "the call's time ran out")
    #expect(client.events == [.ended(id, late)])
    #expect(server.events == [.abandoned(id, late)])
    client.events = []
    server.events = []
    // Each hears of the other's end late, and minds not.
    #expect(try carry(&client, &server) == [])
    #expect(try carry(&server, &client) == [])
}

@Test func `a silent peer is asked, and given up within five seconds`() throws {
    var (client, server) = try pair()
    try client.timeout(now: start + .milliseconds(999))
    #expect(client.outbound.isEmpty)
    try client.timeout(now: start + .seconds(1))
    let asked = client.outbound

    try server.receive(asked.span, now: start + .seconds(1))
    try carry(&server, &client, now: start + .seconds(2))
    try client.timeout(now: start + .seconds(3))
    #expect(client.nextDeadline == start + .seconds(7))
    #expect(throws: ProtocolViolation.self) { try client.timeout(now: start + .seconds(7)) }
}

@Test func `after GOAWAY open calls go on and new ones are not served`() throws {
    var (client, server) = try pair()
    let old = try client.open(head(), now: start)
    try carry(&client, &server)
    server.goAway(reason: "restart")
    let crossing = try client.open(head(), now: start)

    #expect(try carry(&client, &server) == [])
    let events = try carry(&server, &client)
    #expect(events == [.ended(crossing, BusStatus(.unavailable, "not served: restart")), .goingAway("restart")])
    #expect(throws: BusStatus.self) { try client.open(head(), now: start) }
    #expect(!server.isDrained)
    try server.send([1], on: old, last: true)
    #expect(try carry(&server, &client) == [.message(old, [1], last: true), .ended(old, .ok)])
    #expect(server.isDrained && client.isDrained)
}

@Test func `either side may call the other`() throws {
    var (client, server) = try pair()
    let id = try server.open(head(), now: start)
    #expect(id == 2)
    #expect(try carry(&server, &client) == [.opened(2, head())])
    client.finish(id, BusStatus(.notFound, "no such room"))
    #expect(try carry(&client, &server) == [.ended(2, BusStatus(.notFound, "no such room"))])
}

@Test(arguments: 0..<20 as Range<UInt64>)
func `random bytes after a hello never trap, and never leave more than a frame behind`(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    for _ in 0..<200 {
        var (client, server) = try pair()
        let id = try client.open(head(), now: start)
        try client.send([1, 2, 3], on: id, last: false)
        client.halfClose(id)
        client.goAway(reason: "x")
        var bytes = client.outbound
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        do {
            try server.receive(bytes.span, now: start)
        } catch {
            #expect(!error.reason.isEmpty)
        }
        #expect(server.openStreams <= 1)
    }
}

/// A small generator with a seed, so that a failure can be had again.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
