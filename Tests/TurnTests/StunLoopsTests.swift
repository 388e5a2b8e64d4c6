import Addresses
import Bytes
import CPacketIO
import Foundation
import PacketIO
import STUN
import TURNServer
import Testing
import Turn

/// Real sockets on loopback.
struct StunLoopsTests {
    /// Runs `body` against a server on these addresses.
    func withServer(
        _ listen: [String], workers: Int = 1, _ body: @Sendable @escaping (StunLoops) async throws -> Void
    ) async throws {
        let loops = try StunLoops(listen: listen.compactMap { Endpoint($0) }, workers: workers, rate: 1_000_000)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await loops.run() }
            defer { group.cancelAll() }
            try await body(loops)
        }
    }

    @Test(arguments: [
        ("0.0.0.0:0", "127.0.0.1"), ("0.0.0.0:0", "127.0.0.5"), ("127.0.0.1:0", "127.0.0.1"), ("[::]:0", "::1"),
        ("[::1]:0", "::1"),
    ])
    func `a client is answered from the address that it asked`(listen: String, asked: String) async throws {
        try await withServer([listen]) { loops in
            let server = Endpoint(
                address: try #require(IPAddress(asked)), port: try #require(loops.endpoints.first).port)
            let client = try Client(family: server.address.family)
            let answer = await client.ask(server)
            let (bytes, from) = try #require(answer)
            let message = try STUNMessage(parsing: bytes.span.raw)
            let mapped = try message.xorMappedAddress()

            #expect(from == server)
            #expect(mapped?.port == client.port)
            #expect(mapped?.address == server.address || mapped?.address.isLoopback == true)
        }
    }

    @Test func `several workers share a port and answer together`() async throws {
        try await withServer(["127.0.0.1:0"], workers: 2) { loops in
            let server = try #require(loops.endpoints.first)
            for _ in 0..<50 {
                let client = try Client(family: .v4)
                let answer = await client.ask(server)
                #expect(answer != nil)
            }
            #expect(loops.totals.reduce(0) { $0 + $1.answered } >= 50)
        }
    }

    @Test func `noise is counted by reason and harms nobody`() async throws {
        try await withServer(["127.0.0.1:0"]) { loops in
            let server = try #require(loops.endpoints.first)
            let client = try Client(family: .v4)
            for count in [0, 1, 19, 20, 1_400, 5_000] {
                client.send([UInt8](repeating: 0xff, count: count), to: server)
            }
            let answer = await client.ask(server)
            #expect(answer != nil)

            let totals = try #require(loops.totals.first)
            #expect(totals[.notSTUN] == 6)
            #expect(totals.answered >= 1)
        }
    }

    @Test func `a taken port is an error that says what to do`() async throws {
        try await withServer(["127.0.0.1:0"]) { loops in
            let taken = try #require(loops.endpoints.first)
            let error = #expect(throws: PacketIOError.self) {
                _ = try StunLoops(listen: [taken], workers: 2, rate: 1)
            }
            #expect(error?.description.contains("cannot bind udp \(taken): address in use") == true)
        }
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/turnutils_stunclient")))
    func `coturn's stunclient learns its address`() async throws {
        try await withServer(["127.0.0.1:0"]) { loops in
            let server = try #require(loops.endpoints.first)
            let process = Process()
            let output = Pipe()
            process.executableURL = URL(filePath: "/usr/bin/turnutils_stunclient")
            process.arguments = ["-p", "\(server.port)", "127.0.0.1"]
            process.standardOutput = output
            process.standardError = output
            try process.run()
            let data = await withCheckedContinuation { done in
                Thread.detachNewThread {
                    let data = try? output.fileHandleForReading.readToEnd()
                    process.waitUntilExit()
                    done.resume(returning: data ?? Data())
                }
            }
            let text = String(decoding: data, as: UTF8.self)

            #expect(process.terminationStatus == 0, "\(text)")
            #expect(text.contains("UDP reflexive addr: 127.0.0.1:"), "\(text)")
        }
    }
}

/// A plain UDP client.
final class Client: Sendable {
    private let descriptor: Int32

    init(family: IPAddress.Family) throws {
        descriptor = pio_udp_client(Int32(family.rawValue))
        try #require(descriptor >= 0)
    }

    deinit { pio_close(descriptor) }

    /// Its port, once it has sent.
    var port: UInt16 {
        var address = pio_address()
        _ = unsafe pio_local_address(descriptor, &address)
        return address.port
    }

    func send(_ bytes: [UInt8], to server: Endpoint) {
        let address = server.address
        var to = pio_address(
            high: address.high, low: address.low, zone: 0, port: server.port, family: address.family.rawValue)
        _ = unsafe pio_send_to(descriptor, bytes, bytes.count, &to)
    }

    /// Sends a Binding request and waits for what comes, on a thread of its own: tasks have few, and the server needs one.
    func ask(_ server: Endpoint) async -> (bytes: [UInt8], from: Endpoint)? {
        await withCheckedContinuation { done in
            Thread.detachNewThread { done.resume(returning: self.askAndWait(server)) }
        }
    }

    private func askAndWait(_ server: Endpoint) -> (bytes: [UInt8], from: Endpoint)? {
        let header = STUNHeader(.request, .binding, TransactionID(high: 7, low: 8))
        let request = try? [UInt8](capacity: 20) { (output) throws(STUNError) in
            _ = try STUNWriter(header, to: &output)
        }
        send(request ?? [], to: server)
        var from = pio_address()
        var bytes = [UInt8](repeating: 0, count: 2_048)
        // Long, for a machine with more to do than processors.
        let count = unsafe pio_receive_from(descriptor, &bytes, bytes.count, &from, 20_000)
        guard count > 0 else { return nil }
        let address =
            from.family == 4
            ? IPAddress(v4: UInt32(truncatingIfNeeded: from.low)) : IPAddress(v6High: from.high, low: from.low)
        return (Array(bytes[..<Int(count)]), Endpoint(address: address, port: from.port))
    }
}
