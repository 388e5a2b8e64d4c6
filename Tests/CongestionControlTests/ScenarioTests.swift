import CongestionControl
import LinkSimulator
import Testing
import Time

private typealias Conditions = SimulatedLink<Int>.Conditions

struct ScenarioTests {
    @Test(arguments: [300, 1000, 3000])
    func `a constant path is filled, and its queue stays short`(kilobits: Int64) {
        let capacity = BitRate.kilobitsPerSecond(kilobits)
        for seed: UInt64 in 1...3 {
            var downlink = Downlink(
                .elastic(upTo: .megabitsPerSecond(6)), over: Conditions(capacity: capacity, jitter: .milliseconds(5)),
                seed: seed)
            downlink.run(for: .seconds(20))
            downlink.run(for: .seconds(60))
            let record = downlink.record
            let lowest = record.estimates.min() ?? .zero
            let p95 = record.queueing(percentile: 95)
            let figures: Comment = "constant \(capacity), seed \(seed): \(record.rate), p95 \(p95), lowest \(lowest)"
            #expect(record.rate >= capacity * 0.8, figures)
            #expect(p95 <= .milliseconds(150), figures)
            #expect(lowest >= capacity * 0.5, figures)
        }
    }

    @Test func `a step from 3 to 0.8 and back is followed`() {
        for seed: UInt64 in 1...3 {
            var downlink = Downlink(
                .elastic(upTo: .megabitsPerSecond(4)), over: slow(3000), seed: seed)
            downlink.run(for: .seconds(20))
            let before = downlink.record.estimates.last ?? .zero
            #expect(before > .kilobitsPerSecond(2200))

            downlink.change(to: slow(800))
            downlink.run(for: .seconds(20))
            let down = downlink.record.time { $0 < .kilobitsPerSecond(900) }
            let rate = downlink.record.rate
            let p95 = downlink.record.queueing(percentile: 95)

            downlink.change(to: slow(3000))
            downlink.run(for: .seconds(20))
            let up = downlink.record.time { $0 > .kilobitsPerSecond(2200) }
            let (downText, upText) = (down?.description ?? "-", up?.description ?? "-")
            let figures: Comment = "step, seed \(seed): \(before), down \(downText), \(rate), p95 \(p95), up \(upText)"
            #expect(down ?? .seconds(99) < .seconds(2), figures)
            #expect(rate >= .kilobitsPerSecond(640), figures)
            #expect(up ?? .seconds(99) < .seconds(15), figures)
        }
    }

    @Test(arguments: [5, 10])
    func `loss of the path's own does not starve a call`(percent: Int) {
        for seed: UInt64 in 1...5 {
            var downlink = Downlink(
                .elastic(upTo: .megabitsPerSecond(6)),
                over: Conditions(capacity: .megabitsPerSecond(3), loss: Double(percent) / 100), seed: seed)
            downlink.run(for: .seconds(20))
            downlink.run(for: .seconds(60))
            let mean = downlink.record.meanEstimate
            let lowest = downlink.record.estimates.min() ?? .zero
            let figures: Comment =
                "loss \(percent) %, seed \(seed): mean \(mean) lowest \(lowest) rate \(downlink.record.rate)"
            #expect(mean >= .kilobitsPerSecond(1800), figures)
        }
    }

    @Test(arguments: [500, 2000])
    func `a path that drops instead of queueing is filled as well`(kilobits: Int64) {
        let capacity = BitRate.kilobitsPerSecond(kilobits)
        for seed: UInt64 in 1...3 {
            var downlink = Downlink(
                .elastic(upTo: .megabitsPerSecond(6)),
                over: Conditions(capacity: capacity, queue: ByteCount(7000), jitter: .milliseconds(2)), seed: seed)
            downlink.run(for: .seconds(20))
            downlink.run(for: .seconds(60))
            let lost = downlink.estimator.lossFraction
            let rate = downlink.record.rate
            let figures: Comment = "shallow \(capacity), seed \(seed): \(rate), loss at the end \(lost)"
            #expect(rate >= capacity * 0.7, figures)
            #expect(downlink.record.lossShare <= 0.15, figures)
        }
    }

    @Test func `jitter is not taken for a queue`() {
        for seed: UInt64 in 1...3 {
            var downlink = Downlink(
                .elastic(upTo: .megabitsPerSecond(6)),
                over: Conditions(capacity: .megabitsPerSecond(2), jitter: .milliseconds(30)), seed: seed)
            downlink.run(for: .seconds(20))
            downlink.run(for: .seconds(60))
            let rate = downlink.record.rate
            let figures: Comment = "jitter, seed \(seed): \(rate), p95 \(downlink.record.queueing(percentile: 95))"
            #expect(rate >= .kilobitsPerSecond(1400), figures)
        }
    }

    @Test func `when feedback stops the estimate backs off, and comes back with it`() {
        var downlink = Downlink(.elastic(upTo: .megabitsPerSecond(4)), over: slow(2000), seed: 1)
        downlink.run(for: .seconds(20))
        let before = downlink.estimator.estimate
        downlink.hearsFeedback = false
        downlink.run(for: .milliseconds(3500))
        let silent = downlink.estimator.estimate
        downlink.hearsFeedback = true
        downlink.run(for: .seconds(10))
        let after = downlink.estimator.estimate
        let figures: Comment = "silence: \(before), \(silent), \(after)"
        #expect(silent <= before * 0.4, figures)
        #expect(after >= before * 0.7, figures)
    }

    private func slow(_ kilobits: Int64) -> Conditions {
        Conditions(capacity: .kilobitsPerSecond(kilobits), jitter: .milliseconds(3))
    }
}
