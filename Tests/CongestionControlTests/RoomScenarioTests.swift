import CongestionControl
import LinkSimulator
import Testing
import Time

private typealias Conditions = SimulatedLink<Int>.Conditions

/// A room of publishers with three layers each, behind paths that do not carry all of it.
struct RoomScenarioTests {
    @Test func `pictures pause before sound suffers`() {
        for seed: UInt64 in 1...3 {
            // Sound of three takes 120 kbit/s of 170: no picture fits beside it.
            var downlink = Downlink(.room(tiles: tiles(3)), over: path(170), seed: seed)
            downlink.run(for: .seconds(10))
            let start = downlink.record.soundLoss
            downlink.run(for: .seconds(60))
            let steady = downlink.record.soundLoss
            let p95 = downlink.record.queueing(percentile: 95)
            let figures: Comment = "narrow, seed \(seed): sound lost \(start), then \(steady); p95 \(p95)"
            #expect(start < 0.10, figures)
            #expect(steady < 0.01, figures)
            #expect(p95 < .milliseconds(200), figures)
            #expect(downlink.shown(atLeast: 1) < 0.25, figures)
        }
    }

    @Test func `a fall of the path pauses pictures, not sound`() {
        for seed: UInt64 in 1...3 {
            var downlink = Downlink(.room(tiles: tiles(3)), over: path(4000), seed: seed)
            downlink.run(for: .seconds(20))
            #expect(downlink.shown(atLeast: 3) > 0.7)
            downlink.change(to: path(250))
            downlink.run(for: .seconds(20))
            let loss = downlink.record.soundLoss
            downlink.run(for: .seconds(20))
            let figures: Comment = "fall, seed \(seed): sound lost \(loss), then \(downlink.record.soundLoss)"
            #expect(loss < 0.05, figures)
            #expect(downlink.record.soundLoss < 0.01, figures)
        }
    }

    @Test func `half a megabit keeps sound and moving pictures`() {
        for seed: UInt64 in 1...3 {
            var downlink = Downlink(.room(tiles: tiles(2)), over: path(500), seed: seed)
            downlink.run(for: .seconds(10))
            downlink.run(for: .seconds(60))
            let record = downlink.record
            let figures: Comment =
                "half, seed \(seed): lost \(record.soundLoss), both shown \(downlink.shown(atLeast: 2))"
            #expect(record.soundLoss < 0.01, figures)
            #expect(record.queueing(percentile: 95) < .milliseconds(200), figures)
            #expect(downlink.shown(atLeast: 2) > 0.95, figures)
        }
    }

    @Test func `a path that widens is found by probing`() {
        for seed: UInt64 in 1...3 {
            var downlink = Downlink(.room(tiles: tiles(3)), over: path(600), seed: seed)
            downlink.run(for: .seconds(30))
            downlink.change(to: path(6000))
            downlink.run(for: .seconds(20))
            let all = downlink.record.allocations.firstIndex { !$0.0.isLimited }
            let figures: Comment = "wider, seed \(seed): everything after \(all.map { Double($0) / 10 } ?? -1) s"
            #expect(all ?? .max < 150, figures)
            #expect(downlink.record.soundLoss < 0.01, figures)
        }
    }

    @Test(arguments: zip([5...60, 10...100, 20...300], [5...40, 20...120, 50...300] as [ClosedRange<Int64>]))
    func `a receiver that is busy is not a path that is full`(
        between: ClosedRange<Int64>, lasting: ClosedRange<Int64>
    ) {
        for seed: UInt64 in 1...5 {
            var downlink = Downlink(
                .room(tiles: tiles(3)), over: path(20_000), start: .megabitsPerSecond(1), seed: seed)
            downlink.stalls = (between, lasting)
            downlink.run(for: .seconds(20))
            downlink.run(for: .seconds(40))
            let mean = downlink.record.meanEstimate
            let lowest = downlink.record.estimates.min() ?? .zero
            let wanted = downlink.allocation?.wanted ?? .zero
            #expect(mean > wanted * 0.8, "busy \(lasting), seed \(seed): \(mean) of \(wanted), lowest \(lowest)")
        }
    }

