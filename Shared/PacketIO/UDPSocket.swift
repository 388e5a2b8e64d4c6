public import Addresses
internal import CPacketIO

/// What a UDP socket may be asked for.
public struct UDPSocketOptions: Sendable {
    /// What becomes of datagrams larger than the path's MTU.
    public enum Fragmentation: Sendable {
        /// As the host is set up: usually path MTU discovery, with fragments for datagrams beyond it.
        case system
        /// Don't Fragment is always set.
        case never
        /// Don't Fragment is never set.
        case allowed
    }

    /// The kernel's buffer in each direction; 0 leaves it to the system. 4 MiB hold 20 ms of 1,200-byte packets at
    /// 1.6 Gbit/s; the kernel caps it at `net.core.rmem_max`.
    public var bufferBytes: Int32 = 4 << 20
    /// Lets several loops bind one port.
    public var sharesPort = false
    /// Lets the kernel merge datagrams of one flow that come together (UDP_GRO): `ReceiveBatch.segmentBytes` tells them
    /// apart.
    public var mergesDatagrams = false
    /// Keeps RTCP (RFC 5761 §4) in a queue of its own that wakes no loop: it is read in each turn, with whatever began that. To be
    /// woken costs a loop several times what a packet does, and feedback can wait for the next packet, or for the worker's
    /// deadline. Where the kernel cannot sort it out (before Linux 4.5) it comes as all else does. Datagrams that it merged go by
    /// the first of them. Not with `sharesPort` or `reportsErrors`.
    public var setsRTCPAside = false
    /// Calls `PacketWorker.receive(error:…)` for ICMP errors.
    public var reportsErrors = false
    /// The Don't Fragment bit.
    public var fragmentation = Fragmentation.system

    /// The defaults above.
    public init() {}

    /// For relay sockets, of which there are thousands: a flooded one holds 256 KiB at most, not 4 MiB. Don't Fragment is set
    /// where a client asks for it, and only there (RFC 8656 §14).
    public static var relay: UDPSocketOptions {
        var options = UDPSocketOptions()
        options.bufferBytes = 256 << 10
        options.mergesDatagrams = true
        options.reportsErrors = true
        options.fragmentation = .allowed
        return options
    }
}

/// A bound, non-blocking UDP socket. It is bound before its loop gets it, so that a taken port is an error of whoever asks.
///
/// On a wildcard address it knows for each datagram which of the host's addresses it came to, so that the answer can leave
/// from there: a client drops answers from elsewhere. IPv6 sockets never take IPv4.
public final class UDPSocket: Sendable {
    /// Where it is bound, with the real port.
    public let endpoint: Endpoint
    package let descriptor: Int32
    let tells: UInt32
    let fragmentation: Int32
    let reportsErrors: Bool
    /// Where RTCP comes; -1: with all else.
    let aside: Int32

    /// Binds to `endpoint`; port 0 takes a free one.
    public init(binding endpoint: Endpoint, options: UDPSocketOptions = UDPSocketOptions()) throws(PacketIOError) {
        precondition(
            !options.setsRTCPAside || !options.sharesPort && !options.reportsErrors,
            "RTCP is set aside only on a port of the socket's own, without reports of errors")
        var address = pio_address(endpoint)
        // A socket on one address needs no word on which it was.
        let isWildcard = endpoint.address.isUnspecified
        let fragmentation =
            switch options.fragmentation {
            case .system: PIO_FRAGMENTATION_SYSTEM
            case .never: PIO_FRAGMENTATION_NEVER
            case .allowed: PIO_FRAGMENTATION_ALLOWED
            }
        var wanted = pio_socket_options(
            receive_buffer: options.bufferBytes, send_buffer: options.bufferBytes,
            reuse_port: options.sharesPort ? 1 : 0, tells_local: isWildcard ? 1 : 0,
            merges: options.mergesDatagrams ? 1 : 0, reports_errors: options.reportsErrors ? 1 : 0,
            fragmentation: Int32(fragmentation))
        let result = unsafe pio_udp_bind(&address, &wanted)
        guard result >= 0 else { throw .cannotBind(endpoint, code: -result) }
        aside = options.setsRTCPAside ? unsafe max(-1, pio_udp_aside(result, &address, &wanted)) : -1
        descriptor = result
        self.endpoint = Endpoint(address)
        tells = UInt32(isWildcard ? PIO_TELL_LOCAL : 0) | UInt32(wanted.merges != 0 ? PIO_TELL_SEGMENT : 0)
        self.fragmentation = wanted.fragmentation
        reportsErrors = options.reportsErrors
    }

    deinit {
        pio_close(descriptor)
        if aside >= 0 { pio_close(aside) }
    }
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

    @inline(__always)
    func isEqual(to other: pio_address) -> Bool {
        low == other.low && high == other.high && port == other.port && family == other.family && zone == other.zone
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
