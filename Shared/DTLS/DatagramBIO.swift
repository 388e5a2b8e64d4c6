internal import COpenSSL

/// What stands between OpenSSL and the network: one datagram that came, and those that are to leave. OpenSSL's own memory BIO would
/// run datagrams together.
@safe final class DatagramExchange {
    /// What came and is not read yet. Set only while OpenSSL is called.
    var incoming: UnsafeRawBufferPointer?
    /// Datagrams to be sent, one behind the other, and their lengths.
    private var outgoing: [UInt8] = []
    private var lengths: [Int] = []
    private var sent = 0
    private var sentBytes = 0

    /// More than any flight: certificate chains of honest peers have a few kilobytes. The rest is lost, as datagrams may be.
    static let longestQueue = 64

    /// OpenSSL wants to read a datagram.
    func read(_ destination: UnsafeMutablePointer<CChar>, _ room: Int) -> Int? {
        guard let datagram = unsafe incoming else { return nil }
        unsafe incoming = nil
        // What does not fit is lost, as with a socket. OpenSSL has room for the longest record.
        let count = min(room, datagram.count)
        unsafe UnsafeMutableRawBufferPointer(start: destination, count: count)
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: datagram[..<count]))
        return count
    }

    /// OpenSSL sends a datagram.
    func write(_ source: UnsafePointer<CChar>, _ count: Int) {
        guard lengths.count - sent < DatagramExchange.longestQueue else { return }
        unsafe outgoing.append(contentsOf: UnsafeRawBufferPointer(start: source, count: count))
        lengths.append(count)
    }

    /// The next datagram to be sent.
    func withNext<Result>(_ body: (RawSpan) -> Result) -> Result? {
        guard sent < lengths.count else { return nil }
        let result = unsafe outgoing.withUnsafeBytes {
            unsafe body(UnsafeRawBufferPointer(rebasing: $0[sentBytes..<(sentBytes + lengths[sent])]).bytes)
        }
        sentBytes += lengths[sent]
        sent += 1
        if sent == lengths.count {
            // Gives the memory back: after the handshake there is hardly anything more.
            outgoing = []
            lengths = []
            (sent, sentBytes) = (0, 0)
        }
        return result
    }
}

/// The kind of BIO that leads to a `DatagramExchange`.
enum DatagramBIO {
    /// A BIO of an exchange, which must outlive it. Nil if there is no memory.
    static func make(_ exchange: DatagramExchange) -> OpaquePointer? {
        guard let method = unsafe method, let bio = unsafe BIO_new(method) else { return nil }
        unsafe BIO_set_data(bio, Unmanaged.passUnretained(exchange).toOpaque())
        unsafe BIO_set_init(bio, 1)
        return unsafe bio
    }

    // Proof: made once, never changed.
    nonisolated(unsafe) private static let method: OpaquePointer? = {
        let sourceOrSink: Int32 = 0x0400
        guard let method = unsafe BIO_meth_new(BIO_get_new_index() | sourceOrSink, "datagrams") else { return nil }
        unsafe BIO_meth_set_read(method) { bio, destination, room in
            let retry: Int32 = 0x01 | 0x08
            unsafe BIO_clear_flags(bio, retry)
            guard let destination = unsafe destination, room > 0,
                let count = unsafe DatagramBIO.exchange(bio)?.read(destination, Int(room))
            else {
                unsafe BIO_set_flags(bio, retry)
                return -1
            }
            return Int32(count)
        }
        unsafe BIO_meth_set_write(method) { bio, source, count in
            guard let source = unsafe source, count > 0 else { return 0 }
            unsafe DatagramBIO.exchange(bio)?.write(source, Int(count))
            return count
        }
        unsafe BIO_meth_set_ctrl(method) { _, command, number, _ in
            switch command {
            case BIO_CTRL_FLUSH: 1
            case BIO_CTRL_DGRAM_SET_MTU: number
            case BIO_CTRL_DGRAM_QUERY_MTU, BIO_CTRL_DGRAM_GET_MTU, BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
                DTLSConnection.longestDatagram
            default: 0
            }
        }
        return unsafe method
    }()

    private static func exchange(_ bio: OpaquePointer?) -> DatagramExchange? {
        guard let data = unsafe BIO_get_data(bio) else { return nil }
        return unsafe Unmanaged<DatagramExchange>.fromOpaque(data).takeUnretainedValue()
    }
}
