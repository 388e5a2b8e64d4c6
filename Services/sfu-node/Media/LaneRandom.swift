/// A lane's random numbers: the system's, or for tests those of a seed (SplitMix64).
struct LaneRandom: RandomNumberGenerator {
    private var state: UInt64?
    private var system = SystemRandomNumberGenerator()

    init(seed: UInt64?) { state = seed }

    mutating func next() -> UInt64 {
        guard let state else { return system.next() }
        let moved = state &+ 0x9E37_79B9_7F4A_7C15
        self.state = moved
        var mixed = (moved ^ (moved >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
