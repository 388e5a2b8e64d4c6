import CongestionControl
import LinkSimulator
import Time

/// A node that sends to one receiver over a simulated path, with everything of this module in its place, in virtual time.
struct Downlink: ~Copyable {
    /// What the node has to send.
    enum Source {
        /// One picture that takes whatever the estimate gives, up to that rate: shows the estimator by itself.
        case elastic(upTo: BitRate)
        /// Tiles of publishers that send three layers, and sound of all of them: what a room is.
        case room(tiles: [Tile])
    }

    private struct Packet {
        var sequence: UInt16
        var size: ByteCount
        var isSound: Bool
    }

    /// A simulated path's receiver tells this at once, over a way back of its own.
    private typealias Feedback = [(sequence: UInt16, arrival: Instant?)]

    static let soundRate = BitRate.kilobitsPerSecond(40)

    private let source: Source
    private var way: SimulatedLink<Packet>
    private var back: SimulatedLink<Feedback>
    private var log = TransportFeedbackLog()
    private var arrivals = ArrivalLog()
    private var allocator = LayerAllocator()
    private var prober: Prober
    private var pacer: Pacer
    private var queued: [(size: ByteCount, at: Instant)] = []
    private var nextFrame: Instant = .zero
    private var nextSound: Instant = .zero
    private var nextAllocation: Instant = .zero

    private(set) var now: Instant = .zero
    private(set) var estimator: BandwidthEstimator
    private(set) var allocation: Allocation?
    private(set) var record = Record()
    private var droppedBefore = 0
    private var random: SeededGenerator
    private var shown: [TileID: LayerID] = [:]
    /// Whether what the receiver says comes back.
    var hearsFeedback = true
    /// Whether probes are sent.
    var probes = true
    /// A receiver that gets no processor for a while, again and again: what came meanwhile is read, and dated, at once after.
    var stalls: (between: ClosedRange<Int64>, lasting: ClosedRange<Int64>)?
    private var stalledUntil = Instant.zero
    private var nextStall = Instant.zero

    init(
        _ source: Source, over conditions: SimulatedLink<Int>.Conditions, feedbackLoss: Double = 0,
        start: BitRate = .kilobitsPerSecond(300), seed: UInt64
    ) {
        self.source = source
        way = SimulatedLink(conditions.typed(), seed: seed)
        back = SimulatedLink(
            .init(capacity: .megabitsPerSecond(10), propagation: .milliseconds(30), loss: feedbackLoss),
            seed: seed &+ 1)
        var settings = BandwidthEstimator.Settings()
        settings.start = start
        estimator = BandwidthEstimator(settings: settings, now: .zero)
        prober = Prober(now: .zero)
        pacer = Pacer(rate: .kilobitsPerSecond(750), now: .zero)
        random = SeededGenerator(seed: seed &+ 2)
    }

    mutating func change(to conditions: SimulatedLink<Int>.Conditions) { way.change(to: conditions.typed(), now: now) }

    /// The receiver says that it takes no more.
    mutating func cap(_ rate: BitRate) { estimator.receive(maximum: rate, now: now) }

    /// Runs on; begins a new record.
    mutating func run(for time: Interval) {
        record = Record()
        droppedBefore = way.droppedByQueue + way.droppedByLoss
        let end = now + time
        while now < end {
            now += .milliseconds(1)
            step()
        }
        record.length = time
        record.dropped = way.droppedByQueue + way.droppedByLoss - droppedBefore
    }

    private mutating func step() {
        receive()
        if now >= nextSound { sendSound() }
        if now >= nextFrame { makeFrame() }
        if let due = estimator.nextDeadline, due <= now { estimator.timeout(now: now) }
        if now >= nextAllocation { allocate() }
        if probes, let due = prober.nextDeadline, due <= now, let step = prober.timeout(now: now) { probe(step) }
        pacer.setRate(estimator.estimate * 2.5, now: now)
        while let next = queued.first, pacer.take(next.size, now: now) {
            queued.removeFirst()
            send(next.size)
        }
        record.estimates.append(estimator.estimate)
    }

    // MARK: The node

    private mutating func send(_ size: ByteCount, isSound: Bool = false) {
        let sequence = log.send(size, probe: prober.cluster?.id, now: now)
        prober.sent(size, now: now)
        estimator.sent(size, now: now)
        way.send(Packet(sequence: sequence, size: size, isSound: isSound), size: size, now: now)
        if isSound { record.soundSent += 1 }
    }

    private mutating func probe(_ step: ProbeStep) {
        var left = step.byteCount
        while left > .zero {
            send(ByteCount(250))
            left -= ByteCount(250)
        }
    }

    private mutating func sendSound() {
        nextSound += .milliseconds(20)
        guard case .room(let tiles) = source else { return }
        for _ in tiles {
            let size = Self.soundRate.bytes(in: .milliseconds(20))
            pacer.sent(size, now: now)
            send(size, isSound: true)
        }
    }

