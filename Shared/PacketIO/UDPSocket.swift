public import Addresses
internal import CPacketIO

/// A bound, non-blocking UDP socket. It is bound before its loop starts, so that a taken port is an error at start-up.
///
/// On a wildcard address it knows for each datagram which of the host's addresses it came to, so that the answer can leave
/// from there: a client drops answers from elsewhere. IPv6 sockets never take IPv4.
public final class UDPSocket: Sendable {
    /// Where it is bound, with the real port.
    public let endpoint: Endpoint
    let descriptor: Int32

    /// Binds to `endpoint`; port 0 takes a free one.
    ///
    /// `bufferBytes` asks for the kernel's buffers in each direction; 4 MiB hold 20 ms of 1,200-byte packets at
    /// 1.6 Gbit/s, and the kernel caps it at `net.core.rmem_max`. `sharesPort` lets several loops bind one port.
    public init(binding endpoint: Endpoint, bufferBytes: Int32 = 4 << 20, sharesPort: Bool = false)
        throws(PacketIOError)
    {
        var address = pio_address(endpoint)
        var options = pio_socket_options(
            receive_buffer: bufferBytes, send_buffer: bufferBytes, reuse_port: sharesPort ? 1 : 0)
        let result = unsafe pio_udp_bind(&address, &options)
        guard result >= 0 else { throw .cannotBind(endpoint, code: -result) }
        descriptor = result
        self.endpoint = Endpoint(address)
    }

    deinit { pio_close(descriptor) }
}

/// The addresses of this host that are up, loopback left out.
public func hostAddresses() -> [IPAddress] {
    // More than a host has interfaces; what does not fit is not announced.
    var addresses = [pio_address](repeating: pio_address(), count: 64)
    let count = unsafe pio_host_addresses(&addresses, 64)
    return addresses.prefix(Int(count)).map { Endpoint($0).address }
}

extension pio_address {
    @inline(__always)
    init(_ endpoint: Endpoint) {
        self.init(endpoint.address, port: endpoint.port)
    }

    @inline(__always)
    init(_ address: IPAddress, port: UInt16) {
        self.init(
            high: address.high, low: address.low, zone: address.zone, port: port, family: address.family.rawValue)
    }
}

extension Endpoint {
    @inline(__always)
    init(_ address: pio_address) {
        self.init(address: IPAddress(address), port: address.port)
    }
}

extension IPAddress {
    @inline(__always)
    init(_ address: pio_address) {
        if address.family == 4 {
            self.init(v4: UInt32(truncatingIfNeeded: address.low))
        } else {
            self.init(v6High: address.high, low: address.low, zone: address.zone)
        }
    }
}
