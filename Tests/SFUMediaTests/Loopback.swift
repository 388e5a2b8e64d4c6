import Addresses
import Glibc

/// A client's way to a node over loopback, without waiting.
protocol LoopbackWay: AnyObject {
    func send(_ bytes: RawSpan, to endpoint: Endpoint)

    /// What came, valid until the next call; nil: nothing now.
    func receive() -> (UnsafeMutableRawBufferPointer, Endpoint)?
}

/// A UDP socket on loopback, with a port of its own.
@safe
final class LoopbackSocket: LoopbackWay {
    private let descriptor: Int32
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2_048, alignment: 16)

    init(_ family: IPAddress.Family = .v4) {
        let domain = family == .v4 ? AF_INET : AF_INET6
        descriptor = socket(domain, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    }

    deinit {
        close(descriptor)
        unsafe buffer.deallocate()
    }

    func send(_ bytes: RawSpan, to endpoint: Endpoint) {
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe SocketAddress(endpoint).withPointer { address, length in
                _ = unsafe sendto(descriptor, bytes.baseAddress, bytes.count, 0, address, length)
            }
        }
    }

    func receive() -> (UnsafeMutableRawBufferPointer, Endpoint)? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe recvfrom(descriptor, buffer.baseAddress, buffer.count, 0, $0, &length)
            }
        }
        guard count > 0 else { return nil }
        return unsafe (UnsafeMutableRawBufferPointer(rebasing: buffer[0..<count]), SocketAddress.endpoint(storage))
    }
}

/// A TCP connection made at the first packet, with a length of two bytes before each (RFC 4571).
@safe
final class LoopbackStream: LoopbackWay {
    private var descriptor: Int32 = -1
    private var remote: Endpoint?
    private var received: [UInt8] = []
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

    deinit {
        if descriptor >= 0 { close(descriptor) }
        unsafe buffer.deallocate()
    }

    func send(_ bytes: RawSpan, to endpoint: Endpoint) {
        if remote == nil { connect(endpoint) }
        let framed = [UInt8(bytes.byteCount >> 8), UInt8(bytes.byteCount & 0xff)] + [UInt8](bytes)
        var sent = 0
        while sent < framed.count {
            let count = unsafe framed[sent...].withUnsafeBytes { left in
                unsafe Glibc.send(descriptor, left.baseAddress, left.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    func receive() -> (UnsafeMutableRawBufferPointer, Endpoint)? {
        guard let remote else { return nil }
        let count = unsafe recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
        if count > 0 { received += unsafe [UInt8](UnsafeRawBufferPointer(rebasing: buffer[0..<count])) }
        guard received.count >= 2 else { return nil }
        let length = Int(received[0]) << 8 | Int(received[1])
        guard received.count >= 2 + length else { return nil }
        unsafe buffer.copyBytes(from: received[2..<2 + length])
        received.removeFirst(2 + length)
        return unsafe (UnsafeMutableRawBufferPointer(rebasing: buffer[0..<length]), remote)
    }

    private func connect(_ endpoint: Endpoint) {
        remote = endpoint
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        unsafe SocketAddress(endpoint).withPointer { address, length in
            _ = unsafe Glibc.connect(descriptor, address, length)
        }
    }
}

/// An endpoint as system calls take it.
private struct SocketAddress {
    private var storage = sockaddr_storage()
    private var length: socklen_t

    init(_ endpoint: Endpoint) {
        if let bits = endpoint.address.v4Bits {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = endpoint.port.bigEndian
            address.sin_addr.s_addr = bits.bigEndian
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: address, as: sockaddr_in.self) }
        } else {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = endpoint.port.bigEndian
            unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { bytes in
                unsafe bytes.storeBytes(of: endpoint.address.high.bigEndian, as: UInt64.self)
                unsafe bytes.storeBytes(of: endpoint.address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: address, as: sockaddr_in6.self) }
        }
    }

    func withPointer(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Void) {
        unsafe withUnsafePointer(to: storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
        }
    }

    static func endpoint(_ storage: sockaddr_storage) -> Endpoint {
        unsafe withUnsafeBytes(of: storage) { bytes in
            if Int32(storage.ss_family) == AF_INET {
                let address = unsafe bytes.load(as: sockaddr_in.self)
                return Endpoint(
                    address: IPAddress(v4: UInt32(bigEndian: address.sin_addr.s_addr)),
                    port: UInt16(bigEndian: address.sin_port))
            }
            let high = unsafe UInt64(bigEndian: bytes.load(fromByteOffset: 8, as: UInt64.self))
            let low = unsafe UInt64(bigEndian: bytes.load(fromByteOffset: 16, as: UInt64.self))
            let address = unsafe bytes.load(as: sockaddr_in6.self)
            return Endpoint(
                address: IPAddress(v6High: high, low: low), port: UInt16(bigEndian: address.sin6_port))
        }
    }
}

/// Sends sound and pictures both ways for so many turns of 5 ms; returns how many packets each received.
func exchange(
    _ one: inout Participant, _ other: inout Participant, turns: Int
) async throws -> (one: Int, other: Int) {
    let before = (one.sizes.count, other.sizes.count)
    for turn in 0..<turns {
        one.turn()
        other.turn()
        if turn % 4 == 0 {
            one.send(video: false, count: 80)
            one.send(video: true, count: 900)
            other.send(video: false, count: 81)
            other.send(video: true, count: 901)
        }
        try await Task.sleep(for: .milliseconds(5))
    }
    return (one.sizes.count - before.0, other.sizes.count - before.1)
}
