import Testing
import Time

@Test func `moments and lengths add up`() {
    let start = Instant(nanoseconds: 5)

    #expect((start + .seconds(2)) - start == .milliseconds(2000))
    #expect(start + .nanoseconds(1) > start)
    #expect(Interval.milliseconds(3) / 3 == .microseconds(1000))
    #expect(WallTime(milliseconds: 10) + .seconds(1) - .milliseconds(1) == WallTime(milliseconds: 1009))
}

@Test func `what would overflow stays at the end`() {
    #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
    #expect(Interval.seconds(9_000_000_000) + .seconds(9_000_000_000) == Interval(nanoseconds: .max))
    #expect(Instant(nanoseconds: .min) - .seconds(1) == Instant(nanoseconds: .min))
    #expect(Interval.seconds(4) * .max == Interval(nanoseconds: .max))
    #expect(Interval.seconds(-4) * .max == Interval(nanoseconds: .min))
    #expect(Interval(.seconds(Int64.max)) == Interval(nanoseconds: .max))
}

@Test(arguments: [
    (Interval.seconds(1) + .milliseconds(500), "1.5 s"), (.milliseconds(20), "20.0 ms"), (.nanoseconds(7), "7 ns"),
])
func `a length is written in the unit that reads best`(interval: Interval, text: String) {
    #expect(interval.description == text)
}

@Test func `the standard library's form goes there and back`() {
    #expect(Interval(Interval.milliseconds(-1500).duration) == .milliseconds(-1500))
}
