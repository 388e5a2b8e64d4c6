import Addresses
import DTLS
import PacketIO
import Time

/// All members of a load, on one thread: an actor on a packet loop.
actor LoadWorker: PacketWorker {
    private nonisolated let executor: LoopExecutor
    private let dtls: DTLSContext
    private let address: IPAddress
    private var members: [UInt32: LoadMember] = [:]
    /// In the order in which they send, and by socket.
    private var order: [LoadMember] = []
    private var bySocket: [LoadMember?] = []
    private var unopened: [LoadMember] = []
    private var traffic: Traffic?
    private var window = Window()
    private var pollAt = Instant.zero

    init(on executor: LoopExecutor, at address: IPAddress) throws {
        self.executor = executor
        self.address = address
        dtls = try DTLSContext()
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    // MARK: Commands

    /// An offer of a new member, and the mids of what it will send.
    func offer(
        _ number: UInt32, audio: Bool, video: Bool, audioSlots: Int, videoSlots: Int
    ) throws -> (audio: String?, video: String?, sdp: String) {
        let member = try add(number)
        let sdp = member.makeOffer(audio: audio, video: video, audioSlots: audioSlots, videoSlots: videoSlots)
        return (member.audio, member.video, sdp)
    }

    func answer(_ number: UInt32, _ sdp: String) throws {
        guard let member = members[number] else { throw LoadMember.Failure.noSuchMember }
        try member.take(answer: sdp, now: MonotonicClock.now)
        pollAt = .zero
    }

    func bare(_ number: UInt32, port: UInt16) throws {
        try add(number).join(bare: Endpoint(address: IPAddress(v4: 0x7f00_0001), port: port))
    }

    private func add(_ number: UInt32) throws -> LoadMember {
        let member = try LoadMember(number, at: address, dtls: dtls)
        members[number] = member
        order.append(member)
        unopened.append(member)
        pollAt = .zero
        return member
    }

    func leave(_ number: UInt32) {
        members[number]?.leave()
        pollAt = .zero
    }

    /// Begins to send: members one after the other, evenly over a period. `senders`: only so many of them.
    func send(_ traffic: Traffic, senders: Int) {
        self.traffic = traffic
        let sending = order.prefix(senders)
        let begin = MonotonicClock.now + .milliseconds(5)
        for (place, member) in sending.enumerated() {
            member.frameAt = begin + traffic.period * Int64(place) / Int64(sending.count)
        }
    }

    func quiet() {
        traffic = nil
        for member in order { member.frameAt = .distantFuture }
    }

    /// What was seen since the last mark.
    func mark() -> String {
        let now = MonotonicTime.now
        defer { window = Window() }
        return window.json(now: now)
    }

    func status() -> String {
        let now = MonotonicClock.now
        let connected = order.count { $0.isConnected }
        let flows = order.reduce(0) { $0 + $1.arrivals.flows(now) }
        let ended = order.compactMap(\.ended).first ?? ""
        return
            "{\"members\": \(order.count), \"connected\": \(connected), \"flows\": \(flows), \"ended\": \"\(ended)\"}"
    }

    // MARK: The loop

    /// Now, while there is traffic: a generator that sleeps between its sends measures its own waking.
    var nextDeadline: Instant? { traffic == nil ? pollAt : .zero }

    func timeout(out: inout LoopIO, now: Instant) {
        for member in unopened {
            // A socket that the loop cannot take is a member that never connects.
            guard let socket = try? out.open(member.socket) else { continue }
            member.socketID = socket
            while bySocket.count <= socket.index { bySocket.append(nil) }
            bySocket[socket.index] = member
        }
        unopened.removeAll()
        if now >= pollAt { poll(&out, now: now) }
        guard let traffic else { return }
        for member in order where member.frameAt <= now {
            if now - member.frameAt > traffic.period / 2 { window.late += 1 }
            member.frameAt += traffic.period
            member.sendFrame(traffic, &window, &out, now: now)
            // Each frame leaves by itself, as members are not in step.
            out.flush()
        }
    }

    private func poll(_ out: inout LoopIO, now: Instant) {
        var next = now + .milliseconds(50)
        var left: [UInt32] = []
        for member in order {
            if member.goodbye(&out) {
                left.append(member.number)
            } else {
                next = min(next, member.poll(&out, now: now))
            }
        }
        for number in left { remove(number, &out) }
        // Deadlines of protocols are not so fine.
        pollAt = max(next, now + .milliseconds(1))
    }

    private func remove(_ number: UInt32, _ out: inout LoopIO) {
        guard let member = members.removeValue(forKey: number) else { return }
        order.removeAll { $0 === member }
        guard let socket = member.socketID else { return }
        bySocket[socket.index] = nil
        out.close(socket)
    }

    func receive(_ batch: inout ReceiveBatch, out: inout LoopIO, now: Instant) {
        guard bySocket.indices.contains(batch.socket.index), let member = bySocket[batch.socket.index] else { return }
        for index in 0..<batch.count where !batch.isTruncated(index) {
            let remote = batch.remote(index)
            unsafe batch.forEachSegment(index) { unsafe member.receive($0, from: remote, &window, &out, now: now) }
        }
        pollAt = member.isConnected ? pollAt : .zero
    }
}
