import Addresses
import Bytes
import PacketIO
import TURN
import TURNServer
import Time

/// One worker's machine and what it holds of the world: relay sockets, streams, and questions that are out.
///
/// A struct that the worker's actor owns: entered once a batch, so that nothing is checked, counted or retained for a packet.
@safe
struct TurnLane: ~Copyable {
    /// What the machine asked that takes an `await` to answer.
    struct Question: Sendable {
        let ticket: TURNTicket
        let user: String
    }

    var server: TURNServer
    private let pool: RelayPool
    /// Where the UDP sockets given to the loop are bound; sockets from this count on are relays.
    private let listen: [Endpoint]
    /// The flow of each stream, by its index.
    private var streams: [Flow?] = []
    /// Where each relay socket is bound, by the socket's index.
    private var relays: [Endpoint?] = []
    /// Questions that nobody took up yet.
    private(set) var questions: [Question] = []
    /// Users whose allocations ended, for the fleet's quota.
    private(set) var released: [String] = []
    /// What the machine writes before it is known where it goes.
    private let scratch: UnsafeMutableRawBufferPointer

    init(server: consuming TURNServer, pool: RelayPool, listen: [Endpoint]) {
        self.server = server
        self.pool = pool
        self.listen = listen
        unsafe scratch = .allocate(byteCount: TURNServer.outputBytes, alignment: 16)
        // No byte that was somebody else's can ever leave.
        unsafe scratch.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe scratch.deallocate() }

    // MARK: Datagrams

    mutating func receive(_ batch: inout ReceiveBatch, _ out: inout LoopIO, _ now: Instant) {
        if batch.socket.index < listen.count {
            receiveFromClients(batch, out: &out, now)
        } else {
            receiveFromPeers(batch, out: &out, now)
        }
        settle(&out)
    }

    private mutating func receiveFromClients(_ batch: borrowing ReceiveBatch, out: inout LoopIO, _ now: Instant) {
        let socket = batch.socket.index
        let bound = listen[socket]
        for index in 0..<batch.count {
            guard !batch.isTruncated(index) else {
                self.server.dropTruncated()
                continue
            }
            let server = Endpoint(address: batch.local(index) ?? bound.address, port: bound.port)
            let flow = Flow(transport: .udp, id: socket, client: batch.remote(index), server: server)
            for segment in 0..<batch.segmentCount(index) {
                let bytes = batch.segment(index, segment)
                perform(receive(bytes, from: flow, now), bytes, &out, now)
            }
        }
    }

    private mutating func receiveFromPeers(_ batch: borrowing ReceiveBatch, out: inout LoopIO, _ now: Instant) {
        let relay = RelayID(batch.socket.index)
        for index in 0..<batch.count {
            guard !batch.isTruncated(index) else {
                server.dropTruncated()
                continue
            }
            let peer = batch.remote(index)
            for segment in 0..<batch.segmentCount(index) {
                let bytes = batch.segment(index, segment)
                let (action, length) = write { server, output in
                    server.receive(bytes, relay: relay, peer: peer, now: now, output: &output)
                }
                perform((action, length), bytes, &out, now)
            }
        }
    }

    mutating func receive(error: DatagramError, _ out: inout LoopIO, _ now: Instant) {
        guard error.socket.index >= listen.count else { return }
        let icmp = ICMPError(type: error.type, code: error.code, data: error.data)
        let result = write { server, output in
            server.receive(
                icmp: icmp, relay: RelayID(error.socket.index), peer: error.remote, now: now, output: &output)
        }
        perform(result, RawSpan(), &out, now)
        settle(&out)
    }

    // MARK: Streams

    mutating func opened(_ stream: StreamID, _ opening: StreamOpening) {
        while streams.count <= stream.index { streams.append(nil) }
        streams[stream.index] = Flow(
            transport: opening.isTLS ? .tls : .tcp, id: stream.index, client: opening.remote, server: opening.local)
    }

