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
        story.append("claimed \(kept.take(token: 1) ?? 0), then \(kept.take(token: 1) ?? 0)")
        keep(5, "ann", after: 10)
        story.append("over \(kept.expire(now: start + .seconds(30)))")
        keep(6, "ann", after: 30)
        keep(7, "ann", after: 30)
        story.append("over \(kept.expire(now: start + .seconds(40)))")
        #expect(
            story == [
                "ann 1 kept", "ann 2 kept", "ann 3 refused", "bob 4 kept", "claimed 1, then 0", "ann 5 kept",
                "over [2]", "ann 6 kept", "ann 7 refused", "over [4, 5]",
            ])
    }
}
