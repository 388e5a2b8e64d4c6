import PacketIO
import Synchronization
import Testing
import Time

/// What streams cost that the worker does not vouch for.
struct StrangerTests {
    private var limits: StreamLimits {
        var limits = StreamLimits()
        limits.hasStrangers = true
        limits.stallDeadline = .seconds(60)
        return limits
    }

    /// Has the worker write to a stream until it has taken nothing more for a while: the kernel's buffers come first.
    private func fill(_ stream: PlainStream, of server: StreamServer) async throws {
        let dropped = server.statistics.droppedBacklog.load(ordering: .relaxed)
        var written = -1
        while await server.echo.written != written {
            written = await server.echo.written
            for _ in 0..<20 {
                stream.send(message: [StreamEcho.Order.flood])
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        #expect(await isReached { server.statistics.droppedBacklog.load(ordering: .relaxed) > dropped })
    }

    @Test func `for a stranger little is kept, for who is known as much as for anyone`() async throws {
        try await StreamServer.run(limits: limits) { server in
            let stranger = PlainStream(server.listener.endpoint)
            try await fill(stranger, of: server)
            #expect(await server.echo.largestBacklog <= limits.strangerBufferBytes)

            let known = PlainStream(server.listener.endpoint)
            known.send(message: [StreamEcho.Order.vouch])
            try await fill(known, of: server)
            #expect(await server.echo.largestBacklog > 250 << 10)
            stranger.reset()
            known.reset()
        }
    }

    @Test func `with too much held for all, each is kept as little for as a stranger`() async throws {
        var limits = limits
        limits.hasStrangers = false
        limits.totalBufferBytes = 300 << 10
        try await StreamServer.run(limits: limits) { [limits] server in
            let streams = (0..<3).map { _ in PlainStream(server.listener.endpoint) }
            for stream in streams.prefix(2) { try await fill(stream, of: server) }
            #expect(await server.echo.largestBacklog > 250 << 10)
            await server.echo.forgetLargest()
            try await fill(streams[2], of: server)
            #expect(await server.echo.largestBacklog <= limits.strangerBufferBytes)
            for stream in streams { stream.reset() }
            #expect(await isReached { await server.echo.endings == 3 })
            // What they held is given back.
            await server.echo.forgetLargest()
            let next = PlainStream(server.listener.endpoint)
            try await fill(next, of: server)
            #expect(await server.echo.largestBacklog > 250 << 10)
            next.reset()
        }
    }

    @Test func `a stranger's message is as short as one for signing in`() async throws {
        try await StreamServer.run(limits: limits) { server in
            let (isCut, answer) = await onThread {
                let stranger = PlainStream(server.listener.endpoint)
                stranger.send([0x20, 0] + [UInt8](repeating: 1, count: 5_000))
                let known = PlainStream(server.listener.endpoint)
                known.send(message: [StreamEcho.Order.vouch])
                _ = known.receiveMessage()
                let long = ForwardingTests.bytes(60_000, 1)
                known.send(message: long)
                return (stranger.isAtEnd, known.receiveMessage() == long)
            }
            #expect(isCut)
            #expect(answer)
            #expect(await server.echo.events.contains(.closed(.tooLong)))
        }
    }

    @Test func `a stranger is waited for a while, and a byte now and then does not prolong it`() async throws {
        var limits = limits
        limits.strangerIdleDeadline = .milliseconds(300)
        try await StreamServer.run(limits: limits) { server in
            let isAtEnd = await onThread {
                let (known, stranger) = (PlainStream(server.listener.endpoint), PlainStream(server.listener.endpoint))
                known.send(message: [StreamEcho.Order.vouch])
                _ = known.receiveMessage()
                stranger.send(message: [1, 1])
                _ = stranger.receiveMessage()
                stranger.send([9])
                let trickle = (0..<40).count { _ in
                    stranger.send([9])
                    return stranger.isAtEndAfter(milliseconds: 50)
                }
                known.send(message: [1, 1])
                return (trickle > 0, known.receiveMessage() == [1, 1])
            }
            #expect(isAtEnd.0)
            #expect(isAtEnd.1, "who is known has longer")
            #expect(await server.echo.events.contains(.closed(.idle)))
        }
    }
}
