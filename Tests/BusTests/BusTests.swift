import Bus
import Foundation
import Glibc
import Logging
import SwiftProtobuf
import Testing
import Time

private typealias Text = Google_Protobuf_StringValue

private func text(_ value: String) -> Text { Text.with { $0.value = value } }

private func router() -> BusRouter {
    var router = BusRouter()
    router.unary("/t.T/Echo") { (request: Text, context: CallContext) -> Text in
        text(request.value + (context.metadata["call-id"].map { " " + $0 } ?? ""))
    }
    router.unary("/t.T/WhoseCall") { (_: Text, context: CallContext) -> Text in
        // Also after a wait, which may change the thread.
        try await Task.sleep(for: .milliseconds(1))
        return text(CallID.current ?? "nobody's")
    }
    router.unary("/t.T/WhoseCallBack") { (_: Text, context: CallContext) -> Text in
        try await context.caller.unary("/t.T/WhoseCall", text(""), options: .unary)
    }
    router.unary("/t.T/Peer") { (_: Text, context: CallContext) -> Text in
        text("\(context.peer.userID.map { "\($0)" } ?? "?") \(context.peer.processID.map { "\($0)" } ?? "?")")
    }
    router.unary("/t.T/Fail") { (_: Text, _: CallContext) -> Text in throw BusStatus(.notFound, "no such room") }
    router.unary("/t.T/Sleep") { (request: Text, _: CallContext) -> Text in
        try await Task.sleep(for: .milliseconds(Int(request.value) ?? 0))
        return request
    }
    router.serverStreaming("/t.T/Count") { (request: Text, replies: BusWriter<Text>, _: CallContext) in
        for number in 0..<(Int(request.value) ?? 0) { try await replies.send(text(String(number))) }
    }
    router.bidirectional("/t.T/Talk") { (requests: BusReplies<Text>, replies: BusWriter<Text>, _: CallContext) in
        for try await request in requests { try await replies.send(text(request.value.uppercased())) }
    }
    router.clientStreaming("/t.T/Sum") { (requests: BusReplies<Text>, _: CallContext) -> Text in
        var sum = 0
        for try await request in requests { sum += Int(request.value) ?? 0 }
        return text(String(sum))
    }
    router.unary("/t.T/Back") { (request: Text, context: CallContext) -> Text in
        try await context.caller.unary("/t.T/Echo", request, options: .unary)
    }
    return router
}

private let logger = Logger(label: "bus-tests") { _ in SwiftLogNoOpLogHandler() }

/// A fresh path for a socket.
private func freshPath() -> String { "/tmp/bus-\(UUID().uuidString.prefix(8)).sock" }

/// Runs `body` with a client of a server that runs.
private func withServer(_ body: @Sendable (BusClient, BusServer) async throws -> Void) async throws {
    let address = BusAddress.unix(path: freshPath())
    let server = BusServer(addresses: [address], router: router(), logger: logger)
    let client = BusClient(addresses: [address], router: router(), logger: logger)
    try server.bind()
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        group.addTask { try await client.run() }
        try await body(client, server)
        group.cancelAll()
    }
}

@Test func `a call has its answer, and its metadata goes along`() async throws {
    try await withServer { client, _ in
        let options = CallOptions(metadata: ["call-id": "c-1"])
        let reply: Text = try await client.unary("/t.T/Echo", text("hello"), options: options)
        #expect(reply.value == "hello c-1")
    }
}

@Test func `the id of a call goes along with all that is called for it, and with nothing else`() async throws {
    try await withServer { client, _ in
        for method in ["/t.T/WhoseCall", "/t.T/WhoseCallBack"] {
            // Often, so that also callers that wait on the socket themselves are among them.
            for number in 0..<50 {
                let reply: Text = try await CallID.$current.withValue("c-\(number)") {
                    try await client.unary(method, text(""), options: .unary)
                }
                #expect(reply.value == "c-\(number)")
            }
            let reply: Text = try await client.unary(method, text(""), options: .unary)
            #expect(reply.value == "nobody's")
        }
    }
}

@Test func `the socket is for its owner alone, and the kernel says who calls`() async throws {
    let path = freshPath()
    let server = BusServer(addresses: [.unix(path: path)], router: router(), logger: logger)
    try server.bind()
    var status = stat()
    #expect(unsafe stat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    await server.drain()

    try await withServer { client, _ in
        let reply: Text = try await client.unary("/t.T/Peer", text(""), options: .unary)
        #expect(reply.value == "\(geteuid()) \(getpid())")
    }
}

@Test func `calls that reach nobody leave nothing behind`() async throws {
    let client = BusClient(addresses: [.unix(path: freshPath())], logger: logger)
    let run = Task { try await client.run() }
    await withTaskGroup(of: Void.self) { group in
        for number in 0..<40 {
            group.addTask {
                let options = CallOptions(timeout: .milliseconds(20 + Int64(number)))
                let reply: Text? = try? await client.unary("/t.T/Echo", text(""), options: options)
                #expect(reply == nil)
            }
        }
        let taken = Task {
            let reply: Text? = try? await client.unary("/t.T/Echo", text(""), options: .unary)
            #expect(reply == nil)
        }
        try? await Task.sleep(for: .milliseconds(10))
        taken.cancel()
        await taken.value
    }

    #expect(client.waitingCalls == 0)
    run.cancel()
}

