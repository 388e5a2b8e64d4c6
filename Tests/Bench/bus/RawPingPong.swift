import Bus
import Glibc
import Time

/// Bytes of a ping: what the bus puts into a frame for the same message.
private let pingBytes = 96

/// Answers each ping with itself, by blocking reads and writes: the least that a round trip can take.
func echoRaw(_ path: String) throws {
    let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard withAddress(path, { unsafe bind(listener, $0, $1) }) == 0, listen(listener, 1) == 0 else {
        throw BusStatus(.unavailable, "cannot listen on \(path)")
    }
    let peer = accept(listener, nil, nil)
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = unsafe read(peer, &buffer, buffer.count)
        guard count > 0 else { return }
        _ = unsafe write(peer, buffer, count)
    }
}

/// Microseconds of a raw round trip.
func pingRaw(_ path: String) throws -> Double {
    let server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(server) }
    // The file is there before anybody listens.
    var connected = withAddress(path, { unsafe connect(server, $0, $1) })
    for _ in 0..<1000 where connected != 0 && errno == ECONNREFUSED {
        usleep(1000)
        connected = withAddress(path, { unsafe connect(server, $0, $1) })
    }
    guard connected == 0 else {
        throw BusStatus(.unavailable, "cannot connect to \(path)")
    }
    var buffer = [UInt8](repeating: 7, count: pingBytes)
    let count = 10_000
    var start = MonotonicClock.now
    for turn in 0..<count + 2000 {
        if turn == 2000 { start = MonotonicClock.now }
        _ = unsafe write(server, buffer, pingBytes)
        _ = unsafe read(server, &buffer, pingBytes)
    }
    return (MonotonicClock.now - start).inSeconds * 1e6 / Double(count)
}

private func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8.prefix(107)) }
    return unsafe withUnsafePointer(to: address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}
