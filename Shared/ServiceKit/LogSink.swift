import Glibc
import Synchronization

/// Where log lines go: standard error, or a file that is opened anew on SIGHUP so that logrotate can move it away.
public final class LogSink: Sendable {
    private let path: String?
    private let descriptor: Mutex<Int32>

    /// Standard error.
    public init() {
        path = nil
        descriptor = Mutex(STDERR_FILENO)
    }

    /// A file, made where it is missing; lines are appended.
    public init(path: String) throws(ServiceFailure) {
        self.path = path
        descriptor = Mutex(try Self.open(path))
    }

    deinit {
        if path != nil { descriptor.withLock { _ = close($0) } }
    }

    /// Opens the file again; the old one stays in use where that fails.
    public func reopen() throws(ServiceFailure) {
        guard let path else { return }
        let fresh = try Self.open(path)
        descriptor.withLock {
            close($0)
            $0 = fresh
        }
    }

    /// Writes one whole line; one that cannot be written (disk full, pipe closed) is dropped.
    func write(_ line: String) {
        var line = line
        descriptor.withLock { descriptor in
            line.withUTF8 { bytes in
                var rest = UnsafeRawBufferPointer(bytes)
                while unsafe !rest.isEmpty {
                    let written = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                    if written < 0 && errno == EINTR { continue }
                    if written <= 0 { return }
                    unsafe rest = UnsafeRawBufferPointer(rebasing: rest[written...])
                }
            }
        }
    }

    private static func open(_ path: String) throws(ServiceFailure) -> Int32 {
        let descriptor = unsafe Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else {
            throw ServiceFailure(
                "cannot open log file \(path): \(errorText(errno)). Make its folder writable, or set --log-file elsewhere."
            )
        }
        return descriptor
    }
}

/// The system's words for an error number.
public func errorText(_ number: Int32) -> String {
    guard let text = unsafe strerror(number) else { return "error \(number)" }
    return unsafe String(cString: text).lowercased()
}

/// Why a service cannot start or go on: what happened, to what, and what to do.
public struct ServiceFailure: Error, Sendable, CustomStringConvertible {
    /// For people.
    public var message: String
    /// Takes a sentence for people.
    public init(_ message: String) { self.message = message }
    /// For people.
    public var description: String { message }
}