@Test func `a handler's status reaches the caller, and an unknown method has its own`() async throws {
    try await withServer { client, _ in
        await #expect(throws: BusStatus(.notFound, "no such room")) {
            let _: Text = try await client.unary("/t.T/Fail", text(""), options: .unary)
        }
        await #expect(throws: BusStatus(.unimplemented, "nobody here answers /t.T/Nothing")) {
            let _: Text = try await client.unary("/t.T/Nothing", text(""), options: .unary)
        }
    }
}

@Test func `a call that takes too long ends at its deadline`() async throws {
    try await withServer { client, _ in
        await #expect(throws: BusStatus(.deadlineExceeded, "the call's time ran out")) {
            let options = CallOptions(timeout: .milliseconds(50))
            let _: Text = try await client.unary("/t.T/Sleep", text("60000"), options: options)
        }
    }
}

@Test func `a long stream is read whole, in order, with the sender held back`() async throws {
    try await withServer { client, _ in
        let replies: BusReplies<Text> = try await client.serverStreaming(
            "/t.T/Count", text("100000"), options: .streaming)
        var expected = 0
        for try await reply in replies {
            #expect(reply.value == String(expected))
            expected += 1
        }
        #expect(expected == 100_000)
    }
}

@Test func `both sides of a stream speak and end`() async throws {
    try await withServer { client, _ in
        let call: BusCall<Text, Text> = try await client.bidirectional("/t.T/Talk", options: .streaming)
        var heard: [String] = []
        try await call.requests.send(text("a"))
        try await call.requests.send(text("b"))
        call.requests.finish()
        for try await reply in call.replies { heard.append(reply.value) }
        #expect(heard == ["A", "B"])
    }
}

@Test func `many messages have one answer`() async throws {
    try await withServer { client, _ in
        let sum: Text = try await client.clientStreaming("/t.T/Sum", options: .streaming) { (writer: BusWriter<Text>) in
            for number in 1...100 { try await writer.send(text(String(number))) }
        }
        #expect(sum.value == "5050")
    }
}

@Test func `the called may call back over the same connection`() async throws {
    try await withServer { client, _ in
        let reply: Text = try await client.unary("/t.T/Back", text("x"), options: .unary)
        #expect(reply.value == "x")
    }
}

@Test func `many calls at once each have their own answer`() async throws {
    try await withServer { client, _ in
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<500 {
                group.addTask {
                    let reply: Text = try await client.unary("/t.T/Echo", text("\(number)"), options: .unary)
                    #expect(reply.value == "\(number)")
                }
            }
            try await group.waitForAll()
        }
    }
}

@Test func `a call without a server waits until its deadline and is unavailable`() async throws {
    let client = BusClient(addresses: [.unix(path: freshPath())], logger: logger)
    await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await client.run() }
        do {
            let _: Text = try await client.unary(
                "/t.T/Echo", text(""), options: CallOptions(timeout: .milliseconds(200)))
            Issue.record("there is nobody to answer")
        } catch {
            #expect((error as? BusStatus)?.code == .unavailable)
        }
        group.cancelAll()
    }
}

@Test func `a client finds its server again, or the next one`() async throws {
    let first = BusAddress.unix(path: freshPath())
    let second = BusAddress.unix(path: freshPath())
    let client = BusClient(addresses: [first, second], logger: logger)
    await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await client.run() }
        for address in [first, second, first] {
            let server = BusServer(addresses: [address], router: router(), logger: logger)
            let run = Task { try await server.run() }
            // A call that was under way when its server died is not repeated by itself: it may have been carried out.
            var heard: String?
            for _ in 0..<200 where heard == nil {
                let options = CallOptions(timeout: .seconds(20))
                let reply: Text? = try? await client.unary("/t.T/Echo", text("\(address)"), options: options)
                heard = reply?.value
            }
            #expect(heard == "\(address)")
            run.cancel()
            _ = await run.result
        }
        group.cancelAll()
    }
}

@Test func `a drain lets the open call end and accepts no more`() async throws {
    try await withServer { client, server in
        // Connected before the call whose time is short.
        let _: Text = try await client.unary("/t.T/Echo", text(""), options: .unary)
        async let open: Text = client.unary("/t.T/Sleep", text("300"), options: .unary)
        try await Task.sleep(for: .milliseconds(100))

        await server.drain()

        #expect(try await open.value == "300")
        await #expect(throws: BusStatus.self) {
            let options = CallOptions(timeout: .milliseconds(200))
            let _: Text = try await client.unary("/t.T/Echo", text(""), options: options)
        }
    }
}

@Test func `a live listener is not taken over, a dead one is`() async throws {
    let address = BusAddress.unix(path: freshPath())
    let server = BusServer(addresses: [address], router: router(), logger: logger)
    try server.bind()

    let other = BusServer(addresses: [address], router: router(), logger: logger)
    #expect(throws: (any Error).self) { try other.bind() }
    await server.drain()
}
