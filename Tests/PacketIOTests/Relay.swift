import Addresses
import Bytes
import PacketIO
import Time

/// A relay in the least code: one socket for all clients, a socket for each flow towards its peer, four bytes of header taken
/// off towards the peer and put on towards the client. It speaks as `Tests/Bench/turn/relay.c` does.
///
/// A client makes a flow by the datagram "FLOW", its channel and its peer's port; the answer is "FLOW" and the relay's port.
actor Relay: PacketWorker {
    struct Flow {
        var socket: SocketID
        var client: Endpoint
        var peer: Endpoint
        var header: UInt32
    }

    nonisolated let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
    private let address: IPAddress
    private let options: UDPSocketOptions
    private var flows: [Flow] = []
    /// Of the client's port, and of the relay's socket: the flow, or -1.
    private var flowOfPort = [Int32](repeating: -1, count: 65_536)
    private var flowOfSocket: [Int32] = []
    private var reports: [DatagramError] = []
    /// A copy that the loop never touches: ThreadSanitizer does not see the counts by which arrays share.
    var errors: [DatagramError] { reports.map { $0 } }
    private(set) var merged = 0

    init(on executor: LoopExecutor, address: IPAddress, options: UDPSocketOptions = .relay) {
        self.executor = executor
        self.address = address
        self.options = options
    }

    func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
        if batch.socket.index == 0 {
            for index in 0..<batch.count { fromClient(batch, index, &out) }
        } else if batch.socket.index < flowOfSocket.count, flowOfSocket[batch.socket.index] >= 0 {
            let flow = flows[Int(flowOfSocket[batch.socket.index])]
            for index in 0..<batch.count { fromPeer(batch, index, flow, &out) }
        }
    }

    private func fromClient(_ batch: borrowing ReceiveBatch, _ index: Int, _ out: inout LoopIO) {
        let remote = batch.remote(index)
        let count = batch.segmentCount(index)
        if count == 1, isRequest(batch.bytes(index)) { return makeFlow(remote, batch.bytes(index), &out) }
        guard flowOfPort[Int(remote.port)] >= 0 else { return }
        if count > 1 { merged += count }
        let flow = flows[Int(flowOfPort[Int(remote.port)])]
        for number in 0..<count {
            let segment = batch.segment(index, number)
            if segment.byteCount <= 4 { continue }
            out.forward(segment.extracting(4..<segment.byteCount), socket: flow.socket, from: nil, to: flow.peer)
        }
    }

    private func fromPeer(_ batch: borrowing ReceiveBatch, _ index: Int, _ flow: Flow, _ out: inout LoopIO) {
        let count = batch.segmentCount(index)
        if count > 1 { merged += count }
        for number in 0..<count {
            let segment = batch.segment(index, number)
            let header = flow.header | UInt32(truncatingIfNeeded: segment.byteCount)
            out.forward(segment, header: header, socket: SocketID(0), from: nil, to: flow.client)
        }
    }

    private func isRequest(_ bytes: RawSpan) -> Bool {
        bytes.byteCount == 8 && bytes.uint32(at: 0) == 0x464c_4f57
    }

    private func makeFlow(_ client: Endpoint, _ request: RawSpan, _ out: inout LoopIO) {
        let old = flowOfPort[Int(client.port)]
        if old >= 0 { out.close(flows[Int(old)].socket) }
        do {
            let socket = try UDPSocket(binding: Endpoint(address: address, port: 0), options: options)
            let id = try out.open(socket)
            let peer = Endpoint(address: address, port: request.uint16(at: 6))
            let flow = Flow(
                socket: id, client: client, peer: peer, header: UInt32(request.uint16(at: 4)) << 16)
            flowOfPort[Int(client.port)] = Int32(flows.count)
            while flowOfSocket.count <= id.index { flowOfSocket.append(-1) }
            flowOfSocket[id.index] = Int32(flows.count)
            flows.append(flow)
            try out.append(socket: SocketID(0), from: nil, to: client) { (output) throws(BytesError) in
                try output.write("FLOW")
                try output.write(socket.endpoint.port)
            }
        } catch {
            preconditionFailure("the relay has no socket: \(error)")
        }
    }

    func receive(error: DatagramError, payload: RawSpan, out: inout LoopIO, now: Instant) { reports.append(error) }

    func timeout(out: inout LoopIO, now: Instant) {}

    var nextDeadline: Instant? { nil }
}
