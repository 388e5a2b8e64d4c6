import Addresses
import TURNServer
import Testing
import Time

struct SourceLimiterTests {
    /// /24 and /48: the first and the last of a network, and the first of the next.
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.254", "192.0.3.0"), ("2600:1:2::1", "2600:1:2:ffff:ffff:ffff:ffff:ffff", "2600:1:3::"),
    ])
    func `a network over its rate is refused until time has passed, and others notice nothing`(
        first: String, last: String, next: String
    ) {
        var limiter = SourceLimiter(rate: 10, burst: 3, seed: 1)
        let (source, neighbour, stranger) = (ip(first), ip(last), ip(next))
        func isAdmitted(_ address: IPAddress, at milliseconds: Int64) -> Bool {
            limiter.admit(address, now: .zero + .milliseconds(milliseconds))
        }

        #expect((0..<5).map { _ in isAdmitted(source, at: 0) } == [true, true, true, false, false])
        #expect(!isAdmitted(neighbour, at: 50))
        #expect(isAdmitted(stranger, at: 50))
        #expect(isAdmitted(neighbour, at: 100))
        #expect(!isAdmitted(source, at: 100))
        #expect((0..<4).map { _ in isAdmitted(source, at: 10_000) } == [true, true, true, false])
    }
}
