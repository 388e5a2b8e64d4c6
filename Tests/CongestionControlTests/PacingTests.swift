import CongestionControl
import LinkSimulator
import Testing
import Time

struct PacerTests {
    @Test func `a key frame is spread, and sound goes ahead of it`() {
        var pacer = Pacer(rate: .megabitsPerSecond(1), now: .zero)
        var now = Instant.zero
        var left = 50
        var soundPassed = 0
        while left > 0 {
            while left > 0, pacer.take(ByteCount(1000), now: now) { left -= 1 }
            guard left > 0, let due = pacer.nextDeadline else { break }
            #expect(due > now && due < now + .milliseconds(30))
            now = due
            if soundPassed < 10 {
                pacer.sent(ByteCount(100), now: now)
                soundPassed += 1
            }
        }
        // 51,000 bytes less a bucket of 5,000 at 1 Mbit/s.
        #expect(now - .zero > .milliseconds(350) && now - .zero < .milliseconds(380))
        #expect(pacer.nextDeadline == nil)
    }

    @Test func `frequent questions lose no time`() {
        var pacer = Pacer(rate: .kilobitsPerSecond(80), now: .zero)
        while pacer.take(ByteCount(100), now: .zero) {}
        var sent = 0
        for tick in 0..<1_000_000 as Range<Int64> where pacer.take(ByteCount(100), now: .zero + .microseconds(tick)) {
            sent += 1
        }
        #expect((99...101).contains(sent))
    }

    @Test func `nothing flows at no rate, and again when there is one`() {
        var pacer = Pacer(rate: .zero, now: .zero)
        while pacer.take(ByteCount(1000), now: .zero + .seconds(1)) {}
        #expect(pacer.nextDeadline == nil)
        #expect(pacer.budget(now: .zero + .seconds(9)) == .zero)
        pacer.setRate(.megabitsPerSecond(1), now: .zero + .seconds(10))
        #expect(pacer.nextDeadline ?? .zero > .zero + .seconds(10))
        #expect(pacer.budget(now: .zero + .seconds(11)) == ByteCount(5000))
    }
}

struct ProberTests {
    @Test func `nothing is probed while nothing is limited`() {
        var prober = Prober(now: .zero)
        prober.receive(
            estimate: .megabitsPerSecond(1), wanted: .kilobitsPerSecond(500), isLimited: false, now: .zero)
        #expect(prober.nextDeadline == nil)
        prober.receive(estimate: .megabitsPerSecond(9), wanted: .megabitsPerSecond(1), isLimited: true, now: .zero)
        #expect(prober.nextDeadline == nil)
    }

    @Test func `a cluster goes out at its rate, and waits grow while nothing is gained`() {
        var prober = Prober(now: .zero)
        var now = Instant.zero
        var begins: [Instant] = []
        var ids: Set<ProbeClusterID> = []
        var bytes = ByteCount.zero
        for _ in 0..<60_000 {
            now += .milliseconds(1)
            prober.receive(estimate: .megabitsPerSecond(1), wanted: .megabitsPerSecond(9), isLimited: true, now: now)
            guard let due = prober.nextDeadline, due <= now, let step = prober.timeout(now: now) else { continue }
            if ids.insert(step.cluster).inserted {
                #expect(prober.cluster?.rate == .megabitsPerSecond(2))
                begins.append(now)
            }
            prober.sent(step.byteCount, now: now)
            bytes += step.byteCount
        }
        let waits = zip(begins, begins.dropFirst()).map { $1 - $0 }
        #expect(zip(waits, waits.dropFirst()).allSatisfy { $0 <= $1 + .milliseconds(2) })
        #expect(waits.last ?? .zero > .seconds(8) && waits.last ?? .zero < .seconds(10))
        #expect(begins.count >= 8)
        // 25 ms at 2 Mbit/s each.
        #expect(bytes.count >= begins.count * 6250 && bytes.count <= begins.count * 6750)
    }

    @Test func `what is gained is followed at once`() {
        var prober = Prober(now: .zero)
        var now = Instant.zero
        var estimate = BitRate.kilobitsPerSecond(300)
        while estimate < .megabitsPerSecond(4), now < .zero + .seconds(10) {
            now += .milliseconds(1)
            prober.receive(estimate: estimate, wanted: .megabitsPerSecond(5), isLimited: true, now: now)
            guard let step = prober.timeout(now: now), let rate = prober.cluster?.rate else { continue }
            prober.sent(step.byteCount, now: now)
            // A path that carries everything, and tells it when the cluster is out.
            if step.byteCount > .zero, prober.timeout(now: now + .seconds(1)) == nil, prober.cluster == nil {
                estimate = rate
            }
        }
        #expect(now < .zero + .seconds(3))
    }

    @Test func `a cluster that nobody can send ends by itself`() {
        var prober = Prober(now: .zero)
        prober.receive(estimate: .megabitsPerSecond(1), wanted: .megabitsPerSecond(9), isLimited: true, now: .zero)
        var now = Instant.zero
        var sending = 0
        for _ in 0..<1500 {
            now += .milliseconds(1)
            _ = prober.timeout(now: now)
            if prober.cluster != nil { sending += 1 }
        }
        #expect(sending > 20 && sending < 120)
    }
}
