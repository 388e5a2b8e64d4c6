import SFUNode
import Testing

/// When a node gives freed memory back.
struct FreedMemoryTests {
    @Test func `memory is given back once rooms have come to rest, and once more when they are forgotten`() {
        var watch = FreedMemoryWatch()
        for _ in 0..<100 { #expect(!watch.isWorthwhile(members: 0, events: 0)) }
        #expect(!watch.isWorthwhile(members: 3, events: 10))
        let calls = (1...100).filter { _ in watch.isWorthwhile(members: 3, events: 10) }
        #expect(calls == [1, 14])
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
