import Bus
import Foundation
import Logging
import SwiftProtobuf
import Testing
import Time

private typealias Text = Google_Protobuf_StringValue

private func text(_ value: String) -> Text { Text.with { $0.value = value } }

private let logger = Logger(label: "bus-tests") { _ in SwiftLogNoOpLogHandler() }

private func router() -> BusRouter {
    var router = BusRouter()
    router.unary("/t.T/Echo") { (request: Text, _: CallContext) -> Text in request }
    router.unary("/t.T/Sleep") { (request: Text, _: CallContext) -> Text in
        try await Task.sleep(for: .milliseconds(Int(request.value) ?? 0))
        return request
    }
    router.unary("/t.T/Back") { (request: Text, context: CallContext) -> Text in
        try await context.caller.unary("/t.T/Echo", request, options: .unary)
    }
    router.bidirectional("/t.T/Talk") { (requests: BusReplies<Text>, replies: BusWriter<Text>, _: CallContext) in
        for try await request in requests { try await replies.send(request) }
    }
    return router
}

/// Runs `body` with a connection to a server, on which nothing but what comes wakes anybody for a minute.
private func withConnection(_ body: @Sendable (BusConnection) async throws -> Void) async throws {
    let path = "/tmp/bus-\(UUID().uuidString.prefix(8)).sock"
    let server = BusServer(addresses: [.unix(path: path)], router: router(), logger: logger)
    try server.bind()
    var limits = WireLimits()
    limits.keepaliveIdle = .seconds(60)
    let connection = try BusConnection(
        transport: try UnixSocket.connect(path: path), side: .connecting, name: "test", router: router(),
        limits: limits, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        connection.start()
        try await body(connection)
        connection.close(BusStatus(.cancelled))
        group.cancelAll()
    }
}

/// Callers that read the socket themselves: `BusConnection.answer`.
@Suite struct AnswerTests {
    @Test func `a thread waits where answers came soon, and seldom where one in a few is slow`() {
        var patience = AnswerPatience()
        var waits: [String] = []
        for number in 0..<4000 {
            for (method, isSlow) in [("soon", false), ("slow", true), ("mixed", number % 8 == 0)] {
                if patience.mayWait(for: method) { waits.append(method) }
                patience.record(isSlow ? .milliseconds(1) : .microseconds(50), of: method)
            }
        }
        // From the third on.
        #expect(waits.count { $0 == "soon" } == 3998)
        #expect(!waits.contains("slow"))
        #expect(waits.count { $0 == "mixed" } < 20)
    }

    @Test func `no answer and no message is overlooked, whoever reads the socket`() async throws {
        try await withConnection { connection in
            let talk: BusCall<Text, Text> = try await connection.bidirectional("/t.T/Talk", options: .streaming)
            var heard = talk.replies.makeAsyncIterator()
            for number in 0..<3000 {
                // Alone, so that the caller reads; its answer may come with a message of the stream, before or behind it.
                try await talk.requests.send(text("\(number)"))
                let reply: Text = try await connection.unary("/t.T/Echo", text("\(number)"), options: .unary)
                #expect(reply.value == "\(number)")
                let message = try await heard.next()
                #expect(message?.value == "\(number)")
                // The peer calls while the caller waits.
                if number % 16 == 0 {
                    let back: Text = try await connection.unary("/t.T/Back", text("b"), options: .unary)
                    #expect(back.value == "b")
                }
            }
        }
    }

    @Test func `callers that come and go at once each have their answers`() async throws {
        try await withConnection { connection in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for caller in 0..<4 {
                    group.addTask {
                        for number in 0..<1500 {
                            let options = CallOptions(timeout: .seconds(20))
                            let reply: Text = try await connection.unary(
                                "/t.T/Echo", text("\(caller) \(number)"), options: options)
                            #expect(reply.value == "\(caller) \(number)")
                            // Alone now and then.
                            if number % 50 == caller { try await Task.sleep(for: .milliseconds(2)) }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `an answer that takes long, a deadline and a cancellation end a call that waits`() async throws {
        try await withConnection { connection in
            for _ in 0..<5 {
                let _: Text = try await connection.unary("/t.T/Echo", text(""), options: .unary)
                let slow: Text = try await connection.unary("/t.T/Sleep", text("20"), options: .unary)
                #expect(slow.value == "20")
            }
            await #expect(throws: BusStatus(.deadlineExceeded, "the call's time ran out")) {
                let options = CallOptions(timeout: .milliseconds(50))
                let _: Text = try await connection.unary("/t.T/Sleep", text("60000"), options: options)
            }
            let waiting = Task { () async throws -> Text in
                try await connection.unary("/t.T/Sleep", text("60000"), options: .streaming)
            }
            try await Task.sleep(for: .milliseconds(20))
            waiting.cancel()
            let outcome = await waiting.result
            #expect(throws: BusStatus(.cancelled, "the task that reads was cancelled")) { try outcome.get() }
        }
    }

    @Test func `a connection that ends while a caller waits ends its call`() async throws {
        let listener = try UnixListener(path: "/tmp/bus-\(UUID().uuidString.prefix(8)).sock")
        defer { listener.stop() }
        for ending in ["closed", "wrong"] {
            let connection = try BusConnection(
                transport: try UnixSocket.connect(path: listener.path), side: .connecting, name: "test",
                router: BusRouter(), logger: logger)
            connection.start()
            let peer = try #require(try listener.accept())
            let call = Task { () async throws -> Text in
                try await connection.unary("/t.T/Echo", text(""), options: .streaming)
            }
            if ending == "wrong" { _ = peer.write([UInt8](repeating: 0xFF, count: 64), from: 0) }
            if ending == "closed" { peer.shutdown() }
            let outcome = await call.result
            await connection.waitClosed()
            #expect(throws: BusStatus.self) { try outcome.get() }
        }
    }
}
