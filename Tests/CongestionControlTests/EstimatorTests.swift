import CAllocations
import CongestionControl
import LinkSimulator
import Testing
import Time

struct EstimatorTests {
    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `whatever feedback says, the estimate stays within its limits`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var settings = BandwidthEstimator.Settings()
        settings.min = .kilobitsPerSecond(50)
        settings.max = .megabitsPerSecond(5)
        var estimator = BandwidthEstimator(settings: settings, now: .zero)
        var log = TransportFeedbackLog(capacity: 512)
        var now = Instant.zero
        var sequence: UInt16 = 0
        for _ in 0..<3000 {
            now += .milliseconds(Int64.random(in: 0...60, using: &random))
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                let size = ByteCount(Int.random(in: 0...1500, using: &random))
                let probe = ProbeClusterID(rawValue: .random(in: 0...9, using: &random))
                sequence = log.send(size, probe: Bool.random(using: &random) ? nil : probe, now: now)
                estimator.sent(size, now: now)
            }
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                let maximum = BitRate(bitsPerSecond: .random(in: 0 ... .max, using: &random))
                estimator.receive(maximum: maximum, now: now)
            case 1: if let due = estimator.nextDeadline { estimator.timeout(now: max(due, now)) }
            case 2...8:
                log.beginFeedback(now: now)
                for back in 0..<Int.random(in: 0...40, using: &random) {
                    let arrival: Interval? =
                        switch Int.random(in: 0..<12, using: &random) {
                        case 0, 1: nil
                        case 2: .nanoseconds(.random(in: .min ... .max, using: &random))
                        default: .milliseconds((now - .zero).milliseconds + Int64.random(in: -50...50, using: &random))
                        }
                    log.receive(sequence &- UInt16(40 - back), arrival: arrival)
                }
                estimator.receive(log.results, now: now)
            default: break
            }
            #expect(estimator.estimate >= settings.min && estimator.estimate <= settings.max)
            #expect((0...1).contains(estimator.lossFraction))
        }
    }

    @Test func `a receiver's maximum is kept, and forgotten when it is not repeated`() {
        var downlink = Downlink(
            .elastic(upTo: .megabitsPerSecond(4)), over: .init(capacity: .megabitsPerSecond(3)), seed: 1)
        downlink.run(for: .seconds(15))
        #expect(downlink.estimator.estimate > .megabitsPerSecond(2))
        downlink.cap(.kilobitsPerSecond(700))
        #expect(downlink.estimator.estimate == .kilobitsPerSecond(700))
        downlink.run(for: .seconds(9))
        #expect(downlink.estimator.estimate <= .kilobitsPerSecond(700))
        downlink.run(for: .seconds(10))
        #expect(downlink.estimator.estimate > .megabitsPerSecond(1))
    }

    @Test func `silence is noticed only while packets leave`() {
        var estimator = BandwidthEstimator(now: .zero)
        #expect(estimator.nextDeadline == nil)
        estimator.sent(ByteCount(100), now: .zero + .seconds(5))
        #expect(estimator.nextDeadline == .zero + .seconds(6))
        estimator.timeout(now: .zero + .milliseconds(5999))
        #expect(estimator.estimate == .kilobitsPerSecond(300))
        estimator.timeout(now: .zero + .seconds(6))
        #expect(estimator.estimate == .kilobitsPerSecond(210))
        for second in 7..<100 as Range<Int64> { estimator.timeout(now: .zero + .seconds(second)) }
        #expect(estimator.estimate == .kilobitsPerSecond(30))
    }

    @Test func `a queue stands where every packet waits, not where some do`() {
        // A packet each 5 ms, 20 ms on the way. Who is busy reads them all at once after 150 ms, again and again.
        let busy = standingQueue { .milliseconds(($0 / 150 + 1) * 150 + 20) }
        #expect(busy < .milliseconds(5), "\(busy)")
        // A path that takes 11 ms for what is sent each 10 ms: after a second everything waits, the last 100 ms.
        let full = standingQueue { .milliseconds($0 + $0 / 10 + 20) }
        #expect(full > .milliseconds(60) && full <= .milliseconds(100), "\(full)")
    }

    @Test func `a longer way is known after half a minute`() {
        let soon = standingQueue(for: 20_000) { .milliseconds($0 < 1_000 ? $0 + 20 : $0 + 70) }
        #expect(soon == .milliseconds(50), "\(soon)")
        let later = standingQueue(for: 40_000) { .milliseconds($0 < 1_000 ? $0 + 20 : $0 + 70) }
        #expect(later == .zero, "\(later)")
    }

    /// What stands after so many milliseconds of packets that arrive as `arrival` says of the millisecond they left in.
    private func standingQueue(for milliseconds: Int64 = 1_000, arrival: (Int64) -> Interval) -> Interval {
        var estimator = BandwidthEstimator(now: .zero)
        var log = TransportFeedbackLog()
        var waiting: [(sequence: UInt16, arrival: Interval)] = []
        for millisecond in stride(from: 0, to: milliseconds, by: 5) {
            let now = Instant.zero + .milliseconds(millisecond)
            waiting.append((log.send(ByteCount(1000), now: now), arrival(millisecond)))
            guard millisecond % 100 == 0 else { continue }
            log.beginFeedback(now: now)
            let arrived = waiting.prefix { $0.arrival <= .milliseconds(millisecond) }
            for packet in arrived { log.receive(packet.sequence, arrival: packet.arrival) }
            waiting.removeFirst(arrived.count)
            estimator.receive(log.results, now: now)
        }
        return estimator.standingQueue
    }

    @Test func `nothing is allocated for a packet or for its feedback`() {
        var estimator = BandwidthEstimator(now: .zero)
        var log = TransportFeedbackLog()
        var arrivals = ArrivalLog()
        var pacer = Pacer(rate: .megabitsPerSecond(2), now: .zero)
        var prober = Prober(now: .zero)
        var now = Instant.zero
        func second() {
            for tick in 0..<1000 {
                now += .milliseconds(1)
                if tick % 4 == 0, pacer.take(ByteCount(1000), now: now) {
                    let sequence = log.send(ByteCount(1000), probe: prober.cluster?.id, now: now)
                    estimator.sent(ByteCount(1000), now: now)
                    prober.sent(ByteCount(1000), now: now)
                    arrivals.receive(sequence, size: ByteCount(1000), now: now + .milliseconds(20))
                }
                _ = prober.timeout(now: now)
                guard let due = arrivals.nextDeadline, due <= now, let report = arrivals.timeout(now: now) else {
                    continue
                }
                log.beginFeedback(now: now)
                arrivals.forEach(report) { log.receive($0, arrival: $1.map { $0 - .zero }) }
                estimator.receive(log.results, now: now)
                prober.receive(
                    estimate: estimator.estimate, wanted: .megabitsPerSecond(9), isLimited: true, now: now)
            }
        }
        second()
        allocation_counts_begin()
        for _ in 0..<20 { second() }
        allocation_counts_end()
        let counts = allocation_counts_now()
        #expect(counts.allocations == 0)
        #expect(counts.objects == 0)
        #expect(log.passedOver == 0)
    }
}
