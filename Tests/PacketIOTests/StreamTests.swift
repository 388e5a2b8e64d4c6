import Addresses
import PacketIO
import Synchronization
import Testing
import Time

/// A loop with an echo for streams, on real connections.
struct StreamServer {
    let executor: LoopExecutor
    let echo: StreamEcho
    let socket: UDPSocket
    let listener: StreamListener
    var statistics: LoopStatistics { executor.statistics }

    static let loopback = Endpoint(address: IPAddress(v4: 0x7f00_0001), port: 0)

    /// Runs `body` while it serves.
    static func run(
        tls: TLSContext? = nil, limits: StreamLimits = StreamLimits(),
        _ body: @Sendable (StreamServer) async throws -> Void
    ) async throws {
        let executor = try LoopExecutor(name: "streams")
        let server = StreamServer(
            executor: executor, echo: StreamEcho(on: executor), socket: try UDPSocket(binding: loopback),
            listener: try StreamListener(binding: loopback, tls: tls))
        let running = Task {
            try await executor.run(
                server.echo, sockets: [server.socket], listeners: [server.listener], limits: limits)
        }
        do {
            try await body(server)
        } catch {
            Issue.record(error)
        }
        running.cancel()
        try await running.value
    }
}

struct StreamTests {
    @Test func `messages come back whole, however they are cut`() async throws {
        try await StreamServer.run { server in
            let wrong = await onThread {
                var wrong = 0
                let stream = PlainStream(server.listener.endpoint)
                // A byte at a time.
                for byte in [0, 5, 10, 11, 12, 13, 14] as [UInt8] { stream.send([byte]) }
                if stream.receiveMessage() != [10, 11, 12, 13, 14] { wrong += 1 }
                // Many at once, with the start of another.
                let many = (0..<300).flatMap { [0, 4, UInt8($0 & 255), 1, 2, 3] as [UInt8] }
                stream.send(many + [0, 6, 1, 2])
                for number in 0..<300 where stream.receiveMessage() != [UInt8(number & 255), 1, 2, 3] { wrong += 1 }
                stream.send([3, 4, 5, 6])
                if stream.receiveMessage() != [1, 2, 3, 4, 5, 6] { wrong += 1 }
                // The longest, thrice.
                for number in 0..<3 {
                    let message = ForwardingTests.bytes(65_535, number)
                    stream.send(message: message)
                    if stream.receiveMessage() != message { wrong += 1 }
                }
                return wrong
            }
            #expect(wrong == 0)
            #expect(await server.echo.events.first == .opened(isTLS: false, listener: 0))
            // Its message of 65,535 bytes is not more than the 64 KiB that a stream may hold.
            #expect(server.statistics.droppedBacklog.load(ordering: .relaxed) == 0)
        }
    }

    @Test func `datagrams pass to a stream with header and padding, and back`() async throws {
        try await StreamServer.run { server in
            let isSame = await onThread {
                let stream = PlainStream(server.listener.endpoint)
                stream.send(message: [1, 2])
                guard stream.receiveMessage() == [1, 2] else { return false }
                let udp = PlainSocket()
                for size in [1, 2, 3, 4, 1_200, 9_001] {
                    let bytes = ForwardingTests.bytes(size, size)
                    udp.send(bytes, to: server.socket.endpoint)
                    let padded = bytes + [UInt8](repeating: 0, count: -size & 3)
                    let expected = [0xab, 0xcd, UInt8(size >> 8), UInt8(size & 255)] + padded
                    if stream.receive(expected.count) != expected { return false }
                    stream.send(message: [UInt8(ascii: "D")] + bytes)
                    if udp.receive() != bytes { return false }
                }
                return true
            }
            #expect(isSame)
        }
    }

    @Test func `a peer that never reads fills no more than its buffer, and is cut`() async throws {
        var limits = StreamLimits()
        limits.sendBufferBytes = 128 << 10
        limits.stallDeadline = .milliseconds(300)
        try await StreamServer.run(limits: limits) { server in
            let lazy = PlainStream(server.listener.endpoint)
            // Each fills it again; the kernel's buffers take some megabytes first.
            var floods = 0
            while floods < 2_000, !(await server.echo.events.contains(.closed(.stalled))) {
                lazy.send(message: [StreamEcho.Order.flood])
                floods += 1
                try await Task.sleep(for: .milliseconds(2))
            }
            let other = PlainStream(server.listener.endpoint)
            let answer = await onThread {
                other.send(message: [7, 7])
                return other.receiveMessage()
            }
            #expect(answer == [7, 7])
            #expect(await isReached { await server.echo.events.contains(.closed(.stalled)) })
            #expect(await server.echo.largestBacklog <= 128 << 10)
            #expect(await server.echo.largestBacklog > 120 << 10)
            #expect(server.statistics.droppedBacklog.load(ordering: .relaxed) > 0)
            lazy.reset()
        }
    }

    @Test func `a slow reader gets all that was taken`() async throws {
        try await StreamServer.run { server in
            let stream = PlainStream(server.listener.endpoint)
            for _ in 0..<20 { stream.send(message: [StreamEcho.Order.flood]) }
            #expect(await isReached { server.statistics.droppedBacklog.load(ordering: .relaxed) >= 20 })
            let written = await server.echo.written
            let received = await onThread { stream.receive(written).count }
            #expect(received == written)
            #expect(await server.echo.events == [.opened(isTLS: false, listener: 0)])
        }
    }

