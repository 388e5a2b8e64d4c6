public import Time

/// Chooses for one receiver a layer for each tile, or none, so that sound and pictures fit the estimate.
///
/// Sound first; then everyone's lowest layer, the most important tile first; then everyone's next one, up to the lowest layer that
/// fills its tile. Down is at once, because what is too much queues up before sound. Up needs headroom, and that a step which did
/// not fit has fitted for a while: else two layers alternate, and each change costs a key frame.
public struct LayerAllocator: Sendable {
    /// How eagerly it goes up.
    public struct Settings: Sendable {
        /// A higher layer must fit as if it were so much larger: encoders overshoot, and the estimate swings.
        public var headroom = 1.15
        /// So long must a step have fitted that did not before.
        public var hold = Interval.seconds(2)
        /// A layer fills a tile from this share of its size on; nobody sees the difference.
        public var sharpness = 0.8

        /// The usual ones.
        public init() {}
    }

    /// What is remembered of a tile between two allocations.
    private struct Memory {
        var shown: LayerID?
        /// When the next step up last did not fit.
        var blocked: Instant?
    }

    /// A tile while an allocation is made.
    private struct Candidate {
        /// Fitting layers, smallest first, each dearer than the one before.
        var layers: [Layer]
        /// The place of what is shown in `layers`; -1: nothing.
        var shown: Int
        var chosen = -1
        var blocked: Instant?
        var isHeld = false

        var bitRate: BitRate { chosen < 0 ? .zero : layers[chosen].bitRate }
        var wanted: BitRate { layers.last?.bitRate ?? .zero }
    }

    private let settings: Settings
    private var memory: [TileID: Memory] = [:]

    /// When `allocate` is worth calling again although nothing changed: a held step may then be made.
    public private(set) var nextDeadline: Instant?

    /// An allocator that has shown nothing yet.
    public init(settings: Settings = Settings()) { self.settings = settings }

    /// Chooses. `sound` is what all forwarded sound takes; tiles are in order of importance, each once. Allocates memory: call
    /// it when something changed, not for each packet.
    public mutating func allocate(estimate: BitRate, sound: BitRate, tiles: [Tile], now: Instant) -> Allocation {
        var left = estimate - sound
        var candidates = tiles.map { candidate(for: $0) }
        nextDeadline = nil
        let levels = candidates.reduce(0) { max($0, $1.layers.count) }
        for level in 0..<levels {
            for index in candidates.indices {
                take(level: level, &candidates[index], left: &left, now: now)
            }
        }
        return conclude(candidates, tiles: tiles, sound: sound)
    }

    /// Moves one tile up to a level, if it may.
    private mutating func take(level: Int, _ tile: inout Candidate, left: inout BitRate, now: Instant) {
        guard level < tile.layers.count, tile.chosen == level - 1, !tile.isHeld else { return }
        let rate = tile.layers[level].bitRate
        let available = left + tile.bitRate
        let isStepUp = level > tile.shown
        guard rate * (isStepUp ? settings.headroom : 1) <= available else {
            tile.blocked = now
            return
        }
        if isStepUp, let blocked = tile.blocked, now - blocked < settings.hold {
            tile.isHeld = true
            nextDeadline = min(nextDeadline ?? .distantFuture, blocked + settings.hold)
            return
        }
        left = available - rate
        tile.chosen = level
    }

    private mutating func conclude(_ candidates: [Candidate], tiles: [Tile], sound: BitRate) -> Allocation {
        var allocation = Allocation(choices: [], used: sound, wanted: sound, isLimited: false)
        allocation.choices.reserveCapacity(tiles.count)
        memory.removeAll(keepingCapacity: true)
        for (tile, candidate) in zip(tiles, candidates) {
            allocation.used += candidate.bitRate
            allocation.wanted += candidate.wanted
            if candidate.chosen < candidate.layers.count - 1 { allocation.isLimited = true }
            let shown = candidate.chosen < 0 ? nil : candidate.layers[candidate.chosen].id
            memory[tile.id] = Memory(shown: shown, blocked: candidate.blocked)
            let paused = LayerChoice.paused(candidate.layers.isEmpty ? .noLayer : .bandwidth)
            allocation.choices.append(TileChoice(tile: tile.id, choice: shown.map { .layer($0) } ?? paused))
        }
        return allocation
    }

    private func candidate(for tile: Tile) -> Candidate {
        let sorted = tile.layers.filter { $0.bitRate > .zero }.sorted {
            (area($0), $0.bitRate.bitsPerSecond) < (area($1), $1.bitRate.bitsPerSecond)
        }
        let best = sorted.firstIndex { fills($0, tile) } ?? sorted.count - 1
        var layers: [Layer] = []
        for layer in sorted.prefix(best + 1) {
            // A smaller picture that takes more is of no use.
            while let last = layers.last, last.bitRate >= layer.bitRate { layers.removeLast() }
            layers.append(layer)
        }
        let known = memory[tile.id]
        return Candidate(layers: layers, shown: place(of: known?.shown, in: layers, of: tile), blocked: known?.blocked)
    }

    /// Where the shown layer is among the fitting ones. One that is larger than all of them, or fell out between two, counts as
    /// the next smaller: what is no step up needs no headroom.
    private func place(of shown: LayerID?, in layers: [Layer], of tile: Tile) -> Int {
        guard let shown, let layer = tile.layers.first(where: { $0.id == shown }) else { return -1 }
        return layers.lastIndex { area($0) <= area(layer) } ?? -1
    }

    /// A picture is shown whole: one side of the tile limits it.
    private func fills(_ layer: Layer, _ tile: Tile) -> Bool {
        Double(layer.width) >= Double(tile.width) * settings.sharpness
            || Double(layer.height) >= Double(tile.height) * settings.sharpness
    }

    private func area(_ layer: Layer) -> Double { Double(layer.width) * Double(layer.height) }
}
