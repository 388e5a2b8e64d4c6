public import Addresses
internal import Glibc

/// What the kernel refused while something was set up. Once a loop runs, nothing throws: packets are counted.
public enum PacketIOError: Error, Equatable, Sendable {
    /// A socket could not be bound; `code` is errno.
    case cannotBind(Endpoint, code: Int32)
    /// The kernel gave no epoll or event descriptor, or no thread; `code` is errno.
    case cannotStart(String, code: Int32)

    /// errno.
    public var code: Int32 {
        switch self {
        case .cannotBind(_, let code), .cannotStart(_, let code): code
        }
    }

    /// errno in words, such as "Address already in use".
    public var reason: String { unsafe String(cString: strerror(code)) }
}

extension PacketIOError: CustomStringConvertible {
    /// What happened, to what, and what to do.
    public var description: String {
        switch self {
        case .cannotBind(let endpoint, EADDRINUSE):
            "cannot bind udp \(endpoint): address in use. Another program may be running there "
                + "(ss -lunp 'sport = \(endpoint.port)'): stop it, or listen on a free port."
        case .cannotBind(let endpoint, EADDRNOTAVAIL):
            "cannot bind udp \(endpoint): this host has no such address. Listen on one of those that `ip address` shows."
        case .cannotBind(let endpoint, EACCES):
            "cannot bind udp \(endpoint): permission denied. Ports below 1024 need CAP_NET_BIND_SERVICE."
        case .cannotBind(let endpoint, _):
            "cannot bind udp \(endpoint): \(reason)"
        case .cannotStart(let what, _):
            "cannot start a packet loop: no \(what): \(reason). Look at the limits of open files and threads (ulimit -n -u)."
        }
    }
}
