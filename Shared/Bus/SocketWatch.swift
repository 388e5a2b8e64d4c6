private import CEpoll
import Glibc
import Time

/// Waits for bytes on a connection's socket: as the connection's thread, or as a caller whose answer is due.
///
/// While a caller waits the kernel wakes it and not the thread, so that an answer costs one change of threads. Each kind of waiter
/// has an epoll instance that watches the socket exclusively: of these the kernel wakes the first that somebody waits on, and the
/// callers' was added first. What arrives while no caller waits wakes the thread as ever.
final class SocketWatch: Sendable {
    private final class Waiters: Sendable {
        let epoll: Int32
        let waker: Waker

        init(socket: Int32) throws(SocketError) {
            waker = try Waker()
            epoll = bus_epoll_create()
            guard epoll >= 0 else { throw SocketError("cannot make an epoll instance", -epoll) }
            for (descriptor, bit, isExclusive) in [
                (socket, BUS_EPOLL_SOCKET, Int32(1)), (waker.descriptor, BUS_EPOLL_WAKER, 0),
            ] {
                let added = bus_epoll_add(epoll, descriptor, Int32(bit), isExclusive)
                guard added == 0 else { throw SocketError("cannot watch a socket", -added) }
            }
        }

        deinit {
            if epoll >= 0 { close(epoll) }
        }

        func wait(atMost limit: Interval) -> Int32 {
            let bits = bus_epoll_wait(epoll, max(limit.nanoseconds, 0))
            if bits > 0, bits & Int32(BUS_EPOLL_WAKER) != 0 { waker.drain() }
            return bits
        }
    }

    private let callers: Waiters?
    private let thread: Waiters
    private let socket: Int32

    /// Without `hasCallers` the thread waits alone, and `waitAsCaller` waits for nothing.
    init(socket: Int32, hasCallers: Bool) throws(SocketError) {
        self.socket = socket
        callers = hasCallers ? try Waiters(socket: socket) : nil
        thread = try Waiters(socket: socket)
    }

    /// Wakes the thread; soon, where it does not wait now.
    func wakeThread() { thread.waker.wake() }

    /// Wakes the caller that waits, or the next one.
    func wakeCaller() { callers?.waker.wake() }

    /// Waits for bytes or to be woken, with `wantsWrite` also for room; returns early where a signal comes.
    func waitAsThread(atMost limit: Interval, wantsWrite: Bool) {
        let limit = min(max(limit, .zero), .seconds(60))
        if wantsWrite { pollForRoom(atMost: limit) }
        _ = thread.wait(atMost: wantsWrite ? .zero : limit)
    }

    /// What ended a caller's wait.
    enum Arrival {
        /// There are bytes to read.
        case bytes
        /// Another thread has read meanwhile.
        case woken
        case nothing
    }

    /// Waits for bytes, or until woken.
    func waitAsCaller(atMost limit: Interval) -> Arrival {
        let bits = callers?.wait(atMost: limit) ?? 0
        guard bits > 0 else { return .nothing }
        return bits & Int32(BUS_EPOLL_SOCKET) != 0 ? .bytes : .woken
    }

    /// What is watched exclusively cannot be watched for room as well, now and then: rare, so a call more does not matter.
    private func pollForRoom(atMost limit: Interval) {
        var polled: [2 of pollfd] = [
            pollfd(fd: socket, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: thread.epoll, events: Int16(POLLIN), revents: 0),
        ]
        _ = unsafe withUnsafeMutableBytes(of: &polled) { bytes in
            // Rounded up, so that the moment has come on waking.
            unsafe poll(bytes.assumingMemoryBound(to: pollfd.self).baseAddress, 2, Int32(limit.milliseconds + 1))
        }
    }
}
