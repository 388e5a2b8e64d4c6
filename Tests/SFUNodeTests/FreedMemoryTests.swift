import SFUNode
import Testing

/// When a node gives freed memory back.
struct FreedMemoryTests {
    /// What a new watch says to each of these, one after the other.
    private func said(_ seen: [(members: Int, events: UInt64)]) -> [Bool] {
        var watch = FreedMemoryWatch()
        return seen.map { watch.isWorthwhile(members: $0.members, events: $0.events) }
    }

    @Test func `memory is given back once all are gone, and once more when their rooms are forgotten`() {
        let idle = Array(repeating: (members: 0, events: UInt64(0)), count: 100)
        #expect(!said(idle).contains(true))
        let gone = Array(repeating: (members: 0, events: UInt64(12)), count: 100)
        let answers = said([(3, 10), (0, 12)] + gone)
        #expect(answers.indices.filter { answers[$0] } == [2, 15])
    }

    @Test func `who comes and goes in rooms that go on gives nothing back each time`() {
        let busy = (1...100).map { (members: 6 + $0 % 4, events: UInt64($0)) }
        #expect(!said(busy).contains(true))
    }

    @Test func `where rooms never rest it is given back when half of the members left`() {
        #expect(said([(40, 100), (21, 200), (20, 300), (19, 400), (9, 500)]) == [false, false, true, false, true])
    }

    @Test func `few members who leave a node that others use are not worth it`() {
        #expect(said([(4, 100), (0, 200)]) == [false, false])
    }
}
