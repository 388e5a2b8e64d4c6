public import Addresses
internal import CPacketIO

/// A bound, listening TCP socket; its connections are a loop's streams.
public final class StreamListener: Sendable {
    /// Where it is bound, with the real port.
    public let endpoint: Endpoint
    /// Who does TLS for connections that begin with it; others are plain.
    public let tls: TLSContext?
    let descriptor: Int32

    /// Connections that the kernel holds until the loop takes them; it caps it at `net.core.somaxconn`.
    private static let backlog: Int32 = 1024

    /// Binds to `endpoint`; port 0 takes a free one.
    ///
    /// `sharesPort` lets several loops listen on one port. With `tls`, the first byte of a connection decides: one port
    /// serves TLS and plain TCP.
    public init(binding endpoint: Endpoint, sharesPort: Bool = false, tls: TLSContext? = nil) throws(PacketIOError) {
        var address = pio_address(endpoint)
        let result = unsafe pio_tcp_listen(&address, sharesPort ? 1 : 0, StreamListener.backlog)
        guard result >= 0 else { throw .cannotListen(endpoint, code: -result) }
        descriptor = result
        self.endpoint = Endpoint(address)
        self.tls = tls
    }

    deinit { pio_close(descriptor) }
}