    @Test func `closing sends first what waits`() async throws {
        try await StreamServer.run { server in
            let (bytes, isAtEnd) = await onThread {
                let stream = PlainStream(server.listener.endpoint)
                stream.send(message: [StreamEcho.Order.goodbye])
                // More that nobody reads: without lingering, it would make the kernel throw away what was sent.
                stream.send([UInt8](repeating: 0, count: 10_000))
                return (stream.receive(100 * 2048), stream.isAtEnd)
            }
            #expect(bytes == (0..<100).flatMap { [UInt8](repeating: UInt8($0), count: 2048) })
            #expect(isAtEnd)
            #expect(await isReached { server.statistics.streams.load(ordering: .relaxed) == 0 })
            // The worker closed it, so it is told nothing.
            #expect(await server.echo.events == [.opened(isTLS: false, listener: 0)])
        }
    }

    @Test func `ends of all kinds are told once, and harm nobody`() async throws {
        try await StreamServer.run { server in
            let stays = PlainStream(server.listener.endpoint)
            await onThread {
                stays.send(message: [1, 1])
                _ = stays.receiveMessage()
                for number in 0..<30 {
                    let stream = PlainStream(server.listener.endpoint)
                    switch number % 5 {
                    case 0: break
                    case 1: stream.send([0, 9, 1])
                    case 2: stream.send(message: [2, 2])
                    case 3: stream.send(message: [UInt8](repeating: 3, count: 9_000))
                    default: stream.send(message: [StreamEcho.Order.flood])
                    }
                    if number % 2 == 0 { stream.reset() } else { stream.closeWriting() }
                }
            }
            // Connections are taken in order: once this one is served, all others have been.
            let last = PlainStream(server.listener.endpoint)
            let answers = await onThread {
                for stream in [last, stays] { stream.send(message: [8, 8]) }
                return [last.receiveMessage(), stays.receiveMessage()]
            }
            #expect(answers == [[8, 8], [8, 8]])
            #expect(await isReached { server.statistics.streams.load(ordering: .relaxed) == 2 })
            let events = await server.echo.events
            let ends = events.filter { if case .closed = $0 { true } else { false } }.count
            #expect(ends == events.count - ends - 2)
        }
    }

    @Test func `streams beyond the limits are refused, and served once others have gone`() async throws {
        var limits = StreamLimits()
        limits.streams = 6
        limits.streamsPerSource = 4
        try await StreamServer.run(limits: limits) { server in
            let isSame = await onThread {
                var streams = (0..<4).map { _ in PlainStream(server.listener.endpoint) }
                for stream in streams {
                    stream.send(message: [1, 1])
                    if stream.receiveMessage() != [1, 1] { return false }
                }
                let fifth = PlainStream(server.listener.endpoint)
                fifth.send(message: [1, 1])
                if fifth.receiveMessage() != [] { return false }
                streams.removeAll()
                return true
            }
            #expect(isSame)
            #expect(await isReached { server.statistics.refusedStreams.load(ordering: .relaxed) == 1 })
            #expect(await isReached { server.statistics.streams.load(ordering: .relaxed) == 0 })
            let answer = await onThread {
                let sixth = PlainStream(server.listener.endpoint)
                sixth.send(message: [1, 1])
                return sixth.receiveMessage()
            }
            #expect(answer == [1, 1])
        }
    }

    @Test func `those who bring no message in time are cut, those who do are not`() async throws {
        var limits = StreamLimits()
        limits.openingDeadline = .milliseconds(200)
        try await StreamServer.run(limits: limits) { server in
            let silent = PlainStream(server.listener.endpoint)
            let half = PlainStream(server.listener.endpoint)
            half.send([0, 9, 1])
            let good = PlainStream(server.listener.endpoint)
            good.send(message: [1, 1])
            let ends = await onThread {
                [silent.isAtEnd, half.isAtEnd, good.receiveMessage() == [1, 1]]
            }
            #expect(ends == [true, true, true])
            #expect(await server.echo.events.filter { $0 == .closed(.late) }.count == 1)
            let answer = await onThread {
                good.send(message: [2, 2])
                return good.receiveMessage()
            }
            #expect(answer == [2, 2])
        }
    }

    @Test func `of too many that have brought no message the oldest goes`() async throws {
        var limits = StreamLimits()
        limits.opening = 3
        try await StreamServer.run(limits: limits) { server in
            let silent = (0..<4).map { _ in PlainStream(server.listener.endpoint) }
            let answer = await onThread {
                guard silent[0].isAtEnd else { return [] as [UInt8] }
                silent[3].send(message: [1, 1])
                return silent[3].receiveMessage()
            }
            #expect(answer == [1, 1])
        }
    }

    @Test func `idle streams are closed`() async throws {
        var limits = StreamLimits()
        limits.idleDeadline = .milliseconds(200)
        try await StreamServer.run(limits: limits) { server in
            let isAtEnd = await onThread {
                let stream = PlainStream(server.listener.endpoint)
                stream.send(message: [1, 1])
                _ = stream.receiveMessage()
                return stream.isAtEnd
            }
            #expect(isAtEnd)
            #expect(await server.echo.events == [.opened(isTLS: false, listener: 0), .closed(.idle)])
        }
    }

    @Test func `a taken port is an error that says so`() throws {
        let listener = try StreamListener(binding: StreamServer.loopback)
        let error = #expect(throws: PacketIOError.self) { _ = try StreamListener(binding: listener.endpoint) }
        #expect(error?.description.contains("cannot bind tcp \(listener.endpoint): address in use") == true)
    }
}