    /// Returns how many bytes are done with.
    mutating func receive(_ stream: StreamID, _ bytes: RawSpan, _ out: inout LoopIO, _ now: Instant) -> Int {
        guard streams.indices.contains(stream.index), let flow = streams[stream.index] else { return bytes.byteCount }
        var offset = 0
        while offset < bytes.byteCount {
            let rest = bytes.extracting(offset..<bytes.byteCount)
            let frame: StreamFrame
            do throws(TURNError) {
                frame = try StreamFraming.next(in: rest, limit: TurnLane.streamMessageLimit)
            } catch {
                // The frames are lost for good.
                out.close(stream: stream)
                closed(stream, &out, now)
                return bytes.byteCount
            }
            guard let consumed = frame.consumed else { break }
            let message =
                switch frame {
                case .stun(let count), .channelData(let count, _): rest.extracting(0..<count)
                case .incomplete: rest
                }
            perform(receive(message, from: flow, now), message, &out, now)
            offset += consumed
        }
        settle(&out)
        return offset
    }

    mutating func closed(_ stream: StreamID, _ out: inout LoopIO, _ now: Instant) {
        guard streams.indices.contains(stream.index), let flow = streams[stream.index] else { return }
        streams[stream.index] = nil
        server.streamClosed(flow, now: now)
        settle(&out)
    }

    /// ChannelData of the longest datagram that IP carries, and its header.
    static let streamMessageLimit = 65_536 + 4

    // MARK: Time and answers from elsewhere

    mutating func timeout(_ out: inout LoopIO, _ now: Instant) {
        while let action = server.timeout(now: now) { perform((action, 0), RawSpan(), &out, now) }
        settle(&out)
    }

    /// Closes reserved ports that nobody came for.
    func expireReservations(_ now: Instant) { pool.expire(now: now) }

    mutating func answered(_ question: Question, granted: Bool, _ out: inout LoopIO, _ now: Instant) {
        let result = write { server, output in
            server.quotaAnswered(
                question.ticket, user: question.user, granted: granted, now: now, output: &output)
        }
        perform(result, RawSpan(), &out, now)
        settle(&out)
    }

    // The next two change nothing, and say that they might: to look into a lane from its worker, as one does for what cannot
    // change, takes an allocation each time (the compiler makes a coroutine of it).

    /// When `timeout` is due.
    mutating func deadline() -> Instant { server.nextDeadline ?? .distantFuture }

    /// Whether there are questions, or users whose allocations ended.
    mutating func wantsMore() -> Bool { !questions.isEmpty || !released.isEmpty }

    mutating func takeQuestions() -> [Question] { exchange(&questions, with: []) }
    mutating func takeReleased() -> [String] { exchange(&released, with: []) }

    // MARK: What the machine wants

    private mutating func receive(_ bytes: RawSpan, from flow: Flow, _ now: Instant) -> (TURNAction, Int) {
        write { server, output in server.receive(bytes, from: flow, now: now, output: &output) }
    }

    /// Lets the machine write to the scratch. Returns what it wants, and how much it wrote.
    @inline(__always)
    private mutating func write(
        _ body: (inout TURNServer, inout OutputRawSpan) -> TURNAction
    ) -> (TURNAction, Int) {
        var output = unsafe OutputRawSpan(buffer: scratch, initializedCount: 0)
        let action = body(&server, &output)
        let length = unsafe output.finalize(for: scratch)
        return (action, length)
    }

    @inline(__always)
    private mutating func perform(
        _ result: (TURNAction, Int), _ bytes: RawSpan, _ out: inout LoopIO, _ now: Instant
    ) {
        switch result.0 {
        case .drop:
            break
        case .toPeer(let peer):
            out.forward(
                bytes.extracting(peer.payload), socket: SocketID(peer.relay.index), from: nil, to: peer.peer,
                dontFragment: peer.dontFragment)
        case .toClient(let client):
            send(client, bytes.extracting(client.payload), result.1, &out)
        case .reply(let flow):
            reply(flow, result.1, &out)
        case .bind(let request):
            let grant = bind(request, &out, now)
            perform(
                write { server, output in server.bound(request.ticket, grant, now: now, output: &output) }, bytes, &out,
                now)
        case .ask(let ticket):
            guard let user = server.user(of: ticket) else { break }
            questions.append(Question(ticket: ticket, user: user))
        }
    }

