import CongestionControl
import LinkSimulator
import Testing
import Time

struct TransportFeedbackLogTests {
    @Test func `feedback is matched with what was sent, across the wrap of numbers and of the receiver's clock`() {
        var log = TransportFeedbackLog(capacity: 1024)
        var now = Instant.zero
        var lastArrival: Instant?
        // The 24-bit count of 64 ms begins anew after 12.4 days: start shortly before.
        let period = Int64(1 << 24) * 64_000_000
        for batch in 0..<700 {
            var sent: [(UInt16, Instant)] = []
            for _ in 0..<100 {
                now += .milliseconds(1)
                sent.append((log.send(ByteCount(500), now: now), now))
            }
            #expect(log.inFlight == ByteCount(50_000))
            log.beginFeedback(now: now)
            for (sequence, at) in sent {
                let onTheirClock = (period - 20_000_000_000 + at.nanoseconds) % period
                log.receive(sequence, arrival: sequence % 10 == 3 ? nil : .nanoseconds(onTheirClock))
            }
            #expect(log.results.map(\.sequence) == (0..<100).map { Int64(batch * 100 + $0) })
            #expect(log.inFlight == .zero)
            for result in log.results {
                guard let arrival = result.arrival else { continue }
                if let last = lastArrival { #expect(arrival - last <= .milliseconds(2) && arrival > last) }
                lastArrival = arrival
            }
            let isInOrder = zip(log.results, sent).allSatisfy { $0.sent == $1.1 }
            #expect(isInOrder)
        }
        #expect(log.passedOver == 0)
    }

    @Test func `lost may become arrived, nothing else is believed twice`() {
        var log = TransportFeedbackLog()
        let first = log.send(ByteCount(100), now: .zero)
        let second = log.send(ByteCount(200), probe: ProbeClusterID(rawValue: 7), now: .zero)

        log.beginFeedback(now: .zero)
        log.receive(first, arrival: nil)
        log.receive(second, arrival: .milliseconds(5))
        #expect(log.results.map(\.arrival) == [nil, .zero + .milliseconds(5)])
        #expect(log.results.map(\.probe) == [nil, ProbeClusterID(rawValue: 7)])

        log.beginFeedback(now: .zero)
        log.receive(first, arrival: nil)
        log.receive(first, arrival: .milliseconds(6))
        log.receive(first, arrival: .milliseconds(7))
        log.receive(second, arrival: nil)
        log.receive(second, arrival: .milliseconds(9))
        #expect(log.results.map(\.sequence) == [0])
        #expect(log.passedOver == 4)
    }

    @Test func `answers that come late find what they speak of`() {
        var log = TransportFeedbackLog()
        _ = log.send(ByteCount(10), now: .zero)
        log.beginFeedback(now: .zero)
        log.receive(0, arrival: .zero)
        for number in 1...4_000 { #expect(log.send(ByteCount(10), now: .zero) == UInt16(number)) }
        log.beginFeedback(now: .zero)
        for number in 1...4_000 { log.receive(UInt16(number), arrival: .zero) }
        #expect(log.results.map(\.sequence) == Array(1...4_000))
        #expect(log.passedOver == 0 && log.inFlight == .zero)
    }

    @Test func `what was never sent, or is forgotten, is passed over`() {
        var log = TransportFeedbackLog(capacity: 16)
        log.beginFeedback(now: .zero)
        log.receive(0, arrival: .zero)
        for _ in 0..<20 { _ = log.send(ByteCount(10), now: .zero) }
        #expect(log.inFlight == ByteCount(160))
        log.receive(3, arrival: .zero)
        log.receive(20, arrival: .zero)
        log.receive(40_000, arrival: .zero)
        #expect(log.results.isEmpty)
        #expect(log.passedOver == 4)
        // Feedback of earlier ones was lost: they are not under way any more.
        log.receive(18, arrival: .zero)
        #expect(log.results.count == 1)
        #expect(log.inFlight == ByteCount(10))
    }
}

struct ArrivalLogTests {
    @Test func `feedback is due by rate, and speaks of every number once`() {
        var log = ArrivalLog()
        var now = Instant.zero
        var reports = 0
        var next: UInt16 = 65_000
        var expected: UInt16 = 65_000
        for tick in 0..<5000 {
            now += .milliseconds(1)
            // 2 Mbit/s, each seventh packet lost.
            if tick % 4 == 0 {
                if tick % 28 != 8 { log.receive(next, size: ByteCount(1000), now: now) }
                next &+= 1
            }
            guard let due = log.nextDeadline, due <= now, let report = log.timeout(now: now) else { continue }
            reports += 1
            #expect(report.base == expected)
            log.forEach(report) { sequence, arrival in
                #expect(sequence == expected)
                expected &+= 1
                #expect((arrival == nil) == (Int(sequence &- 65_000) % 7 == 2))
            }
        }
        #expect(reports >= 5000 / 55 && reports <= 5000 / 45)
    }

    @Test func `a slow sender gets feedback four times a second, a silent one none`() {
        var log = ArrivalLog()
        var now = Instant.zero
        var reports = 0
        var sequence: UInt16 = 0
        for tick in 0..<4000 {
            now += .milliseconds(1)
            if tick % 100 == 0 {
                log.receive(sequence, size: ByteCount(100), now: now)
                sequence += 1
            }
            if let due = log.nextDeadline, due <= now, log.timeout(now: now) != nil { reports += 1 }
        }
        #expect(reports >= 14 && reports <= 18)
        _ = log.timeout(now: now + .seconds(1))
        #expect(log.nextDeadline == nil)
    }

    @Test func `many packets are reported before their time, and one late packet again`() {
        var log = ArrivalLog()
        for sequence in 0..<299 as Range<UInt16> { log.receive(sequence, size: ByteCount(1), now: .zero) }
        #expect(log.nextDeadline != .zero)
        log.receive(301, size: ByteCount(1), now: .zero)
        #expect(log.nextDeadline == .zero)
        #expect(log.timeout(now: .zero)?.packetCount == 302)
        log.receive(300, size: ByteCount(1), now: .zero + .milliseconds(1))
        let again = log.timeout(now: .zero + .seconds(1))
        #expect(again?.base == 300)
        #expect(again?.packetCount == 2)
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func `whatever numbers come, a report stays within the log`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var log = ArrivalLog(capacity: 256)
        var now = Instant.zero
        var sequence: UInt16 = 0
        for _ in 0..<20_000 {
            now += .microseconds(Int64.random(in: 0...3000, using: &random))
            sequence &+= Int.random(in: 0..<50, using: &random) == 0 ? .random(in: 0...UInt16.max, using: &random) : 1
            log.receive(sequence, size: ByteCount(100), now: now)
            guard let report = log.timeout(now: now) else { continue }
            #expect((1...256).contains(report.packetCount))
            var count = 0
            log.forEach(report) { _, arrival in
                count += 1
                #expect(arrival ?? now <= now)
            }
            #expect(count == report.packetCount)
        }
    }
}
