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
            print("narrow, seed \(seed): sound lost \(start), then \(steady); p95 \(p95)")
            #expect(start < 0.10)
            #expect(steady < 0.01)
            #expect(p95 < .milliseconds(200))
            #expect(downlink.shown(atLeast: 1) < 0.25)
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
            print("fall, seed \(seed): sound lost \(loss), then \(downlink.record.soundLoss)")
            #expect(loss < 0.05)
            #expect(downlink.record.soundLoss < 0.01)
        }
    }

    @Test func `half a megabit keeps sound and moving pictures`() {
        for seed: UInt64 in 1...3 {
            var downlink = Downlink(.room(tiles: tiles(2)), over: path(500), seed: seed)
            downlink.run(for: .seconds(10))
            downlink.run(for: .seconds(60))
            let record = downlink.record
            print("half, seed \(seed): lost \(record.soundLoss), both shown \(downlink.shown(atLeast: 2))")
            #expect(record.soundLoss < 0.01)
            #expect(record.queueing(percentile: 95) < .milliseconds(200))
            #expect(downlink.shown(atLeast: 2) > 0.95)
        }
    }

    @Test func `a path that widens is found by probing`() {
        for seed: UInt64 in 1...3 {
            var downlink = Downlink(.room(tiles: tiles(3)), over: path(600), seed: seed)
            downlink.run(for: .seconds(30))
            downlink.change(to: path(6000))
            downlink.run(for: .seconds(20))
            let all = downlink.record.allocations.firstIndex { !$0.0.isLimited }
            print("wider, seed \(seed): everything after \(all.map { Double($0) / 10 } ?? -1) s")
            #expect(all ?? .max < 150)
            #expect(downlink.record.soundLoss < 0.01)
        }
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
