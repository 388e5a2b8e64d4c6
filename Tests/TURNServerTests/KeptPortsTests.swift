import TURNServer
import Testing
import Time

struct KeptPortsTests {
    @Test func `a user has a share of the reserved ports, and has it back when one is claimed or over`() {
        var kept = KeptPorts<Int>(limit: 4, limitOfUser: 2)
        let start = Instant.zero + .seconds(1)
        var story: [String] = []
        func keep(_ port: Int, _ user: String, after seconds: Int64) {
            let isKept = kept.keep(port, token: UInt64(port), user: user, now: start + .seconds(seconds))
            story.append("\(user) \(port) \(isKept ? "kept" : "refused")")
        }
        keep(1, "ann", after: 0)
        keep(2, "ann", after: 0)
        keep(3, "ann", after: 0)
        keep(4, "bob", after: 10)
        func take(_ token: UInt64, _ user: String) -> Int { kept.take(token: token, user: user) ?? 0 }
        story.append("bob claimed \(take(1, "bob")), ann \(take(1, "ann")), then \(take(1, "ann"))")
        keep(5, "ann", after: 10)
        story.append("over \(kept.expire(now: start + .seconds(30)))")
        keep(6, "ann", after: 30)
        keep(7, "ann", after: 30)
        story.append("over \(kept.expire(now: start + .seconds(40)))")
        #expect(
            story == [
                "ann 1 kept", "ann 2 kept", "ann 3 refused", "bob 4 kept", "bob claimed 0, ann 1, then 0",
                "ann 5 kept",
                "over [2]", "ann 6 kept", "ann 7 refused", "over [4, 5]",
            ])
    }

    @Test func `who keeps and claims over and over takes nobody's place`() {
        var kept = KeptPorts<Int>(limit: 4, limitOfUser: 2)
        let start = Instant.zero + .seconds(1)
        func keep(_ number: Int, _ user: String, after seconds: Int64) -> Bool {
            kept.keep(number, token: UInt64(number), user: user, now: start + .seconds(seconds))
        }
        func take(_ number: Int, _ user: String) -> Int? { kept.take(token: UInt64(number), user: user) }
        func expire(after seconds: Int64) -> [Int] { kept.expire(now: start + .seconds(seconds)) }
        #expect(keep(1, "bob", after: 0))
        for number in 2..<100 {
            #expect(keep(number, "ann", after: 1))
            #expect(take(number, "ann") == number)
        }
        // The same token again waits its own time, not that of the one before.
        #expect(keep(99, "ann", after: 20))
        #expect(expire(after: 30) == [1])
        #expect(expire(after: 49) == [])
        #expect(expire(after: 50) == [99])
        #expect(kept.nextDeadline == nil)
    }
}
