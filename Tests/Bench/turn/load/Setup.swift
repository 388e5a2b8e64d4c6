import Addresses
import Bytes
import CTurnLoad
import Glibc
import STUN
import TURN
import Time

/// How a client reaches its server.
enum Way: String {
    case udp
    case tcp
    case tls
}

/// A client of the server under load: a `TURNClient` with a socket of its own, driven step by step.
/// One thread uses it at a time, and its stream's pointer lives as long as the process.
@safe final class LoadClient: @unchecked Sendable {
    private var client: TURNClient
    private var random = SystemRandomNumberGenerator()
    private let socket: Int32
    private let stream: UnsafeMutableRawPointer?
    private var kept: [UInt8] = []

    init(port: UInt16, over: Way, credentials: TURNCredentials) throws(LoadError) {
        var settings = TURNClientSettings(over == .udp ? .udp : .stream, credentials: credentials)
        // The longest that servers give: no refresh comes into the measurement.
        settings.lifetime = .seconds(3600)
        client = TURNClient(settings)
        if over != .udp {
            var fd: Int32 = -1
            unsafe stream = turn_load_stream(port, over == .tls, &fd)
            socket = fd
            guard unsafe stream != nil else { throw .failed("no \(over) with port \(port)") }
        } else {
            unsafe stream = nil
            socket = turn_load_udp(clientAddress)
            guard socket >= 0, turn_load_connect(socket, port) == 0 else { throw .system("socket", errno) }
        }
    }

    private var now: Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// The relay address.
    func allocate() throws(LoadError) -> Endpoint {
        do throws(TURNClientError) { try client.allocate() } catch { throw .failed("allocate: \(error)") }
        guard case .allocated(let allocation) = try event() else { throw .failed("no allocation") }
        return allocation.relayed[0]
    }

    /// The channel that stands for a peer.
    func bind(_ peer: Endpoint) throws(LoadError) -> ChannelNumber {
        do throws(TURNClientError) { _ = try client.bind(peer) } catch { throw .failed("bind: \(error)") }
        guard case .bound(let channel, _) = try event() else { throw .failed("no channel") }
        return channel
    }

    func release() throws(LoadError) {
        do throws(TURNClientError) { try client.release() } catch { throw .failed("release: \(error)") }
        guard case .released = try event() else { throw .failed("not released") }
    }

    /// The flow through this client's channel.
    func flow(_ channel: ChannelNumber, peer: Int32) -> turn_flow {
        unsafe turn_flow(
            client: socket, peer: peer, channel: channel.rawValue, stream: stream, kept: nil, kept_count: 0)
    }

    /// What the server answers; drops whatever else comes.
    private func event() throws(LoadError) -> TURNClientEvent {
        while true {
            try send()
            guard let due = client.nextDeadline else { throw .failed("the client waits for nothing") }
            let patience = max(0, (due - now).milliseconds + 1)
            // A stream may hold the answer already.
            if turn_load_wait(socket, Int32(clamping: patience)) == 0 {
                if let event = client.timeout(now: now) { throw .failed("\(event)") }
                continue
            }
            if let event = try receive() {
                switch event {
                case .allocated, .bound, .released: return event
                case .notAllocated, .notBound, .lost, .notPermitted: throw .failed("\(event)")
                case .data, .permitted, .unreachable: continue
                }
            }
        }
    }

    private func send() throws(LoadError) {
        while true {
            let time = now
            let request: [UInt8]
            do throws(STUNError) {
                request = try [UInt8](capacity: TURNClient.longestRequest) { (output) throws(STUNError) in
                    _ = try client.nextRequest(now: time, using: &random, to: &output)
                }
            } catch {
                throw .failed("request: \(error)")
            }
            guard !request.isEmpty else { return }
            let sent = unsafe request.withUnsafeBytes { bytes in
                unsafe stream != nil
                    ? turn_load_stream_write(stream, bytes.baseAddress, bytes.count)
                    : Glibc.send(socket, bytes.baseAddress, bytes.count, 0)
            }
            guard sent == request.count else { throw .system("send", errno) }
        }
    }

    private func receive() throws(LoadError) -> TURNClientEvent? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe stream != nil
                ? turn_load_stream_read(stream, buffer.baseAddress, buffer.count)
                : recv(socket, buffer.baseAddress, buffer.count, 0)
        }
        guard count > 0 else { throw .system("receive", errno) }
        bytes.removeLast(bytes.count - count)
        if unsafe stream == nil { return try? client.receive(bytes.span.raw, now: now) }
        kept += bytes
        var event: TURNClientEvent?
        while let length = try? StreamFraming.next(in: kept.span.raw).consumed {
            let message = Array(kept.prefix(length))
            kept.removeFirst(length)
            if let next = try? client.receive(message.span.raw, now: now) { event = next }
        }
        return event
    }
}

/// Where clients and servers are.
let clientAddress: UInt32 = 0x7f00_0001
/// Peers have another address, as peers do: for one at a relay's own address a server looks up each time who that is.
let peerAddress: UInt32 = 0x7f00_0002

/// A peer's socket, and where it is.
struct Peer {
    let socket: Int32
    let endpoint: Endpoint

    init() throws(LoadError) {
        socket = turn_load_udp(peerAddress)
        guard socket >= 0 else { throw .system("socket", errno) }
        endpoint = Endpoint(address: IPAddress(v4: peerAddress), port: turn_load_port(socket))
    }

    func connect(to relay: Endpoint) throws(LoadError) {
        guard turn_load_connect(socket, relay.port) == 0 else { throw .system("connect", errno) }
    }
}

/// A flow through the bare relay, by its "FLOW" datagram.
func bareFlow(port: UInt16, position: Int) throws(LoadError) -> turn_flow {
    let peer = try Peer()
    let client = turn_load_udp(clientAddress)
    guard client >= 0, turn_load_connect(client, port) == 0 else { throw .system("socket", errno) }
    let channel = ChannelNumber(position: position).rawValue
    var request = Array("FLOW".utf8)
    for number in [channel, peer.endpoint.port] { request += [UInt8(number >> 8), UInt8(number & 255)] }
    guard unsafe Glibc.send(client, request, request.count, 0) == request.count,
        turn_load_wait(client, 2000) == 1
    else { throw .failed("the bare relay does not answer at port \(port)") }
    var answer = [UInt8](repeating: 0, count: 16)
    guard unsafe recv(client, &answer, answer.count, 0) == 6 else { throw .system("receive", errno) }
    guard turn_load_connect(peer.socket, UInt16(answer[4]) << 8 | UInt16(answer[5])) == 0 else {
        throw .system("connect", errno)
    }
    return unsafe turn_flow(client: client, peer: peer.socket, channel: channel, stream: nil, kept: nil, kept_count: 0)
}
