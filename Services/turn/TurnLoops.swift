import Addresses
import Bus
import PacketIO
import ServiceKit
import TURNServer
import Time

/// The workers of a server, each on its own thread with its own socket on every address.
final class TurnLoops: Sendable {
    /// Where a server listens, and from where it relays.
    struct Places: Sendable {
        /// UDP.
        var udp: [Endpoint]
        /// TCP first, then TLS; each takes both where there is a certificate.
        var streams: [(endpoint: Endpoint, isTLS: Bool)]
        var tls: TLSContext?
        var limits: StreamLimits
    }

    private struct Lane: Sendable {
        let executor: LoopExecutor
        let worker: TurnWorker
        let sockets: [UDPSocket]
        let listeners: [StreamListener]
    }

    private let lanes: [Lane]
    private let limits: StreamLimits
    /// Where UDP is served, with the real ports.
    let udp: [Endpoint]
    /// Where TCP is served, with the real ports.
    let tcp: [Endpoint]
    /// Where TLS is served, with the real ports; empty without a certificate.
    let tls: [Endpoint]
    /// What the workers tell for log lines.
    let events: AsyncStream<TURNEvent>

    /// Binds all sockets and starts the threads. Throws where an address cannot be bound.
    init(
        _ places: Places, workers: Int, pace: Interval, pool: RelayPool, configuration: TURNServerConfiguration,
        quota: any FleetQuota
    ) throws(PacketIOError) {
        // Sockets that share a port would also share it with another server without a word, so it is tried alone first.
        var udp: [Endpoint] = []
        for endpoint in places.udp { udp.append(try UDPSocket(binding: endpoint).endpoint) }
        var streams: [(endpoint: Endpoint, isTLS: Bool)] = []
        for (endpoint, isTLS) in places.streams {
            streams.append((try StreamListener(binding: endpoint).endpoint, isTLS))
        }
        self.udp = udp
        tcp = streams.filter { !$0.isTLS }.map(\.endpoint)
        tls = streams.filter { $0.isTLS && places.tls != nil }.map(\.endpoint)

        let (events, continuation) = AsyncStream.makeStream(
            of: TURNEvent.self, bufferingPolicy: .bufferingNewest(4_096))
        self.events = events
        let shared = SharedLimits()
        var options = UDPSocketOptions()
        options.sharesPort = workers > 1
        options.mergesDatagrams = true
        var lanes: [Lane] = []
        for number in 0..<workers {
            let executor = try LoopExecutor(name: "turn-\(number)", pace: pace)
            let now = PacketIO.MonotonicClock.now
            var random = SystemRandomNumberGenerator()
            let server = TURNServer(
                configuration, worker: number, limits: shared, now: now, wallTime: .now, using: &random)
            var sockets: [UDPSocket] = []
            for endpoint in udp { sockets.append(try UDPSocket(binding: endpoint, options: options)) }
            var listeners: [StreamListener] = []
            for stream in streams {
                listeners.append(
                    try StreamListener(binding: stream.endpoint, sharesPort: workers > 1, tls: places.tls))
            }
            let lane = TurnLane(server: server, pool: pool, listen: sockets.map(\.endpoint))
            let worker = TurnWorker(on: executor, lane: lane, quota: quota, events: continuation, now: now)
            lanes.append(Lane(executor: executor, worker: worker, sockets: sockets, listeners: listeners))
        }
        self.lanes = lanes
        limits = places.limits
    }

    /// The machines' numbers.
    var counters: [TURNCounters] { lanes.map(\.worker.counters) }

    /// Allocations now, over all workers.
    var allocationCount: Int { lanes.reduce(0) { $0 + $1.worker.allocationCount } }

    /// What the loops did.
    var statistics: [LoopStatistics] { lanes.map(\.executor.statistics) }

    /// Has every worker take the settings, each as they are when it comes to it: whoever changes them twice, or two at once,
    /// leave the last ones.
    func update(_ settings: TurnSettings) async {
        for lane in lanes { await lane.worker.update(settings) }
    }

    /// Ends every allocation, and tells of each.
    func endAll() async {
        for lane in lanes { while await lane.worker.endSome() {} }
    }

    /// Gives every worker the registry's exact list.
    func update(allowedPeers: [PeerRange]) async {
        for lane in lanes { await lane.worker.update(allowedPeers: allowedPeers) }
    }

    /// Serves until cancelled.
    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in lanes {
                group.addTask { [limits] in
                    try await lane.executor.run(
                        lane.worker, sockets: lane.sockets, listeners: lane.listeners, limits: limits)
                }
            }
            try await group.waitForAll()
        }
    }
}
