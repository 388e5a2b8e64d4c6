import Foundation
import Glibc
import ServiceKit
import ServiceLifecycle
import Synchronization
import Testing

/// How a service ends, each in a process of its own. One at a time: each test takes the run folders away after it.
@Suite(.serialized) final class EndingTests {
    deinit { try? FileManager.default.removeItem(at: runFolders(of: getpid())) }

    @Test func `a part that hangs does not keep the process beyond the drain's deadline`() async throws {
        let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
            await runService { _ in [Ender(), Deaf()] }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("test: the drain did not end within 2.2 seconds; raise --drain-timeout"))
        #expect(said.contains("drain did not end in time, ending the process"))
    }

    @Test func `a part that ends only when it is cut is cut at the drain's deadline`() async {
        await #expect(processExitsWith: .success) {
            await runService { _ in [Ender(), UntilCut()] }
        }
    }

    @Test func `a signal during the start is kept, and what started then drains`() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            await runService { _ in
                kill(getpid(), SIGTERM)
                // The signal comes by another thread, and must find nobody who lets it end the process.
                try await Task.sleep(for: .milliseconds(300))
                return [Part()]
            }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        for word in ["started", "draining", "the part drained", "stopped"] {
            #expect(said.contains(word), "\(said)")
        }
    }

    @Test func `a start that hangs ends after a signal`() async {
        await #expect(processExitsWith: .exitCode(1)) {
            await runService { _ in
                kill(getpid(), SIGINT)
                await Deaf.hang()
                return []
            }
        }
    }

    @Test func `SIGHUP during the start harms nothing`() async {
        await #expect(processExitsWith: .success) {
            await runService { _ in
                kill(getpid(), SIGHUP)
                try await Task.sleep(for: .milliseconds(100))
                return [Ender()]
            }
        }
    }
}

/// Where the services have their run folders that a process of tests started.
private func runFolders(of tests: pid_t) -> URL {
    FileManager.default.temporaryDirectory.appending(path: "end-\(tests)")
}

/// A service with a short drain, in a process that the tests started.
private func runService(body: @escaping @Sendable (ServiceContext) async throws -> [any Service]) async -> Never {
    let folder = runFolders(of: getppid()).appending(path: "\(getpid())").path
    await ServiceMain.run(
        kind: "test", summary: "ends", arguments: ["--run-dir", folder, "--drain-timeout", "200ms"], body: body)
}

/// Sends the process SIGTERM once it stands.
private struct Ender: Service {
    func run() async throws {
        kill(getpid(), SIGTERM)
        try? await gracefulShutdown()
    }
}

/// Says when it drains.
private struct Part: Service {
    func run() async throws {
        try? await gracefulShutdown()
        FileHandle.standardError.write(Data("the part drained\n".utf8))
    }
}

/// Knows of no graceful end, but can be cancelled.
private struct UntilCut: Service {
    func run() async throws { try? await Task.sleep(for: .seconds(60)) }
}

/// Neither drains nor lets itself be cancelled.
private struct Deaf: Service {
    /// Kept, or the runtime would complain of a continuation that is never resumed.
    private static let kept = Mutex<[CheckedContinuation<Void, Never>]>([])

    static func hang() async {
        await withCheckedContinuation { continuation in kept.withLock { $0.append(continuation) } }
    }

    func run() async throws { await Self.hang() }
}
