package import Addresses
internal import CPacketIO
internal import Time

/// What a worker sends, without a loop and without a network: datagrams wait until they are taken. For tests in virtual time.
@safe package struct HeldOutput: ~Copyable {
    /// For the worker's calls.
    package var io: LoopIO
    /// A socket to send out of.
    package let socket: SocketID

    /// Behind the queue, so that it is let go of last.
    private let received: ReceiveBatch
    private let core: LoopCore

    /// Throws where no socket can be bound on the loopback, or no descriptor is left.
    package init() throws(PacketIOError) {
        let core = try LoopCore(pace: .zero)
        let received = ReceiveBatch()
        var io = unsafe LoopIO(epoll: core.epoll, slab: UnsafeRawPointer(received.slab), limits: StreamLimits())
        let bound = try UDPSocket(binding: Endpoint(address: IPAddress(v4: 0x7f00_0001), port: 0))
        socket = try io.open(bound)
        self.core = core
        self.received = received
        self.io = io
    }

    /// Datagrams that left for the network all the same, because more waited than a turn of a loop holds.
    package var missedCount: UInt64 { io.sender.tally.packets + io.sender.tally.refused + io.sender.tally.bufferFull }

    /// Takes what waits: those of one flow in their order. The bytes may be changed, and last until `body` returns.
    package mutating func take(_ body: (Endpoint, UnsafeMutableRawBufferPointer) -> Void) {
        for touched in 0..<io.queue.touchedCount {
            let index = unsafe Int(io.queue.touched[touched])
            var flow = unsafe io.sockets.slots[index].firstFlow
            unsafe io.sockets.slots[index].firstFlow = -1
            unsafe io.sockets.slots[index].lastFlow = -1
            while flow >= 0 {
                let remote = unsafe Endpoint(io.queue.flows[Int(flow)].remote)
                var next = unsafe io.queue.flows[Int(flow)].first
                while next >= 0 {
                    let entry = unsafe io.queue.entries[Int(next)]
                    precondition(entry.headerLength == 0 && entry.padding == 0, "only what was written is held")
                    let start = unsafe UnsafeMutableRawPointer(mutating: entry.payload)
                    unsafe body(remote, UnsafeMutableRawBufferPointer(start: start, count: Int(entry.length)))
                    next = entry.next
                }
                flow = unsafe io.queue.flows[Int(flow)].next
            }
        }
        io.queue.clear()
    }
}
