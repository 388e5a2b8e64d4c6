import CongestionControl
import RTP
import Time

/// What goes to one member: the numbers of its packets, what came of them, and what that leaves room for.
struct Downlink: ~Copyable {
    private var log = TransportFeedbackLog()
    private var estimator: BandwidthEstimator
    private var allocator = LayerAllocator()
    private(set) var prober: Prober
    /// Of the client's reports; nil until there is one.
    private(set) var roundTrip: Interval?
    /// When layers are chosen again.
    var chooseAt: Instant
    /// The client answers with transport-wide feedback: without, nothing is known, and nothing is held back but by REMB.
    private(set) var isMeasured = false
    private var remb: BitRate?
    private var rembUntil = Instant.zero

    init(now: Instant) {
        var settings = BandwidthEstimator.Settings()
        settings.start = .megabitsPerSecond(1)
        // Sound and one small picture: below that the member hears nothing of use.
        settings.min = .kilobitsPerSecond(100)
        estimator = BandwidthEstimator(settings: settings, now: now)
        prober = Prober(now: now)
        chooseAt = now
    }

    /// Packets that feedback told of since `takeLoss`, and how many of them were lost.
    private var taken = (told: 0, lost: 0)
    /// What the client's reports said at worst since `takeLoss`.
    private var worstReported: UInt8 = 0

    /// Bits a second.
    var estimate: Int64 {
        guard isMeasured else { return (remb ?? .megabitsPerSecond(20)).bitsPerSecond }
        return estimator.estimate.bitsPerSecond
    }

    /// What the client's report says of the way to it.
    mutating func report(roundTrip: Interval, fractionLost: UInt8, now: Instant) {
        self.roundTrip = roundTrip
        worstReported = max(worstReported, fractionLost)
    }

    /// The transport-wide number of a packet that is about to leave with `bytes` of payload.
    @inline(__always)
    mutating func send(bytes: Int, now: Instant) -> UInt16 {
        let size = ByteCount(bytes)
        estimator.sent(size, now: now)
        prober.sent(size, now: now)
        return log.send(size, probe: prober.cluster?.id, now: now)
    }

    mutating func receive(_ feedback: TransportFeedback, now: Instant) {
        isMeasured = true
        log.beginFeedback(now: now)
        var (told, lost) = (0, 0)
        feedback.forEach { number, arrival in
            log.receive(number.rawValue, arrival: arrival)
            told += 1
            if arrival == nil { lost += 1 }
        }
        taken = (taken.told + told, taken.lost + lost)
        estimator.receive(log.results, now: now)
    }

    /// The share of packets lost since the last call: as transport-wide feedback has it, else as the client's reports.
    mutating func takeLoss() -> Double {
        defer {
            taken = (0, 0)
            worstReported = 0
        }
        return taken.told > 0 ? Double(taken.lost) / Double(taken.told) : Double(worstReported) / 256
    }

    /// REMB: what the client thinks its link takes.
    mutating func cap(_ bitRate: UInt64, now: Instant) {
        let rate = BitRate(bitsPerSecond: Int64(clamping: bitRate))
        remb = rate
        rembUntil = now + BandwidthEstimator.capLifetime
        estimator.receive(maximum: rate, now: now)
    }

    /// Call each 200 ms.
    mutating func timeout(now: Instant) {
        if let due = estimator.nextDeadline, due <= now { estimator.timeout(now: now) }
        if isMeasured, now >= rembUntil { remb = nil }
    }

    /// While a probe goes out: when its next part is due.
    var probeDeadline: Instant? { prober.cluster == nil ? nil : prober.nextDeadline }

    /// What may leave now to find out whether there is more room.
    mutating func probe(now: Instant) -> Int? {
        guard isMeasured, let due = prober.nextDeadline, due <= now, let step = prober.timeout(now: now) else {
            return nil
        }
        return step.byteCount.count
    }

    // MARK: Layers

    struct LayerRequest {
        /// Its place among the layers that were agreed, the lowest first: it stays when another layer stops.
        var place: Int
        /// Bits a second.
        var rate: Int
        var width: Int
        var height: Int
    }

    /// One picture that a member shows.
    struct Request {
        var slot: Int
        var source: Int
        var width: Int
        var height: Int
        /// All that may be had, lowest first.
        var layers: [LayerRequest]
    }

    struct Choice {
        var slot: Int
        /// A layer; nil: paused.
        var place: Int?
    }

    mutating func choose(_ requests: [Request], sound: Int, now: Instant) -> [Choice] {
        let tiles = requests.map { request in
            Tile(
                id: TileID(rawValue: UInt64(request.source)), width: request.width, height: request.height,
                layers: request.layers.map { layer in
                    Layer(
                        id: LayerID(rawValue: UInt8(truncatingIfNeeded: layer.place)),
                        bitRate: BitRate(bitsPerSecond: Int64(layer.rate)),
                        width: layer.width, height: layer.height)
                })
        }
        let allocation = allocator.allocate(
            estimate: BitRate(bitsPerSecond: estimate), sound: BitRate(bitsPerSecond: Int64(sound)), tiles: tiles,
            now: now)
        prober.receive(
            estimate: BitRate(bitsPerSecond: estimate), wanted: allocation.wanted, isLimited: allocation.isLimited,
            now: now)
        var choices: [Choice] = []
        for (request, made) in zip(requests, allocation.choices) {
            switch made.choice {
            case .layer(let id): choices.append(Choice(slot: request.slot, place: Int(id.rawValue)))
            case .paused: choices.append(Choice(slot: request.slot, place: nil))
            }
        }
        return choices
    }
}
