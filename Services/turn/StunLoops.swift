public import Addresses
public import PacketIO
internal import TURNServer

/// The workers of a server, each on its own thread with its own socket on every address.
public final class StunLoops: Sendable {
    private struct Lane: Sendable {
        let executor: LoopExecutor
        let worker: StunWorker
        let sockets: [UDPSocket]
    }
    private let lanes: [Lane]

    /// Binds all sockets and starts the threads. Throws where an address cannot be bound.
    ///
    /// - Parameters:
    ///   - listen: where to answer; port 0 takes a free one.
    ///   - workers: how many threads.
    ///   - rate: requests a second that one network may make of each worker; twice as many at once.
    public init(listen: [Endpoint], workers: Int, rate: Int) throws(PacketIOError) {
        // Sockets that share a port would also share it with another server without a word, so it is tried alone first.
        var endpoints: [Endpoint] = []
        for endpoint in listen { endpoints.append(try UDPSocket(binding: endpoint).endpoint) }

        var lanes: [Lane] = []
        for number in 0..<workers {
            let executor = try LoopExecutor(name: "stun-\(number)")
            let limiter = SourceLimiter(rate: rate, burst: rate * 2, seed: .random(in: .min ... .max))
            let worker = StunWorker(on: executor, responder: StunResponder(software: "Roost", limiter: limiter))
            var sockets: [UDPSocket] = []
            var options = UDPSocketOptions()
            options.sharesPort = workers > 1
            for endpoint in endpoints {
                sockets.append(try UDPSocket(binding: endpoint, options: options))
            }
            lanes.append(Lane(executor: executor, worker: worker, sockets: sockets))
        }
        self.lanes = lanes
    }

    /// Where it answers, with the real ports.
    public var endpoints: [Endpoint] { lanes.first?.sockets.map(\.endpoint) ?? [] }

    /// What became of the datagrams, over all workers.
    public var totals: [StunCounters] { lanes.map(\.worker.totals) }

    /// What the loops did.
    public var statistics: [LoopStatistics] { lanes.map(\.executor.statistics) }

    /// Answers until cancelled.
    public func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in lanes {
                group.addTask { try await lane.executor.run(lane.worker, sockets: lane.sockets) }
            }
            try await group.waitForAll()
        }
    }
}
