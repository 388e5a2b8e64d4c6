import Foundation

/// A redis-server of a test's own, on a Unix socket in a folder of its own, that can be killed and started again.
public final class RedisServer {
    private let folder: URL
    private let options: [String]
    private var process: Process?

    /// Starts one; needs `redis-server` in the path. `options` are its own, besides those for the socket.
    public init(options: [String] = []) throws {
        self.options = options
        folder = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent(
            "rt-\(UInt32.random(in: .min ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try start()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    /// Path of the socket.
    public var socket: String { folder.appendingPathComponent("s").path }

    /// Starts it with no data, as after a lost disk.
    public func start() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            [
                "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir",
                folder.path, "--requirepass", "",
            ] + options
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
    }

    /// `kill -9`.
    public func kill() {
        guard let process, process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Stops it without ending its connections: no answer comes any more.
    public func freeze() { if let process { Foundation.kill(process.processIdentifier, SIGSTOP) } }

    /// Lets it go on.
    public func thaw() { if let process { Foundation.kill(process.processIdentifier, SIGCONT) } }
}
