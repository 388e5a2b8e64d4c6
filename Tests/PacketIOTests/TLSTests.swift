import Addresses
import COpenSSL
import PacketIO
import Synchronization
import Testing
import Time

struct TLSTests {
    func withTLS(
        limits: StreamLimits = StreamLimits(), _ body: @Sendable (StreamServer, TLSContext) async throws -> Void
    ) async throws {
        let files = try TestCertificate()
        let context = try TLSContext(certificateFile: files.certificateFile, keyFile: files.keyFile)
        try await StreamServer.run(tls: context, limits: limits) { server in try await body(server, context) }
    }

    @Test func `a handshake that stops halfway is cut in time`() async throws {
        var limits = StreamLimits()
        limits.openingDeadline = .milliseconds(200)
        try await withTLS(limits: limits) { server, _ in
            // The header of a ClientHello's record, of 512 bytes that never come; and one byte less than a header.
            let hellos: [[UInt8]] = [[0x16, 3, 1, 2, 0, 1], [0x16, 3, 1, 2]]
            let begun = hellos.map { bytes in
                let stream = PlainStream(server.listener.endpoint)
                stream.send(bytes)
                return stream
            }
            let ends = await onThread { begun.map(\.isAtEnd) }
            #expect(ends == [true, true])
            #expect(await isReached { server.statistics.streams.load(ordering: .relaxed) == 0 })
            #expect(await server.echo.events == [], "of who did not get in the worker is told nothing")
        }
    }

    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func `messages come back over TLS, however they are cut`(version: Int32) async throws {
        try await withTLS { server, _ in
            let wrong = await onThread {
                let stream = TLSStream(server.listener.endpoint, version: version)
                var wrong = stream.isConnected ? 0 : 1
                for byte in [0, 5, 10, 11, 12, 13, 14] as [UInt8] { stream.send([byte]) }
                if stream.receiveMessage() != [10, 11, 12, 13, 14] { wrong += 1 }
                stream.send((0..<300).flatMap { [0, 4, UInt8($0 & 255), 1, 2, 3] as [UInt8] })
                for number in 0..<300 where stream.receiveMessage() != [UInt8(number & 255), 1, 2, 3] { wrong += 1 }
                for number in 0..<3 {
                    let message = ForwardingTests.bytes(65_535, number)
                    stream.send(message: message)
                    if stream.receiveMessage() != message { wrong += 1 }
                }
                return wrong
            }
            #expect(wrong == 0)
            #expect(await server.echo.events.first == .opened(isTLS: true, listener: 0))
        }
    }

    @Test func `one port serves TLS and plain TCP`() async throws {
        try await withTLS { server, _ in
            let answers = await onThread {
                let plain = PlainStream(server.listener.endpoint)
                let secure = TLSStream(server.listener.endpoint)
                plain.send(message: [1, 1])
                secure.send(message: [2, 2])
                return [plain.receiveMessage(), secure.receiveMessage()]
            }
            #expect(answers == [[1, 1], [2, 2]])
        }
    }

    @Test func `TLS before 1_2 is refused; ALPN's turn is taken, and others need none`() async throws {
        try await withTLS { server, _ in
            let (isOld, names) = await onThread {
                let old = TLSStream(server.listener.endpoint, version: TLS1_1_VERSION).isConnected
                let offers = [[], ["stun.turn"], ["h2", "stun.turn"], ["stun.nat-discovery"], ["h2", "http/1.1"]]
                let names = offers.map { offer in
                    let stream = TLSStream(server.listener.endpoint, protocols: offer)
                    return stream.isConnected ? stream.chosenProtocol : "refused"
                }
                return (old, names)
            }
            #expect(!isOld)
            #expect(names == ["", "stun.turn", "stun.turn", "stun.nat-discovery", ""])
            #expect(server.statistics.failedHandshakes.load(ordering: .relaxed) == 1)
        }
    }

    @Test func `garbage in place of a handshake, or after it, ends that stream only`() async throws {
        try await withTLS { server, _ in
            var random = SystemRandomNumberGenerator()
            let noises = (0..<40).map { _ in
                [0x16]
                    + (0..<Int.random(in: 0..<600, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
                    }
            }
            let answer = await onThread {
                let stays = TLSStream(server.listener.endpoint)
                for noise in noises {
                    let stream = PlainStream(server.listener.endpoint)
                    stream.send(noise)
                    stream.closeWriting()
                }
                for number in 0..<10 {
                    // Well begun, then noise beneath the session.
                    let stream = TLSStream(server.listener.endpoint)
                    stream.send(message: [1, 2, 3])
                    stream.sendRaw(noises[number])
                }
                stays.send(message: [8, 8])
                return stays.receiveMessage()
            }
            #expect(answer == [8, 8])
            #expect(await isReached { server.statistics.streams.load(ordering: .relaxed) == 0 })
            #expect(server.statistics.failedHandshakes.load(ordering: .relaxed) > 0)
        }
    }

    @Test func `closing sends first what waits, and what a slow reader was promised`() async throws {
        try await withTLS { server, _ in
            let (bytes, isAtEnd) = await onThread {
                let stream = TLSStream(server.listener.endpoint)
                stream.send(message: [StreamEcho.Order.goodbye])
                return (stream.receive(100 * 2048), stream.isAtEnd)
            }
            #expect(bytes == (0..<100).flatMap { [UInt8](repeating: UInt8($0), count: 2048) })
            #expect(isAtEnd)

            let slow = TLSStream(server.listener.endpoint)
            for _ in 0..<20 { slow.send(message: [StreamEcho.Order.flood]) }
            #expect(await isReached { server.statistics.droppedBacklog.load(ordering: .relaxed) >= 20 })
            let written = await server.echo.written
            let received = await onThread { slow.receive(written).count }
            #expect(received == written)
        }
    }

    @Test func `a certificate is exchanged for new streams, and a wrong one is refused`() async throws {
        try await withTLS { server, context in
            let old = TLSStream(server.listener.endpoint)
            let renewed = try TestCertificate()
            let other = try TestCertificate()
            #expect(throws: TLSError.mismatch(renewed.certificateFile, other.keyFile)) {
                try context.reload(certificateFile: renewed.certificateFile, keyFile: other.keyFile)
            }
            let missing = renewed.keyFile + ".not"
            let error = #expect(throws: TLSError.self) {
                try context.reload(certificateFile: renewed.certificateFile, keyFile: missing)
            }
            #expect(error?.description.contains(missing) == true)
            let same = await onThread { TLSStream(server.listener.endpoint).fingerprint }
            #expect(same == old.fingerprint)

            try context.reload(certificateFile: renewed.certificateFile, keyFile: renewed.keyFile)
            let fresh = await onThread { TLSStream(server.listener.endpoint).fingerprint }
            #expect(fresh != old.fingerprint)
            #expect(!fresh.isEmpty)
            let answer = await onThread {
                old.send(message: [1, 1])
                return old.receiveMessage()
            }
            #expect(answer == [1, 1])
        }
    }

    @Test func `an expired certificate says so`() throws {
        let files = try TestCertificate()
        files.expire()
        #expect(throws: TLSError.expired(files.certificateFile)) {
            _ = try TLSContext(certificateFile: files.certificateFile, keyFile: files.keyFile)
        }
    }
}
