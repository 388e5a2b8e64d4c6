import Attachment
import Testing
import Time

/// Which registry is tried when.
struct AttachmentCycleTests {
    /// The least that each draw can give. Not 0: `random(in:)` refuses that for bounds that are no power of two, for ever.
    private struct Least: RandomNumberGenerator {
        mutating func next() -> UInt64 { 1 }
    }

    private func attempts(_ count: Int, of cycle: inout AttachmentCycle) -> [AttachmentCycle.Attempt] {
        var random = Least()
        return (0..<count).map { _ in cycle.attempt(using: &random) }
    }

    @Test func `the first round tries all at once and impatiently`() {
        var cycle = AttachmentCycle(registries: 3)
        let round = attempts(3, of: &cycle)
        #expect(round.map(\.registry) == [0, 1, 2])
        #expect(round.allSatisfy { $0.pause == .zero && $0.patience == AttachmentCycle.firstPatience })
    }

    @Test func `where all fail, pauses and patience grow to their ends`() {
        var cycle = AttachmentCycle(registries: 2)
        let rounds = attempts(200, of: &cycle)
        #expect(rounds.prefix(6).map(\.registry) == [0, 1, 0, 1, 0, 1])
        #expect(rounds[2].pause == .milliseconds(50))
        #expect(rounds[3].pause == .zero)
        #expect(rounds[4].pause == .milliseconds(100))
        #expect(zip(rounds, rounds.dropFirst()).allSatisfy { $0.patience <= $1.patience })
        #expect(rounds[199].patience == AttachmentCycle.longestPatience)
        #expect(rounds.allSatisfy { $0.pause <= AttachmentCycle.longestPause })
    }

    @Test func `a registry that is known to be better is tried next, and then the one after it`() {
        var cycle = AttachmentCycle(registries: 4)
        _ = attempts(1, of: &cycle)
        cycle.attached()
        cycle.goTo(3)
        #expect(attempts(2, of: &cycle).map(\.registry) == [3, 0])
    }

    @Test func `after a loss the next registry is tried at once`() {
        var cycle = AttachmentCycle(registries: 2)
        _ = attempts(7, of: &cycle)
        cycle.attached()
        #expect(
            attempts(1, of: &cycle) == [
                AttachmentCycle.Attempt(registry: 1, pause: .zero, patience: AttachmentCycle.firstPatience)
            ])
    }
}
