import Glibc
import ServiceKit

/// The little that roost does with sockets, blocking, each with a short time limit.
enum Sockets {
    /// Connects; false where nobody listens.
    static func connect(_ descriptor: Int32, to address: HostPort) -> Bool {
        var raw = ipv4(address)
        return unsafe withUnsafePointer(to: &raw) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// The error number of a bind to this address; 0 where it is free.
    static func bindError(_ port: Port) -> Int32 {
        let type = port.transport == .tcp ? SOCK_STREAM : SOCK_DGRAM
        let descriptor = socket(AF_INET, Int32(type.rawValue), 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        if port.transport == .tcp {
            // As servers do: connections in TIME_WAIT of an earlier run do not count.
            var on: Int32 = 1
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        var raw = ipv4(port.address)
        let result = unsafe withUnsafePointer(to: &raw) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return result == 0 ? 0 : errno
    }

    /// The address that a connected socket speaks from.
    static func localAddress(of descriptor: Int32) -> String? {
        var raw = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafeMutablePointer(to: &raw) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &length)
            }
        }
        guard result == 0 else { return nil }
        let number = UInt32(bigEndian: raw.sin_addr.s_addr)
        return "\(number >> 24).\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
    }

    /// Sends a request and reads the answer until the peer closes or the limit is reached; nil without an answer in time.
    static func ask(_ descriptor: Int32, _ request: String, limit: Int = 64 << 10) -> String? {
        var request = request
        let sent = request.withUTF8 { bytes in
            unsafe send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        }
        guard sent == request.utf8.count else { return nil }
        var bytes = [UInt8](repeating: 0, count: limit)
        var filled = 0
        while filled < limit {
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe recv(descriptor, buffer.baseAddress.map { unsafe $0 + filled }, limit - filled, 0)
            }
            guard count > 0 else { break }
            filled += count
            // Redis keeps the connection open after its one line.
            if bytes[0] != UInt8(ascii: "H"), bytes[filled - 1] == UInt8(ascii: "\n") { break }
        }
        return filled == 0 ? nil : String(decoding: bytes.prefix(filled), as: UTF8.self)
    }

    /// A TCP connection with a limit on each wait; nil where nobody listens.
    static func tcp(_ address: HostPort, milliseconds: Int) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        limitWaits(descriptor, milliseconds)
        if connect(descriptor, to: address) { return descriptor }
        close(descriptor)
        return nil
    }

    /// A Unix socket connection with a limit on each wait; nil where nobody listens.
    static func unix(_ path: String, milliseconds: Int) -> Int32? {
        var raw = sockaddr_un()
        raw.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: raw.sun_path)
        guard path.utf8.count < capacity else { return nil }
        unsafe withUnsafeMutableBytes(of: &raw.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        limitWaits(descriptor, milliseconds)
        let result = unsafe withUnsafePointer(to: &raw) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 { return descriptor }
        close(descriptor)
        return nil
    }

    private static func limitWaits(_ descriptor: Int32, _ milliseconds: Int) {
        var limit = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        let size = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
    }

    private static func ipv4(_ address: HostPort) -> sockaddr_in {
        var raw = sockaddr_in()
        raw.sin_family = sa_family_t(AF_INET)
        raw.sin_port = in_port_t(UInt16(truncatingIfNeeded: address.port).bigEndian)
        unsafe inet_pton(AF_INET, address.host, &raw.sin_addr)
        return raw
    }
}
