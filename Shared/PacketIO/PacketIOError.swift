public import Addresses
internal import Glibc

/// What the kernel refused while something was set up. Once a loop runs, nothing throws: packets are counted.
public enum PacketIOError: Error, Equatable, Sendable {
    /// A socket could not be bound; `code` is errno.
    case cannotBind(Endpoint, code: Int32)
    /// A TCP socket could not be bound; `code` is errno.
    case cannotListen(Endpoint, code: Int32)
    /// The kernel gave no epoll or event descriptor, or no thread; `code` is errno.
    case cannotStart(String, code: Int32)

    /// errno.
    public var code: Int32 {
        switch self {
        case .cannotBind(_, let code), .cannotListen(_, let code), .cannotStart(_, let code): code
        }
    }

    /// errno in words, such as "Address already in use".
    public var reason: String { unsafe String(cString: strerror(code)) }
}

extension PacketIOError: CustomStringConvertible {
    /// What happened, to what, and what to do.
    public var description: String {
        switch self {
        case .cannotBind(let endpoint, let code):
            PacketIOError.binding("udp", "ss -lunp", endpoint, code: code, reason)
        case .cannotListen(let endpoint, let code):
            PacketIOError.binding("tcp", "ss -ltnp", endpoint, code: code, reason)
        case .cannotStart(let what, _):
            "cannot start a packet loop: no \(what): \(reason). Look at the limits of open files and threads (ulimit -n -u)."
        }
    }

    private static func binding(
        _ kind: String, _ lister: String, _ endpoint: Endpoint, code: Int32, _ reason: String
    ) -> String {
        switch code {
        case EADDRINUSE:
            "cannot bind \(kind) \(endpoint): address in use. Another program may be running there "
                + "(\(lister) 'sport = \(endpoint.port)'): stop it, or listen on a free port."
        case EADDRNOTAVAIL:
            "cannot bind \(kind) \(endpoint): this host has no such address. Listen on one of those that `ip address` shows."
        case EACCES:
            "cannot bind \(kind) \(endpoint): permission denied. Ports below 1024 need CAP_NET_BIND_SERVICE."
        default:
            "cannot bind \(kind) \(endpoint): \(reason)"
        }
    }
}
