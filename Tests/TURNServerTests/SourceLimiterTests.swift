import Addresses
import TURNServer
import Testing
import Time

struct SourceLimiterTests {
    @Test func `a network over its rate is refused until time has passed, and others notice nothing`() throws {
        var limiter = SourceLimiter(rate: 10, burst: 3, seed: 1)
        let source = try #require(IPAddress("192.0.2.1"))
        let neighbour = try #require(IPAddress("192.0.2.254"))
        let stranger = try #require(IPAddress("198.51.100.1"))
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