    /// 30 frames a second, in packets of about 1,100 bytes.
    private mutating func makeFrame() {
        nextFrame += .nanoseconds(1_000_000_000 / 30)
        switch source {
        case .elastic(let most):
            queue(frame: min(estimator.estimate, most))
        case .room(let tiles):
            for (tile, choice) in zip(tiles, allocation?.choices ?? []) {
                guard case .layer(let id) = choice.choice else {
                    shown[tile.id] = nil
                    continue
                }
                // Encoders keep their rate only on average, and a switch begins with a key frame.
                let isKeyFrame = shown[tile.id] != id
                shown[tile.id] = id
                let scale = isKeyFrame ? 6 : Double.random(in: 0.5...1.5, using: &random)
                for layer in tile.layers where layer.id == id { queue(frame: layer.bitRate * scale) }
            }
        }
    }

    private mutating func queue(frame rate: BitRate) {
        var left = rate.bytes(in: .nanoseconds(1_000_000_000 / 30))
        while left > .zero {
            queued.append((min(left, ByteCount(1100)), now))
            left -= ByteCount(1100)
        }
    }

    private mutating func allocate() {
        nextAllocation = now + .milliseconds(100)
        switch source {
        case .elastic(let most):
            let limited = estimator.estimate < most
            prober.receive(estimate: estimator.estimate, wanted: most, isLimited: limited, now: now)
        case .room(let tiles):
            let sound = BitRate(bitsPerSecond: Self.soundRate.bitsPerSecond * Int64(tiles.count))
            let made = allocator.allocate(estimate: estimator.estimate, sound: sound, tiles: tiles, now: now)
            allocation = made
            record.allocations.append((made, estimator.estimate))
            // A paused picture is not sent on from the pacer.
            if made.used == sound { queued.removeAll() }
            prober.receive(
                estimate: estimator.estimate, wanted: made.wanted, isLimited: made.isLimited, now: now)
        }
    }

    // MARK: The receiver, and what it says

    private mutating func receive() {
        if let stalls, now >= nextStall {
            stalledUntil = now + .milliseconds(.random(in: stalls.lasting, using: &random))
            nextStall = stalledUntil + .milliseconds(.random(in: stalls.between, using: &random))
        }
        if now >= stalledUntil { read() }
        while let feedback = back.receive(now: now) {
            log.beginFeedback(now: now)
            for (sequence, arrival) in feedback.packet {
                // As the wire has it: in units of 250 us.
                log.receive(sequence, arrival: arrival.map { .microseconds(($0 - .zero).microseconds / 250 * 250) })
            }
            estimator.receive(log.results, now: now)
        }
    }

    private mutating func read() {
        while let arrival = way.receive(now: now) {
            arrivals.receive(arrival.packet.sequence, size: arrival.packet.size, now: stalls == nil ? arrival.at : now)
            record.queueing.append(arrival.queued)
            record.bytes += arrival.packet.size
            if arrival.packet.isSound { record.soundArrived += 1 }
        }
        if let due = arrivals.nextDeadline, due <= now, let report = arrivals.timeout(now: now) {
            var feedback: Feedback = []
            arrivals.forEach(report) { feedback.append(($0, $1)) }
            if hearsFeedback { back.send(feedback, size: ByteCount(60 + feedback.count * 2), now: now) }
        }
    }
}

/// What was seen during one run.
struct Record {
    var length = Interval.zero
    var bytes = ByteCount.zero
    var queueing: [Interval] = []
    var estimates: [BitRate] = []
    var allocations: [(Allocation, estimate: BitRate)] = []
    var dropped = 0
    var soundSent = 0
    var soundArrived = 0

    var rate: BitRate { bytes.rate(over: length) }

    func queueing(percentile: Int) -> Interval {
        let sorted = queueing.sorted()
        return sorted.isEmpty ? .zero : sorted[min(sorted.count - 1, sorted.count * percentile / 100)]
    }

    var meanEstimate: BitRate {
        BitRate(estimates.reduce(0) { $0 + Double($1.bitsPerSecond) } / Double(max(1, estimates.count)))
    }

    /// After how long the estimate first was as asked; one sample a millisecond.
    func time(until condition: (BitRate) -> Bool) -> Interval? {
        estimates.firstIndex(where: condition).map { .milliseconds(Int64($0)) }
    }

    var lossShare: Double { Double(dropped) / Double(max(1, dropped + queueing.count)) }

    var soundLoss: Double { soundSent == 0 ? 0 : 1 - Double(soundArrived) / Double(soundSent) }
}

extension SimulatedLink.Conditions {
    /// The same path for other packets.
    func typed<Other>() -> SimulatedLink<Other>.Conditions {
        .init(capacity: capacity, propagation: propagation, queue: queue, loss: loss, jitter: jitter)
    }
}