    @inline(__always)
    private func send(_ client: TURNAction.ToClient, _ payload: RawSpan, _ written: Int, _ out: inout LoopIO) {
        let flow = client.flow
        switch (client.header, flow.isStream) {
        case (.channelData(let header), false):
            out.forward(
                payload, header: header, socket: SocketID(flow.id), from: flow.server.address, to: flow.client,
                padding: Int(client.padding))
        case (.channelData(let header), true):
            // A full send buffer drops it, as a full link would; the loop counts it (`droppedBacklog`).
            _ = out.forward(payload, header: header, stream: StreamID(flow.id), padding: Int(client.padding))
        case (.written, false):
            out.forward(
                payload, socket: SocketID(flow.id), from: flow.server.address, to: flow.client,
                padding: Int(client.padding)
            ) { output in put(written, to: &output) }
        case (.written, true):
            _ = out.forward(payload, stream: StreamID(flow.id), padding: Int(client.padding)) { output in
                put(written, to: &output)
            }
        }
    }

    private mutating func reply(_ flow: Flow, _ length: Int, _ out: inout LoopIO) {
        if flow.isStream {
            let stream = StreamID(flow.id)
            _ = out.write(stream: stream) { output in put(length, to: &output) }
            // An allocation begins and ends with an answer. Of one that just expired the client does not know either.
            out.vouch(for: stream, server.isServing(flow))
        } else {
            out.append(socket: SocketID(flow.id), from: flow.server.address, to: flow.client) { output in
                put(length, to: &output)
            }
        }
    }

    /// Copies what the machine wrote.
    private func put(_ length: Int, to output: inout OutputRawSpan) {
        for offset in 0..<length { unsafe output.append(scratch[offset]) }
    }

    // MARK: Relays

    private mutating func bind(_ request: RelayRequest, _ out: inout LoopIO, _ now: Instant) -> RelayGrant {
        var grant = RelayGrant()
        let user = server.user(of: request.ticket) ?? ""
        if case .kept(let token) = request.port {
            guard let socket = try? pool.claim(token, user: user, now: now), let bound = take(socket, &out) else {
                return grant
            }
            if socket.endpoint.address.family == .v4 { grant.v4 = bound } else { grant.v6 = bound }
            return grant
        }
        let wish: RelayPool.Wish =
            switch request.port {
            case .any, .kept: .any
            case .even: .even
            case .evenAndNext(let token): .evenHoldingNext(token: token, user: user)
            }
        if request.families.contains(.v4) { grant.v4 = open(.v4, wish, &out, now) }
        if request.families.contains(.v6) { grant.v6 = open(.v6, wish, &out, now) }
        return grant
    }

    private mutating func open(
        _ family: IPAddress.Family, _ wish: RelayPool.Wish, _ out: inout LoopIO, _ now: Instant
    ) -> BoundRelay? {
        guard let socket = try? pool.open(family, wish, now: now) else { return nil }
        return take(socket, &out)
    }

    /// Gives a socket to the loop, or its port back.
    private mutating func take(_ socket: UDPSocket, _ out: inout LoopIO) -> BoundRelay? {
        guard let id = try? out.open(socket) else {
            pool.release(socket.endpoint)
            return nil
        }
        while relays.count <= id.index { relays.append(nil) }
        relays[id.index] = socket.endpoint
        return BoundRelay(id: RelayID(id.index), local: socket.endpoint)
    }

    /// Gives back what the machine let go of.
    @inline(__always)
    private mutating func settle(_ out: inout LoopIO) {
        while let release = server.nextRelease() { settle(release, &out) }
    }

    private mutating func settle(_ release: TURNRelease, _ out: inout LoopIO) {
        switch release {
        case .closeRelay(let relay):
            out.close(SocketID(relay.index))
            guard relays.indices.contains(relay.index), let endpoint = relays[relay.index] else { return }
            relays[relay.index] = nil
            pool.release(endpoint)
        case .quotaReleased(let user):
            released.append(user)
        }
    }
}
