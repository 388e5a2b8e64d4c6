import Addresses
import CPacketIO
import Foundation

/// A blocking IPv4 UDP client on loopback.
final class PlainSocket: Sendable {
    private let descriptor = pio_udp_client(4)
    private let timeout: Int32

    /// `timeout` in milliseconds is for one datagram.
    init(timeout: Int32 = 20_000) {
        self.timeout = timeout
        var any = pio_address()
        any.family = 4
        any.low = 0x7f00_0001
        // Sending nothing useful gives it its port.
        any.port = 9
        _ = unsafe pio_send_to(descriptor, "", 0, &any)
    }

    deinit { pio_close(descriptor) }

    var endpoint: Endpoint {
        var own = pio_address()
        _ = unsafe pio_local_address(descriptor, &own)
        return Endpoint(address: IPAddress(v4: 0x7f00_0001), port: own.port)
    }

    func send(_ bytes: [UInt8], to endpoint: Endpoint) {
        var to = pio_address(testing: endpoint)
        _ = unsafe pio_send_to(descriptor, bytes, bytes.count, &to)
    }

    /// Sends datagrams of `segment` bytes, the last may be shorter, by one call.
    func send(_ bytes: [UInt8], segment: Int, to endpoint: Endpoint) {
        var to = pio_address(testing: endpoint)
        _ = unsafe pio_send_segments_to(descriptor, bytes, bytes.count, UInt16(segment), &to)
    }

    /// The next datagram; empty if none comes for long.
    func receive() -> [UInt8] {
        var from = pio_address()
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe pio_receive_from(descriptor, &bytes, bytes.count, &from, timeout)
        return Array(bytes[..<max(0, Int(count))])
    }
}

extension pio_address {
    init(testing endpoint: Endpoint) {
        self.init(
            high: endpoint.address.high, low: endpoint.address.low, zone: 0, port: endpoint.port,
            family: endpoint.address.family.rawValue)
    }
}

/// Runs what blocks on a thread of its own: tasks have few, and the loop's callers need one.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { done in
        Thread.detachNewThread { done.resume(returning: body()) }
    }
}

/// Waits until something that another thread does has been done; gives up after 20 s.
func isReached(_ condition: @Sendable () async -> Bool) async -> Bool {
    let end = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < end {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(2))
    }
    return false
}