    @Test(arguments: [500, 1000, 2500])
    func `a path that is full is noticed by a busy receiver too`(kilobits: Int64) {
        for seed: UInt64 in 1...5 {
            var downlink = Downlink(.room(tiles: tiles(3)), over: path(kilobits), seed: seed)
            downlink.stalls = (10...100, 20...120)
            downlink.run(for: .seconds(20))
            downlink.run(for: .seconds(60))
            let record = downlink.record
            let p95 = record.queueing(percentile: 95)
            let figures: Comment =
                "busy, \(kilobits), seed \(seed): p95 \(p95), sound lost \(record.soundLoss), \(record.meanEstimate)"
            #expect(p95 < .milliseconds(250), figures)
            #expect(record.soundLoss < 0.01, figures)
            #expect(record.meanEstimate > .kilobitsPerSecond(kilobits) * 0.6, figures)
        }
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `whatever the path, sound arrives, queues stay short and nothing collapses`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        // 120 kbit/s to 6.4 Mbit/s, alike on a logarithmic scale; room for the sound of all that are shown.
        let octave = Double(100 << Int.random(in: 0...5, using: &random))
        let kilobits = Int64(octave * Double.random(in: 1.2...2, using: &random))
        let capacity = BitRate.kilobitsPerSecond(kilobits)
        let ownLoss = Bool.random(using: &random) ? 0 : Double.random(in: 0...0.08, using: &random)
        let conditions = Conditions(
            capacity: capacity, propagation: .milliseconds(.random(in: 2...200, using: &random)),
            queue: max(ByteCount(4000), capacity.bytes(in: .milliseconds(.random(in: 30...800, using: &random)))),
            loss: ownLoss, jitter: .milliseconds(.random(in: 0...20, using: &random)))
        let people = Int.random(in: 1...(kilobits < 250 ? 2 : 4), using: &random)
        var downlink = Downlink(
            .room(tiles: tiles(people)), over: conditions, feedbackLoss: .random(in: 0...0.1, using: &random),
            start: Bool.random(using: &random) ? .megabitsPerSecond(1) : .kilobitsPerSecond(300), seed: seed)
        downlink.run(for: .seconds(20))
        let start = downlink.record.soundLoss
        downlink.run(for: .seconds(40))

        let record = downlink.record
        let wanted = min(capacity, downlink.allocation?.wanted ?? .zero)
        let p95 = record.queueing(percentile: 95)
        let figures: Comment =
            "path \(seed): \(capacity), own loss \(ownLoss), \(people): sound lost \(start), p95 \(p95), \(wanted)"
        #expect(start < ownLoss + 0.1, figures)
        #expect(record.soundLoss < ownLoss * 1.3 + 0.01, figures)
        #expect(p95 < .milliseconds(300), figures)
        #expect(record.meanEstimate > wanted * 0.65, figures)
        #expect(record.allocations.allSatisfy { $0.0.used <= max($0.estimate, soundOf(people)) }, figures)
    }

    private func soundOf(_ people: Int) -> BitRate {
        BitRate(bitsPerSecond: Downlink.soundRate.bitsPerSecond * Int64(people))
    }

    private func path(_ kilobits: Int64) -> Conditions {
        Conditions(capacity: .kilobitsPerSecond(kilobits), jitter: .milliseconds(5))
    }

    private func tiles(_ count: Int) -> [Tile] {
        (0..<count).map { Tile(id: TileID(rawValue: UInt64($0)), width: 1280, height: 720, layers: .three()) }
    }
}

extension Downlink {
    /// The share of time in which at least so many pictures were shown.
    func shown(atLeast count: Int) -> Double {
        let enough = record.allocations.filter { $0.0.choices.filter { $0.choice.isShown }.count >= count }
        return Double(enough.count) / Double(max(1, record.allocations.count))
    }
}

extension LayerChoice {
    var isShown: Bool { if case .layer = self { true } else { false } }
}

extension [Layer] {
    /// As a browser sends a camera: 1,280 x 720 and a half and a quarter of it.
    static func three(_ rates: [Int64] = [150, 500, 1500]) -> [Layer] {
        zip(0..., rates).map {
            Layer(
                id: LayerID(rawValue: UInt8($0)), bitRate: .kilobitsPerSecond($1), width: 320 << $0, height: 180 << $0)
        }
    }
}
