import CongestionControl
import Time

/// A receiver may say anything of the packets sent to it, a publisher number its packets as it likes: nothing traps, the estimate
/// stays within its limits and a report within its log. The input is a list of steps of four bytes: what, how long after the
/// last, and two of detail.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    var history = History()
    var offset = 0
    while offset + 4 <= bytes.count {
        let detail = UInt16(bytes[offset + 2]) << 8 | UInt16(bytes[offset + 3])
        history.step(bytes[offset], after: bytes[offset + 1], detail)
        offset += 4
    }
    return 0
}

private struct History: ~Copyable {
    let settings = BandwidthEstimator.Settings()
    var estimator = BandwidthEstimator(now: .zero)
    var log = TransportFeedbackLog(capacity: 256)
    var arrivals = ArrivalLog(capacity: 256)
    var prober = Prober(now: .zero)
    var pacer = Pacer(rate: .megabitsPerSecond(1), now: .zero)
    var allocator = LayerAllocator()
    var now = Instant.zero
    var latest: UInt16 = 0

    mutating func step(_ what: UInt8, after wait: UInt8, _ detail: UInt16) {
        now += wait == 255 ? .seconds(Int64(detail) * 1000) : .microseconds(Int64(wait) * 300)
        switch what % 12 {
        case 0...3: send(ByteCount(Int(detail)), probe: prober.cluster?.id)
        case 4: send(ByteCount(Int(detail)), probe: ProbeClusterID(rawValue: UInt32(detail)))
        case 5, 6: feedback(packets: Int(what), detail)
        case 7:
            log.receive(detail, arrival: .nanoseconds(Int64(bitPattern: UInt64(detail) &* 0x9E37_79B9_7F4A_7C15)))
            estimator.receive(log.results, now: now)
        case 8: estimator.receive(maximum: .kilobitsPerSecond(Int64(detail)), now: now)
        case 9: timeouts()
        case 10: publish(detail)
        default: allocate(detail)
        }
        precondition(estimator.estimate >= settings.min && estimator.estimate <= settings.max)
        precondition((0...1).contains(estimator.lossFraction))
        precondition(log.inFlight >= .zero)
    }

    private mutating func send(_ size: ByteCount, probe: ProbeClusterID?) {
        latest = log.send(size, probe: probe, now: now)
        estimator.sent(size, now: now)
        prober.sent(size, now: now)
        pacer.sent(size, now: now)
        _ = pacer.take(size, now: now)
    }

    private mutating func feedback(packets: Int, _ detail: UInt16) {
        log.beginFeedback(now: now)
        for back in stride(from: packets, through: 0, by: -1) {
            let isLost = (detail >> UInt16(back % 16)) & 1 == 1
            let arrival = (now - Instant.zero) + .microseconds(Int64(Int16(bitPattern: detail)) * Int64(back))
            log.receive(latest &- UInt16(back), arrival: isLost ? nil : arrival)
        }
        estimator.receive(log.results, now: now)
        pacer.setRate(estimator.estimate * 2.5, now: now)
    }

    private mutating func timeouts() {
        if estimator.nextDeadline != nil { estimator.timeout(now: now) }
        if let step = prober.timeout(now: now) { send(step.byteCount, probe: step.cluster) }
        _ = (pacer.budget(now: now), pacer.nextDeadline, prober.nextDeadline, allocator.nextDeadline)
    }

    private mutating func publish(_ detail: UInt16) {
        arrivals.receive(detail, size: ByteCount(100), now: now)
        guard let report = arrivals.timeout(now: now) else { return }
        precondition((1...256).contains(report.packetCount))
        var told = 0
        arrivals.forEach(report) { _, _ in told += 1 }
        precondition(told == report.packetCount)
    }

    private mutating func allocate(_ detail: UInt16) {
        let layers = (0..<Int(detail % 4)).map { place in
            Layer(
                id: LayerID(rawValue: UInt8(place)), bitRate: .kilobitsPerSecond(Int64(detail >> UInt16(place))),
                width: 320 << place, height: 180 << place)
        }
        let tiles = (0..<Int(detail % 9)).map { number in
            Tile(id: TileID(rawValue: UInt64(number)), width: Int(detail), height: Int(detail), layers: layers)
        }
        let sound = BitRate.kilobitsPerSecond(Int64(detail & 127))
        let made = allocator.allocate(estimate: estimator.estimate, sound: sound, tiles: tiles, now: now)
        precondition(made.used <= max(estimator.estimate, sound))
        prober.receive(estimate: estimator.estimate, wanted: made.wanted, isLimited: made.isLimited, now: now)
    }
}
