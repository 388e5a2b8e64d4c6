private import CEpoll
import Glibc

/// Wakes a thread that polls.
final class Waker: Sendable {
    let descriptor: Int32

    init() throws(SocketError) {
        descriptor = bus_eventfd_create()
        guard descriptor >= 0 else { throw SocketError("cannot make an eventfd", -descriptor) }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    func wake() { bus_eventfd_signal(descriptor) }

    func drain() { bus_eventfd_clear(descriptor) }
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

/// Marks the threads of connections.
private let connectionMark: pthread_key_t = {
    var key = pthread_key_t()
    unsafe pthread_key_create(&key, nil)
    return key
}()

/// Marks the thread that asks as a connection's.
func markConnectionThread() { unsafe pthread_setspecific(connectionMark, UnsafeRawPointer(bitPattern: 1)) }

/// Whether the thread that asks is a connection's.
func isConnectionThread() -> Bool { unsafe pthread_getspecific(connectionMark) != nil }
