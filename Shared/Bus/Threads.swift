import Glibc

/// Wakes a thread that polls: a pipe, one end to poll and one to write.
final class Waker: Sendable {
    let descriptor: Int32
    private let writeEnd: Int32

    init() {
        var ends: [2 of Int32] = [-1, -1]
        let made = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
            unsafe pipe(bytes.assumingMemoryBound(to: Int32.self).baseAddress)
        }
        precondition(made == 0, "no file descriptor is left for a bus connection: raise the limit (ulimit -n)")
        descriptor = ends[0]
        writeEnd = ends[1]
        setNonBlocking(descriptor)
        setNonBlocking(writeEnd)
    }

    deinit {
        close(descriptor)
        close(writeEnd)
    }

    func wake() {
        var byte: UInt8 = 1
        // A full pipe wakes as well.
        _ = unsafe write(writeEnd, &byte, 1)
    }

    func drain() {
        var bytes: [64 of UInt8] = .init(repeating: 0)
        _ = unsafe read(descriptor, &bytes, 64)
    }
}

private final class ThreadBody {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Starts a thread; its body ends it.
func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
    var thread = pthread_t()
    let argument = unsafe Unmanaged.passRetained(ThreadBody(body))
    let result = unsafe pthread_create(
        &thread, nil,
        { argument in
            guard let argument = unsafe argument else { return nil }
            let body = unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue()
            body.run()
            return nil
        }, argument.toOpaque())
    guard result == 0 else {
        unsafe argument.release()
        return false
    }
    pthread_detach(thread)
    return true
}

/// The number of the thread that asks; never 0.
func currentThread() -> UInt { UInt(pthread_self()) }
