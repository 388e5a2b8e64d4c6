import SFUNode
import Testing

/// When a node gives freed memory back.
struct FreedMemoryTests {
    @Test func `memory is given back once all are gone, and once more when their rooms are forgotten`() {
        var watch = FreedMemoryWatch()
        for _ in 0..<100 { #expect(!watch.isWorthwhile(members: 0, events: 0)) }
        #expect(!watch.isWorthwhile(members: 3, events: 10))
        #expect(!watch.isWorthwhile(members: 0, events: 12))
        let calls = (1...100).filter { _ in watch.isWorthwhile(members: 0, events: 12) }
        #expect(calls == [1, 14])
    }

    @Test func `who comes and goes in rooms that go on gives nothing back each time`() {
        var watch = FreedMemoryWatch()
        let calls = (1...100).filter { watch.isWorthwhile(members: 6 + $0 % 4, events: UInt64($0)) }
        #expect(calls == [])
    }

    @Test func `where rooms never rest it is given back when half of the members left`() {
        var watch = FreedMemoryWatch()
        #expect(!watch.isWorthwhile(members: 40, events: 100))
        #expect(!watch.isWorthwhile(members: 21, events: 200))
        #expect(watch.isWorthwhile(members: 20, events: 300))
        #expect(!watch.isWorthwhile(members: 19, events: 400))
        #expect(watch.isWorthwhile(members: 9, events: 500))
    }

    @Test func `few members who leave a node that others use are not worth it`() {
        var watch = FreedMemoryWatch()
        #expect(!watch.isWorthwhile(members: 4, events: 100))
        #expect(!watch.isWorthwhile(members: 0, events: 200))
    }
}
