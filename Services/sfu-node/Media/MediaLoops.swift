import Addresses
import DTLS
import ICE
import MediaInterface
import PacketIO
import SDP

/// The workers of a node, each on its own thread with its own ports.
final class MediaLoops: Sendable {
    private struct Lane: Sendable {
        let executor: LoopExecutor
        let sockets: [UDPSocket]
        let listeners: [StreamListener]
        let candidates: [CandidateDescription]
    }

    let workers: [MediaWorker]
    /// Of the node's certificate.
    let fingerprints: [Fingerprint]
    /// Where UDP is announced.
    let announced: [Endpoint]
    private let lanes: [Lane]

    init(_ places: MediaHost.Places, notices: MediaNotices) throws {
        let dtls = try DTLSContext()
        fingerprints = [MediaLoops.fingerprint(dtls)].compactMap { $0 }
        var lanes: [Lane] = []
        var workers: [MediaWorker] = []
        var announced: [Endpoint] = []
        var options = UDPSocketOptions()
        options.mergesDatagrams = true
        options.setsRTCPAside = true
        for number in 0..<places.workers {
            let executor = try LoopExecutor(name: "media-\(number)")
            var sockets: [UDPSocket] = []
            var listeners: [StreamListener] = []
            var candidates: [CandidateDescription] = []
            for endpoint in places.listen {
                // Each worker its own port, which its candidates name.
                let wanted =
                    endpoint.port == 0
                    ? endpoint : Endpoint(address: endpoint.address, port: endpoint.port + UInt16(number))
                let socket = try UDPSocket(binding: wanted, options: options)
                let listener = try StreamListener(binding: wanted)
                sockets.append(socket)
                listeners.append(listener)
                for (rank, address) in MediaLoops.addresses(of: endpoint.address, places.announced).enumerated() {
                    let preference = UInt16(clamping: 65_535 - rank)
                    let udp = Endpoint(address: address, port: socket.endpoint.port)
                    announced.append(udp)
                    candidates.append(MediaLoops.candidate(.udp, udp, preference))
                    let tcp = Endpoint(address: address, port: listener.endpoint.port)
                    candidates.append(MediaLoops.candidate(.tcpPassive, tcp, preference))
                }
            }
            workers.append(
                MediaWorker(on: executor, dtls: dtls, notices: notices, now: PacketIO.MonotonicClock.now))
            lanes.append(Lane(executor: executor, sockets: sockets, listeners: listeners, candidates: candidates))
        }
        self.lanes = lanes
        self.workers = workers
        self.announced = announced
    }

    func candidates(of worker: Int) -> [CandidateDescription] { lanes[worker].candidates }

    /// Serves until cancelled.
    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (lane, worker) in zip(lanes, workers) {
                group.addTask {
                    try await lane.executor.run(worker, sockets: lane.sockets, listeners: lane.listeners)
                }
            }
            try await group.waitForAll()
        }
    }

    /// What clients are told instead of a bound address: itself, or where everything is bound, what the host has.
    private static func addresses(of bound: IPAddress, _ announced: [IPAddress]) -> [IPAddress] {
        let own = announced.filter { $0.family == bound.family }
        if !own.isEmpty { return own }
        guard bound.isUnspecified else { return [bound] }
        return hostAddresses().filter { $0.family == bound.family && !$0.isLinkLocal }
    }

    private static func candidate(
        _ transport: ICECandidate.Transport, _ endpoint: Endpoint, _ preference: UInt16
    ) -> CandidateDescription {
        let candidate = ICECandidate(.host, transport, address: endpoint, localPreference: preference)
        return CandidateDescription(
            foundation: candidate.foundation, transport: transport == .udp ? .udp : .tcp, priority: candidate.priority,
            address: "\(endpoint.address)", port: endpoint.port, tcpType: transport == .udp ? nil : .passive)
    }

    private static func fingerprint(_ dtls: DTLSContext) -> Fingerprint? {
        let parts = "\(dtls.fingerprint)".split(separator: " ")
        guard parts.count == 2 else { return nil }
        return Fingerprint(
            hash: String(parts[0]), bytes: parts[1].split(separator: ":").compactMap { UInt8($0, radix: 16) })
    }
}
