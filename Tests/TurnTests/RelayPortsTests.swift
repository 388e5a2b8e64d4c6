import Testing
import Turn

@Suite struct RelayPortsTests {
    @Test func `every port of the range is given once, then none`() {
        var random = Seeded(state: 1)
        var ports = RelayPorts(50_001...50_130)
        var given: Set<UInt16> = []
        while let port = ports.take(.any, using: &random) { given.insert(port) }
        #expect(given == Set(50_001...50_130))
        #expect(ports.takenCount == 130)
        ports.release(50_077)
        ports.release(50_077)
        #expect(ports.takenCount == 129)
        #expect(ports.take(.any, using: &random) == 50_077)
    }

    @Test func `an even port is even, and with its next both are taken`() {
        var random = Seeded(state: 2)
        var ports = RelayPorts(50_001...50_006)
        var pairs: Set<UInt16> = []
        while let port = ports.take(.evenWithNext, using: &random) { pairs.insert(port) }
        #expect(pairs == [50_002, 50_004])
        #expect(ports.take(.even, using: &random) == 50_006)
        #expect(ports.take(.any, using: &random) == 50_001)
        #expect(ports.take(.any, using: &random) == nil)
    }

    @Test func `ports follow no pattern: differences between neighbours in time are spread over the range`() {
        var random = Seeded(state: 3)
        var ports = RelayPorts(49_152...65_535)
        let given = (0..<2_000).compactMap { _ in ports.take(.any, using: &random) }
        let steps = Set(zip(given, given.dropFirst()).map { Int($1) - Int($0) })
        // Of 1,999 steps over some 32,000 possible values about 60 meet another by chance.
        #expect(given.count == 2_000)
        #expect(steps.count > 1_700)
    }
}

private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
