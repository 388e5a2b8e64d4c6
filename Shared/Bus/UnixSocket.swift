import Glibc

/// A connected Unix stream socket. Closed when the last reference is gone, so that no thread writes into a reused descriptor.
package final class UnixSocket: BusTransport {
    package let descriptor: Int32
    package let peer: PeerIdentity

    /// Takes over a connected descriptor.
    package init(adopting descriptor: Int32) {
        self.descriptor = descriptor
        peer = UnixSocket.credentials(of: descriptor)
        setNonBlocking(descriptor)
    }

    deinit { close(descriptor) }

    /// Connects; a Unix socket does so at once or not at all.
    package static func connect(path: String) throws(SocketError) -> UnixSocket {
        let descriptor = socket(AF_UNIX, streamType, 0)
        guard descriptor >= 0 else { throw SocketError("cannot make a socket", path, errno) }
        setNonBlocking(descriptor)
        guard unsafe withSocketAddress(path, { unsafe Glibc.connect(descriptor, $0, $1) }) == 0 else {
            let error = errno
            close(descriptor)
            throw SocketError("cannot connect to", path, error)
        }
        return UnixSocket(adopting: descriptor)
    }

    package func read(into buffer: inout [UInt8]) -> TransportOutcome {
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        return outcome(count)
    }

    package func write(_ bytes: [UInt8], from offset: Int) -> TransportOutcome {
        let count = unsafe bytes.withUnsafeBytes { buffer in
            let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[offset...])
            return unsafe send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
        }
        return count == 0 ? .wouldBlock : outcome(count)
    }

    package func shutdown() { Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }

    private func outcome(_ count: Int) -> TransportOutcome {
        guard count < 0 else { return count == 0 ? .closed : .bytes(count) }
        return switch errno {
        case EAGAIN, EINTR: .wouldBlock
        case ECONNRESET, EPIPE: .closed
        case let error: .failed(error)
        }
    }

    /// SO_PEERCRED: process, user and group of who connected or listened, three 32-bit numbers.
    private static func credentials(of descriptor: Int32) -> PeerIdentity {
        var numbers: [3 of UInt32] = [0, 0, 0]
        var length = socklen_t(MemoryLayout<[3 of UInt32]>.size)
        guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &numbers, &length) == 0 else {
            return PeerIdentity()
        }
        return PeerIdentity(userID: numbers[1], processID: Int32(bitPattern: numbers[0]))
    }
}

/// A Unix socket that accepts connections. Its file is removed when it goes.
package final class UnixListener: Sendable {
    package let descriptor: Int32
    package let path: String

    /// Binds and listens. A stale file of a dead process is replaced; a live listener is an error.
    package init(path: String) throws(SocketError) {
        descriptor = socket(AF_UNIX, streamType, 0)
        self.path = path
        guard descriptor >= 0 else { throw SocketError("cannot make a socket", path, errno) }
        setNonBlocking(descriptor)
        var bound = unsafe withSocketAddress(path) { unsafe bind(descriptor, $0, $1) }
        if bound != 0, errno == EADDRINUSE, UnixListener.isStale(path) {
            unsafe unlink(path)
            bound = unsafe withSocketAddress(path) { unsafe bind(descriptor, $0, $1) }
        }
        // Between bind and listen nobody can connect, so the permissions are right before they matter.
        guard bound == 0, unsafe chmod(path, 0o600) == 0, listen(descriptor, 256) == 0 else {
            // The descriptor is closed by `deinit`, which runs for a listener that was made this far.
            throw SocketError("cannot listen on", path, errno)
        }
    }

    deinit { close(descriptor) }

    /// The next connection that waits; nil if none does. Throws where the system has no room for it, which it keeps waiting.
    package func accept() throws(SocketError) -> UnixSocket? {
        let accepted = Glibc.accept(descriptor, nil, nil)
        guard accepted < 0 else { return UnixSocket(adopting: accepted) }
        switch errno {
        case EAGAIN, EINTR, ECONNABORTED, EINVAL: return nil
        case let error: throw SocketError("cannot accept on", path, error)
        }
    }

    /// Refuses further connections and removes the file.
    package func stop() {
        Glibc.shutdown(descriptor, Int32(SHUT_RDWR))
        unsafe unlink(path)
    }

    private static func isStale(_ path: String) -> Bool {
        do {
            _ = try UnixSocket.connect(path: path)
            return false
        } catch {
            return error.number == ECONNREFUSED
        }
    }
}

/// What the system said about a socket.
package struct SocketError: Error, CustomStringConvertible {
    package let what: String
    package let path: String
    package let number: Int32

    init(_ what: String, _ number: Int32) { self.init(what, "", number) }

    init(_ what: String, _ path: String, _ number: Int32) {
        self.what = what
        self.path = path
        self.number = number
    }

    package var description: String {
        let advice =
            switch number {
            case EADDRINUSE: ". Another process listens there: stop it, or choose another path"
            case EACCES: ". Its folder is not open to this user"
            case ENOENT: ". Does the folder exist, and does the service run?"
            case EMFILE, ENFILE: ". Raise the limit of open files (ulimit -n; LimitNOFILE= of its unit)"
            case ECONNREFUSED: ". The service that listened there is gone"
            default: ""
            }
        let reason = unsafe String(cString: strerror(number))
        return "\(what)\(path.isEmpty ? "" : " unix:\(path)"): \(reason)\(advice)"
    }
}

let streamType = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

func setNonBlocking(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
}

/// Calls `body` with a Unix socket address; fails with ENAMETOOLONG where the path does not fit.
private func withSocketAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let utf8 = Array(path.utf8)
    guard utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
        errno = ENAMETOOLONG
        return -1
    }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: utf8) }
    return unsafe withUnsafePointer(to: address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}
