import CongestionControl
import LinkSimulator
import Testing
import Time

struct LayerAllocatorTests {
    @Test(arguments: [
        // Estimate, sound, then what each of three large tiles gets: a layer, or -1.
        (10_000, 120, [2, 2, 2]), (2_900, 120, [2, 1, 1]), (1_000, 120, [1, 0, 0]), (620, 120, [0, 0, 0]),
        (450, 120, [0, 0, -1]), (310, 120, [0, -1, -1]), (200, 120, [-1, -1, -1]), (50, 120, [-1, -1, -1]),
    ])
    func `sound, then everyone's lowest layer, then higher ones by importance`(
        estimate: Int, sound: Int, expected: [Int]
    ) {
        var allocator = LayerAllocator()
        let made = allocator.allocate(
            estimate: .kilobitsPerSecond(Int64(estimate)), sound: .kilobitsPerSecond(Int64(sound)),
            tiles: (0..<3).map { tile($0) }, now: .zero)
        #expect(made.choices.map { number($0.choice) } == expected)
        #expect(made.isLimited == (expected != [2, 2, 2]))
        #expect(made.wanted == .kilobitsPerSecond(Int64(sound + 4500)))
    }

    @Test(arguments: [(160, 90, 0), (320, 180, 0), (400, 225, 0), (500, 280, 1), (640, 360, 1), (1920, 1080, 2)])
    func `a tile gets the smallest layer that fills it`(width: Int, height: Int, layer: Int) {
        var allocator = LayerAllocator()
        let made = allocator.allocate(
            estimate: .megabitsPerSecond(10), sound: .zero, tiles: [tile(1, width: width, height: height)], now: .zero)
        #expect(made.choices.map { number($0.choice) } == [layer])
        #expect(!made.isLimited)
    }

    @Test func `down is at once, up needs headroom and time`() {
        var allocator = LayerAllocator()
        func choice(_ kilobits: Int64, at milliseconds: Int64) -> Int {
            number(
                allocator.allocate(
                    estimate: .kilobitsPerSecond(kilobits), sound: .zero, tiles: [tile(1)],
                    now: .zero + .milliseconds(milliseconds)
                ).choices[0].choice)
        }
        #expect(choice(600, at: 0) == 1)
        #expect(choice(490, at: 100) == 0)
        // 510 carries the layer, but without headroom.
        #expect(choice(510, at: 5000) == 0)
        #expect(choice(600, at: 5100) == 0)
        #expect(choice(600, at: 6900) == 0)
        #expect(choice(600, at: 7000) == 1)
        // Shown, it needs none.
        #expect(choice(500, at: 7100) == 1)
        #expect(choice(140, at: 7200) == -1)
        #expect(choice(600, at: 7300) == -1)
        #expect(allocator.nextDeadline == .zero + .milliseconds(9200))
        #expect(choice(600, at: 9200) == 1)
    }

    @Test func `a tile that grows gets its layer at once if there is room`() {
        var allocator = LayerAllocator()
        let small = allocator.allocate(
            estimate: .megabitsPerSecond(5), sound: .zero, tiles: [tile(1, width: 160, height: 90)], now: .zero)
        let large = allocator.allocate(
            estimate: .megabitsPerSecond(5), sound: .zero, tiles: [tile(1)], now: .zero + .milliseconds(10))
        #expect(small.choices.map { number($0.choice) } == [0])
        #expect(large.choices.map { number($0.choice) } == [2])
    }

    @Test func `who sends nothing has no layer, and a silent layer is not offered`() {
        var allocator = LayerAllocator()
        let made = allocator.allocate(
            estimate: .megabitsPerSecond(5), sound: .zero,
            tiles: [tile(1, layers: []), tile(2, layers: .three([150, 0, 0]))], now: .zero)
        #expect(made.choices.map(\.choice) == [.paused(.noLayer), .layer(LayerID(rawValue: 0))])
        #expect(!made.isLimited)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `whatever comes, the allocation fits, and a step up has headroom`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var allocator = LayerAllocator()
        var now = Instant.zero
        for _ in 0..<2000 {
            now += .milliseconds(Int64.random(in: 0...400, using: &random))
            let estimate = BitRate.kilobitsPerSecond(Int64.random(in: 0...6000, using: &random))
            let sound = BitRate.kilobitsPerSecond(Int64.random(in: 0...400, using: &random))
            let tiles = (0..<Int.random(in: 0...9, using: &random)).map { number in
                tile(
                    number, width: Int.random(in: -1...2000, using: &random),
                    height: Int.random(in: -1...1200, using: &random),
                    layers: .three((0..<3).map { Int64.random(in: 0...(300 << $0), using: &random) }))
            }
            let made = allocator.allocate(estimate: estimate, sound: sound, tiles: tiles, now: now)
            #expect(made.choices.map(\.tile) == tiles.map(\.id))
            #expect(made.used <= max(estimate, sound))
            #expect(made.used <= made.wanted || tiles.isEmpty)
            var sum = sound
            for (tile, choice) in zip(tiles, made.choices) {
                if case .layer(let id) = choice.choice {
                    sum += tile.layers.first { $0.id == id }?.bitRate ?? .megabitsPerSecond(1000)
                }
            }
            #expect(sum == made.used)
        }
    }

    private func tile(_ number: Int, width: Int = 1280, height: Int = 720, layers: [Layer] = .three()) -> Tile {
        Tile(id: TileID(rawValue: UInt64(number)), width: width, height: height, layers: layers)
    }

    private func number(_ choice: LayerChoice) -> Int {
        if case .layer(let id) = choice { Int(id.rawValue) } else { -1 }
    }
}

struct LayerDemandTests {
    @Test func `a layer is asked for at once and paused after a while`() {
        var demand = LayerDemand(layers: LayerSet(rawValue: 0b111), hold: .seconds(3), now: .zero)
        let low = LayerSet(LayerID(rawValue: 0))
        let high = LayerSet(LayerID(rawValue: 2))

        func want(_ layers: LayerSet, at seconds: Int64) -> Bool {
            demand.receive(wanted: layers, now: .zero + .seconds(seconds))
        }
        func wait(until seconds: Int64) -> Bool { demand.timeout(now: .zero + .seconds(seconds)) }

        #expect(!want(low, at: 1))
        #expect(demand.nextDeadline == .zero + .seconds(3))
        #expect(!wait(until: 2))
        #expect(wait(until: 3))
        #expect(demand.active == low)
        #expect(demand.nextDeadline == nil)

        #expect(want([low, high], at: 10))
        #expect(demand.active == [low, high])
        // Wanted again within the hold: nothing to tell.
        #expect(!want(low, at: 11))
        #expect(!want([low, high], at: 12))
        #expect(!wait(until: 60))
        #expect(!want([], at: 61))
        #expect(wait(until: 64))
        #expect(demand.active == [])
    }

    @Test func `what was not negotiated is never asked for`() {
        var demand = LayerDemand(layers: LayerSet(rawValue: 0b001), now: .zero)
        let isChanged = demand.receive(wanted: LayerSet(rawValue: 0b111), now: .zero)
        #expect(!isChanged)
        #expect(demand.active == LayerSet(rawValue: 0b001))
    }
}
