public import CongestionControl
public import Time

/// One direction of a network path in virtual time: a bottleneck with a queue that drops its tail, then loss, distance and jitter.
///
/// A machine: packets go in by `send`, come out by `receive`, `nextDeadline` says when. Everything random comes from the seed, so a
/// bad run replays. Order is kept: jitter delays what is behind as well, as in a queue further on.
public struct SimulatedLink<Packet> {
    /// What the path is like.
    public struct Conditions: Sendable {
        /// What the bottleneck passes.
        public var capacity: BitRate
        /// From the bottleneck's end to the receiver.
        public var propagation: Interval
        /// How much waits in front of the bottleneck at most; more is dropped.
        public var queue: ByteCount
        /// The share of packets lost beyond the bottleneck, 0...1.
        public var loss: Double
        /// Up to so much more delay for each packet, evenly spread.
        public var jitter: Interval

        /// Such a path; 30 ms away and clean unless told otherwise, with a queue of 300 ms at its capacity.
        public init(
            capacity: BitRate, propagation: Interval = .milliseconds(30), queue: ByteCount? = nil, loss: Double = 0,
            jitter: Interval = .zero
        ) {
            self.capacity = capacity
            self.propagation = propagation
            self.queue = queue ?? max(capacity.bytes(in: .milliseconds(300)), ByteCount(6000))
            self.loss = loss
            self.jitter = jitter
        }
    }

    /// A packet that arrived.
    public struct Arrival {
        /// What was sent.
        public var packet: Packet
        /// When it arrived.
        public var at: Instant
        /// How long it waited before the bottleneck took it.
        public var queued: Interval
    }

    private struct Waiting {
        var packet: Packet
        var size: ByteCount
        var since: Instant
    }

    private var waiting = Line<Waiting>()
    private var headBegan = Instant.zero
    private var headEnds = Instant.zero
    private var backlog = ByteCount.zero
    private var arrivals = Line<Arrival>()
    private var lastArrival = Instant.zero
    private var random: SeededGenerator

    /// As it is now.
    public private(set) var conditions: Conditions
    /// Packets that found the queue full.
    public private(set) var droppedByQueue = 0
    /// Packets lost beyond the bottleneck.
    public private(set) var droppedByLoss = 0

    /// An empty path.
    public init(_ conditions: Conditions, seed: UInt64) {
        self.conditions = conditions
        random = SeededGenerator(seed: seed)
    }

    /// When something happens next.
    public var nextDeadline: Instant? {
        switch (arrivals.first?.at, waiting.isEmpty ? nil : headEnds) {
        case (let arrival?, let departure?): min(arrival, departure)
        case (let arrival, let departure): arrival ?? departure
        }
    }

    /// A packet enters.
    public mutating func send(_ packet: Packet, size: ByteCount, now: Instant) {
        advance(to: now)
        guard backlog + size <= conditions.queue else {
            droppedByQueue += 1
            return
        }
        if waiting.isEmpty { startHead(size, at: now) }
        waiting.append(Waiting(packet: packet, size: size, since: now))
        backlog += size
    }

    /// The next packet that has arrived by now.
    public mutating func receive(now: Instant) -> Arrival? {
        advance(to: now)
        guard let arrival = arrivals.first, arrival.at <= now else { return nil }
        return arrivals.removeFirst()
    }

    /// The path changes; what waits, waits on.
    public mutating func change(to conditions: Conditions, now: Instant) {
        advance(to: now)
        if !waiting.isEmpty {
            let left = self.conditions.capacity.bytes(in: headEnds - now)
            headEnds = now + conditions.capacity.time(for: left)
        }
        self.conditions = conditions
    }

    private mutating func startHead(_ size: ByteCount, at time: Instant) {
        headBegan = time
        headEnds = time + conditions.capacity.time(for: size)
    }

    private mutating func advance(to now: Instant) {
        while !waiting.isEmpty, headEnds <= now {
            let left = headEnds
            let began = headBegan
            let head = waiting.removeFirst()
            backlog -= head.size
            if let next = waiting.first { startHead(next.size, at: left) }
            if Double.random(in: 0..<1, using: &random) < conditions.loss {
                droppedByLoss += 1
                continue
            }
            let jitter = Int64.random(in: 0...max(0, conditions.jitter.nanoseconds), using: &random)
            lastArrival = max(lastArrival, left + conditions.propagation + .nanoseconds(jitter))
            arrivals.append(Arrival(packet: head.packet, at: lastArrival, queued: began - head.since))
        }
    }
}

/// A queue in an array.
private struct Line<Element> {
    private var elements: [Element] = []
    private var head = 0

    var isEmpty: Bool { head == elements.count }
    var first: Element? { isEmpty ? nil : elements[head] }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func removeFirst() -> Element {
        let element = elements[head]
        head += 1
        if head > 1000, head * 2 > elements.count {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }
}
